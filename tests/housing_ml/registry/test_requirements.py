"""The registered model names all that its code needs."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

from housing_ml.modelling.pipeline_file import TRUSTED_TYPES
from housing_ml.registry.models import _REQUIREMENTS

SCRIPT = """
import importlib, sys
from importlib.abc import MetaPathFinder

class Hidden(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(name)

*modules, hidden = sys.argv[1:]
hidden = set(hidden.split())
sys.meta_path.insert(0, Hidden())
for module in modules:
    importlib.import_module(module)
"""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_pipeline_loads_where_every_package_but_its_requirements_is_hidden() -> None:
    allowed, waiting = set(), list(_REQUIREMENTS)
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
    modules = sorted({name.rpartition(".")[0] for name in TRUSTED_TYPES})

    assert {"mlflow", "prefect", "onnx"} <= hidden
    subprocess.run([sys.executable, "-c", SCRIPT, *modules, " ".join(hidden)], check=True)
