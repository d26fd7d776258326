"""The Prefect blocks that the settings name: where things are kept, and who is told of failures."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.filesystems import LocalFileSystem
from prefect_gcp import GcpCredentials, GcsBucket

from housing_ml.errors import HousingError

if TYPE_CHECKING:
    from pathlib import Path

    from prefect.blocks.core import Block
    from pydantic import SecretStr

    from housing_ml.settings import Settings

NOTIFICATION = "housing-notification"
"""Name of the webhook's block."""


class BlockError(HousingError):
    """A block that the settings do not describe fully; the message names the setting."""


class EmulatorCredentials(GcpCredentials):  # type: ignore[misc]  # has no types
    """Nobody in particular, for an emulator of Google Cloud Storage that asks for no token."""

    _block_type_name = "Emulator of GCP"

    def get_credentials_from_service_account(self) -> AnonymousCredentials:
        """Return credentials that add nothing to a request."""
        return AnonymousCredentials()


def register_blocks(settings: Settings) -> dict[str, Block]:
    """Create or update the blocks, by name; doing it again changes nothing.

    Raises:
        BlockError: when a setting is missing, or the machine has no identity at Google.
    """
    blocks: dict[str, Block] = {}
    if settings.storage_block:
        blocks[settings.storage_block] = _storage(settings.storage_block, settings)
    if settings.notification_url:
        name = f"{CustomWebhookNotificationBlock.get_block_type_slug()}/{NOTIFICATION}"
        blocks[name] = _webhook(settings.notification_url)
    for name, block in blocks.items():
        block.save(name.partition("/")[2], overwrite=True)
    return blocks


def _storage(block: str, settings: Settings) -> Any:
    kind = block.partition("/")[0]
    if kind == "local-file-system":
        return LocalFileSystem(basepath=str(settings.storage_path))
    if kind != "gcs-bucket":
        raise BlockError(
            f"HOUSING_STORAGE_BLOCK={block}: give gcs-bucket/NAME or local-file-system/NAME"
        )
    if not settings.bucket:
        raise BlockError("HOUSING_BUCKET is empty: set it to gs://BUCKET/FOLDER")
    return bucket_block(settings.bucket, settings.service_account_file)


def bucket_block(address: str, key_file: Path | None) -> Any:
    """Return the block of gs://BUCKET/FOLDER, which Prefect does not know yet.

    Raises:
        BlockError: when the key file cannot be read, or the machine has no identity at Google.
    """
    name, _, folder = address.removeprefix("gs://").partition("/")
    return GcsBucket(bucket=name, bucket_folder=folder, gcp_credentials=_credentials(key_file))


def _credentials(file: Path | None) -> Any:
    """Return the key's credentials, or the machine's own: workload identity; none of an emulator.

    The block holds the key itself, which Prefect encrypts, and not where it is on this machine.
    """
    named = file or os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    if os.environ.get("STORAGE_EMULATOR_HOST") and not named:
        return EmulatorCredentials(project="housing")
    try:
        key: Any = json.loads(file.read_bytes()) if file else None
        return GcpCredentials(service_account_info=key)
    except OSError as error:
        raise BlockError(f"HOUSING_SERVICE_ACCOUNT_FILE={file} cannot be read ({error})") from error
    except (DefaultCredentialsError, ValueError) as error:
        raise BlockError(
            f"no identity at Google ({error}): set HOUSING_SERVICE_ACCOUNT_FILE to a key file"
        ) from error


def _webhook(url: SecretStr) -> Block:
    """Return a webhook that takes Slack's form, as Mattermost and others do."""
    secrets: Any = {"address": url.get_secret_value()}
    return CustomWebhookNotificationBlock(
        name="housing",
        url="{{address}}",
        json_data={"text": "{{subject}}\n{{body}}"},
        secrets=secrets,
    )
