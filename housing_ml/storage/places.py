"""Where a Prefect block says that data, results and releases are: in a bucket or in a folder."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, cast

from prefect.blocks.core import Block

from housing_ml.storage.blocks import bucket_block
from housing_ml.storage.errors import StorageError
from housing_ml.storage.gcs import Bucket


@cache
def open_place(block: str) -> Bucket | Path:
    """Return the bucket of gcs-bucket/NAME, or the folder of local-file-system/NAME.

    One process has one client for a bucket.

    Raises:
        StorageError: when Prefect does not know the block, or it is of another type.
    """
    try:
        found = cast("Any", Block).load(block, _sync=True)  # also where an event loop runs
    except (ValueError, KeyError) as error:
        raise StorageError(
            f"{block}: {error}: register it with `housing blocks register`"
        ) from error
    if block.startswith("gcs-bucket/"):
        return Bucket(found)
    if block.startswith("local-file-system/"):
        return Path(found.basepath).expanduser().resolve()
    raise StorageError(f"{block}: give gcs-bucket/NAME or local-file-system/NAME")


@cache
def open_bucket(address: str, key_file: Path | None) -> Bucket:
    """Return the bucket at gs://BUCKET/FOLDER, without asking Prefect for anything.

    Raises:
        BlockError: when the machine has no identity at Google.
    """
    return Bucket(bucket_block(address, key_file))
