"""The registered model names all that its code needs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from typing import TYPE_CHECKING

import pytest

from housing_ml.bundle.manifest import Provenance
from housing_ml.config.choices import FeatureParameters
from housing_ml.config.modelling import TrainingConfig
from housing_ml.data.contract import COLUMNS, TARGET, to_matrix
from housing_ml.modelling.training import train
from housing_ml.registry.models import _REQUIREMENTS

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

SCRIPT = """
import json, sys
from importlib.abc import MetaPathFinder

class Hidden(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(name)

bundle, rows, hidden = sys.argv[1], json.loads(sys.argv[2]), set(sys.argv[3].split())
sys.meta_path.insert(0, Hidden())
import pandas
from mlflow.pyfunc.model import PythonModelContext
from housing_ml.registry.served_model import PricedRows

model = PricedRows()
model.load_context(PythonModelContext({"bundle": bundle}, None))
print(model.predict(None, pandas.DataFrame(rows)).to_json(orient="records"))
print(*sys.modules)
"""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_it_answers_where_every_package_but_its_requirements_is_hidden(
    housing_frame: pd.DataFrame, tmp_path: Path
) -> None:
    allowed, waiting = set(), [*_REQUIREMENTS, "mlflow"]
    while waiting:
        name = normal(waiting.pop())
        if name in allowed:
            continue
        allowed.add(name)
        try:
            needs = requires(name) or []
        except PackageNotFoundError:  # of another platform
            continue
        waiting += [re.split(r"[^\w.-]", need)[0] for need in needs if "extra ==" not in need]
    hidden = {
        module
        for module, owners in packages_distributions().items()
        if not {normal(owner) for owner in owners} & {*allowed, "housing-ml", "setuptools"}
    }
    rows = housing_frame.sample(300, random_state=0)
    provenance = Provenance(data_digest="d" * 64, rows=300, synthetic=False)
    features = FeatureParameters(imputer="median", clusters=0)
    config = TrainingConfig(folds=2)
    prices = rows[TARGET].to_numpy()
    bundle = train(to_matrix(rows), prices, features, "ridge", {}, config, provenance).bundle
    bundle.save(tmp_path / "bundle")
    asked = rows.head(3)[list(COLUMNS)]

    assert {"prefect", "onnx", "wandb", "pydantic_settings"} <= hidden
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, str(tmp_path / "bundle")]
    done = subprocess.run(
        [*command, asked.to_json(orient="records"), " ".join(hidden)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    said, imported = done.stdout.splitlines()
    answer = json.loads(said)
    assert set(_REQUIREMENTS) <= set(imported.split()), "one is not needed"
    assert [set(row) for row in answer] == [{"price", "lower", "upper", "at_least", "warnings"}] * 3
    assert [row["price"] for row in answer] == pytest.approx(bundle.predict(asked).tolist())
