"""An edit recomputes the stages whose result it can change, and no more."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

CODES = """
import json, sys
from flows import tasks
from housing_ml.modelling.sweep import objective
from housing_ml.fingerprint import WORDING, code_fingerprint
from housing_ml.orchestration.caching import StagePolicy, stage_code

stages = {
    name: task for name, task in vars(tasks).items()
    if isinstance(getattr(task, "cache_policy", None), StagePolicy)
}

def codes():
    found = {
        name: stage_code(task.fn, words=name in ("ingestion", "merge"))
        for name, task in stages.items()
    }
    found["study"] = code_fingerprint(objective.__name__, without=objective._UNSEEN)
    found["bundle"] = code_fingerprint("housing_ml.features", without=(WORDING,))
    return found

assert {name: stages[name].cache_policy.code for name in stages}.items() <= codes().items()
for path, old, new in json.load(sys.stdin):
    before = codes()
    with open(path) as file:
        source = file.read()
    assert old in source, (path, old)
    with open(path, "w") as file:
        file.write(source.replace(old, new, 1))
    after = codes()
    print(json.dumps(sorted(name for name in after if after[name] != before[name])))
"""

EDITS = {
    "a comment": (
        "housing_ml/features/geography.py",
        "KILOMETRES_PER_DEGREE = np.array([88.8, 111.2])",
        "# a comment\nKILOMETRES_PER_DEGREE = np.array([88.8, 111.2])",
        set(),
    ),
    "a help text": (
        "housing_ml/config/data.py",
        "Stop when a larger share",
        "Stop if a larger share",
        set(),
    ),
    "a time-out of GCS": (
        "housing_ml/storage/gcs.py",
        "from __future__ import annotations\n",
        "from __future__ import annotations\n\nPATIENCE_SECONDS = 7\n",
        set(),
    ),
    "an error text of the release storage": (
        "housing_ml/storage/versioned.py",
        "was changed by someone else",
        "was changed by another",
        set(),
    ),
    "an error text of the contract": (
        "housing_ml/data/wording.py",
        "must be a number from",
        "needs a number from",
        {"ingestion", "merge"},
    ),
    "the message of an error that the contract raises": (
        "housing_ml/data/contract.py",
        "raw rows have shape",
        "raw rows are of shape",
        set(),
    ),
    "a price band of the evaluation": (
        "housing_ml/modelling/evaluation.py",
        "PRICE_EDGES = (100_000, ",
        "PRICE_EDGES = (110_000, ",
        {"evaluation", "gate"},
    ),
    "a colour of the figures": (
        "housing_ml/reporting/drawing.py",
        "#0072B2",
        "#0072B3",
        {"figures", "sweep_figures"},
    ),
    "a time-out of W&B": (
        "housing_ml/orchestration/wandb_run.py",
        "ANSWER_SECONDS = 30.0",
        "ANSWER_SECONDS = 31.0",
        set(),
    ),
    "the trees of the default model": (
        "housing_ml/modelling/models.py",
        '"max_leaf_nodes": 48',
        '"max_leaf_nodes": 49',
        {"features", "selection", "sweep", "training", "study"},
    ),
}


@pytest.fixture(scope="module")
def recomputed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """What each edit of a copy of the packages changes: stages, a study's digest, a bundle's."""
    copy = tmp_path_factory.mktemp("copy")
    for package in ("housing_ml", "flows"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("*.pyc"))
    run = subprocess.run(
        [sys.executable, "-c", CODES],
        cwd=copy,
        input=json.dumps([edit[:3] for edit in EDITS.values()]),
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(EDITS, map(set, map(json.loads, run.stdout.splitlines())), strict=True))


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_recomputes_what_it_shapes_and_no_more(
    recomputed: dict[str, set[str]], edit: str
) -> None:
    assert recomputed[edit] == EDITS[edit][3]
