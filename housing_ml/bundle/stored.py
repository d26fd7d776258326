"""A bundle that a stage has put into the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from housing_ml.bundle.model import Bundle

if TYPE_CHECKING:
    from housing_ml.records.training import BundleRef
    from housing_ml.storage.store import Store


def load_stored(store: Store, ref: BundleRef) -> Bundle:
    """Return the stored bundle, which has proved itself.

    Raises:
        BundleError: when it does not repeat its golden rows, or other feature code made it.
        StorageError: when a file of it is missing or damaged.
    """
    files = {name: store.get_bytes(file) for name, file in ref.files.items()}
    return Bundle(files, same_code=True)
