"""What a failed flow leaves behind: its state and its log, and nothing in the storage.

Prefect pickles the exception of every failed flow beside the results. Nobody reads it: the state
has its text, and the log where it was raised.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from housing_ml.errors import HousingError
from housing_ml.settings import StorageSettings
from housing_ml.storage.locate import storage_place

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.client.schemas.objects import FlowRun, State


def forget_exception(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001 - Prefect gives them
    """Delete the record of a failed state: a hook of `@flow(on_failure=[...])`."""
    metadata = getattr(state.data, "metadata", state.data)
    key = getattr(metadata, "storage_key", None)
    if key is None:
        return
    with suppress(OSError, HousingError):  # the failure itself matters more
        place = storage_place(StorageSettings())
        if isinstance(place, Path):
            (place / key).unlink(missing_ok=True)
        else:
            place.delete(key)
