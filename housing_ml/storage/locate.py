"""Where the settings say that data, results and releases are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from housing_ml.settings import StorageSettings
    from housing_ml.storage.gcs import Bucket


def storage_place(settings: StorageSettings) -> Bucket | Path:
    """Return the place of the Prefect block, else the bucket by its address, else the home folder.

    Raises:
        StorageError: when Prefect does not know the block.
        BlockError: when the machine has no identity at Google.
    """
    if settings.storage_block is not None:
        from housing_ml.storage.places import open_place  # noqa: PLC0415 - not for local files

        return open_place(settings.storage_block)
    if settings.bucket is not None:
        from housing_ml.storage.places import open_bucket  # noqa: PLC0415 - the same

        return open_bucket(settings.bucket, settings.service_account_file)
    return settings.storage_path
