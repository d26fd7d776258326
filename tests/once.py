"""What takes seconds to train is trained once: by whichever process and run of the tests asks."""

from __future__ import annotations

import pickle
import sys
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from typing import TYPE_CHECKING

from housing_ml.bundle.model import Bundle
from housing_ml.fingerprint import code_fingerprint
from housing_ml.modelling import training
from housing_ml.modelling.training import TrainedModel
from housing_ml.storage.atomic import write_atomically
from housing_ml.storage.file_lock import lock

if TYPE_CHECKING:
    import numpy as np
    import pytest
    from numpy.typing import NDArray

    from housing_ml.bundle.manifest import Provenance
    from housing_ml.config.choices import FeatureParameters, ModelName, Parameters
    from housing_ml.config.modelling import TrainingConfig
    from housing_ml.data.contract import Matrix

_LIBRARIES = ("numpy", "pykdtree", "scipy", "scikit-learn", "onnx", "onnxruntime", "safetensors")


def train_once(
    kept: pytest.Cache,
    raw: Matrix,
    y: NDArray[np.float64],
    features: FeatureParameters,
    model: ModelName,
    parameters: Parameters,
    config: TrainingConfig,
    provenance: Provenance,
) -> TrainedModel:
    """Train as `training.train` does, or return what the same code gave for the same before.

    The first process makes it and the others wait; the next run of the tests finds it in pytest's
    cache, until a line of code that training can reach changes, or a library.
    """
    choices = repr((raw.shape, features, model, parameters, config, provenance))
    asked = sha256(b"".join([raw.tobytes(), y.tobytes(), choices.encode()])).hexdigest()
    folder, code = kept.mkdir("trained"), _code()
    path = folder / f"{code[:16]}-{asked[:32]}.pickle"
    with path.with_suffix(".lock").open("w") as held:
        lock(held.fileno())
        if not path.exists():
            made = training.train(raw, y, features, model, parameters, config, provenance)
            write_atomically(path, pickle.dumps(made._asdict() | {"bundle": made.bundle.files()}))
            for other in folder.iterdir():
                if not other.name.startswith(code[:16]):
                    other.unlink(missing_ok=True)
            return made
    parts = pickle.loads(path.read_bytes())  # noqa: S301 - what stands above wrote it
    return TrainedModel(**parts | {"bundle": Bundle(parts["bundle"])})


@cache
def _code() -> str:
    libraries = [f"{name} {version(name)}\n" for name in _LIBRARIES]
    found = [sys.version, code_fingerprint(training.__name__), *libraries]
    return sha256("".join(found).encode()).hexdigest()
