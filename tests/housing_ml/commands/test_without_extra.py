"""Where the wheel is installed without its extra, a command says what it needs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """
import contextlib, io, json, sys
from importlib.abc import MetaPathFinder

commands, hidden = json.loads(sys.argv[1]), set(sys.argv[2].split())

class Hidden(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())
from housing_ml import cli

said = {}
for command in commands:
    sys.argv = ["housing", *command.split()]
    with contextlib.redirect_stderr(io.StringIO()) as words, contextlib.suppress(SystemExit):
        cli.main()
    said[command] = words.getvalue()
try:
    from housing_ml import fit
except ImportError as error:
    said["fit"] = str(error)
print(json.dumps(said), file=sys.__stdout__)
"""

NEEDING = (
    *("retrain", "sweep", "predict rows.csv", "score rows.csv out", "monitor", "simulate"),
    *("blocks register", "canary watch"),
)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def hidden() -> str:
    """Every module that the wheel's own dependencies do not bring."""
    allowed, waiting = {"housing-ml"}, ["housing-ml"]
    while waiting:
        try:
            needs = requires(waiting.pop()) or []
        except PackageNotFoundError:  # of another platform
            continue
        names = {normal(re.split(r"[^\w.-]", need)[0]) for need in needs if "extra ==" not in need}
        waiting += names - allowed
        allowed |= names
    return " ".join(
        module
        for module, owners in packages_distributions().items()
        if not {normal(owner) for owner in owners} & allowed
    )


def test_a_command_that_needs_the_extra_says_how_to_install_it(
    hidden: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOUSING_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert {"pandas", "prefect", "sklearn", "mlflow"} <= set(hidden.split())

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(NEEDING), hidden],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    for command, words in said.items():
        assert "pip install 'housing-ml[pipeline]'" in words, (command, words)
        assert len(words.splitlines()) == 1, words
    assert set(said) == {*NEEDING, "fit"}
