"""What takes seconds to train is trained once in a run of the tests, by whichever process asks."""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING

from housing_ml.bundle.model import Bundle
from housing_ml.modelling.training import TrainedModel
from housing_ml.storage.atomic import write_atomically
from housing_ml.storage.file_lock import lock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest


def trained_once(
    folders: pytest.TempPathFactory, name: str, make: Callable[[], TrainedModel]
) -> TrainedModel:
    """Return the model of that name, which the first process makes and the others read."""
    folder = _shared(folders)
    kept = folder / f"{name}.pickle"
    with (folder / f"{name}.lock").open("w") as held:
        lock(held.fileno())
        if not kept.exists():
            made = make()
            write_atomically(kept, pickle.dumps(made._asdict() | {"bundle": made.bundle.files()}))
            return made
    parts = pickle.loads(kept.read_bytes())  # noqa: S301 - of this very run
    return TrainedModel(**parts | {"bundle": Bundle(parts["bundle"])})


def _shared(folders: pytest.TempPathFactory) -> Path:
    own = folders.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
