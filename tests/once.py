"""What takes seconds to train is trained once: by whichever process and run of the tests asks."""

from __future__ import annotations

import pickle
import sys
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from typing import TYPE_CHECKING, Concatenate, ParamSpec

import numpy as np

from housing_ml.bundle.model import Bundle
from housing_ml.fingerprint import code_fingerprint
from housing_ml.modelling import training
from housing_ml.modelling.training import TrainedModel
from housing_ml.storage.atomic import write_atomically
from tests.waiting import alone

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

_LIBRARIES = ("numpy", "pykdtree", "scipy", "scikit-learn", "onnx", "onnxruntime", "safetensors")
P = ParamSpec("P")


def _kept(
    train: Callable[P, TrainedModel],
) -> Callable[Concatenate[pytest.Cache, P], TrainedModel]:
    """Train, or return what the same code gave for the same before.

    The first process makes it and the others wait; the next run of the tests finds it in pytest's
    cache, until a line of code that training can reach changes, or a library.
    """

    def train_once(kept: pytest.Cache, /, *args: P.args, **kwargs: P.kwargs) -> TrainedModel:
        folder, code, asked = kept.mkdir("trained"), _code(), sha256()
        for given in (*args, *kwargs, *kwargs.values()):
            asked.update(repr(getattr(given, "shape", given)).encode())
            asked.update(given.tobytes() if isinstance(given, np.ndarray) else b"")
        path = folder / f"{code[:16]}-{asked.hexdigest()[:32]}.pickle"
        with alone(path.with_suffix(".lock")):
            if not path.exists():
                made = train(*args, **kwargs)
                files = made._asdict() | {"bundle": made.bundle.files()}
                write_atomically(path, pickle.dumps(files))
                for other in folder.iterdir():
                    if not other.name.startswith(code[:16]):
                        other.unlink(missing_ok=True)
                return made
        parts = pickle.loads(path.read_bytes())  # noqa: S301 - what stands above wrote it
        return TrainedModel(**parts | {"bundle": Bundle(parts["bundle"])})

    return train_once


train_once = _kept(training.train)


@cache
def _code() -> str:
    libraries = [f"{name} {version(name)}\n" for name in _LIBRARIES]
    found = [sys.version, code_fingerprint(training.__name__), *libraries]
    return sha256("".join(found).encode()).hexdigest()
