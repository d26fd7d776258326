"""The documents name tasks, files and settings that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from housing_ml import gate
from housing_ml.settings import Settings

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
FOLDERS = ("benchmarks", "deployments", "docs", "flows", "housing_ml", "serve", "tests", ".github")


def named(document: Path) -> str:
    return str(document.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
        assert target.startswith("https://") or (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_tasks_and_files_exist(document: Path) -> None:
    text = document.read_text()
    tasks = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = re.findall(r"(?:^|`)make ([a-z][a-z ]*)", text, re.MULTILINE)
    files = re.findall(r"(?<![\w./-])((?:" + "|".join(FOLDERS) + r")/[\w./-]*\w)", text)

    assert {task for line in asked for task in line.split()} <= tasks
    for file in files:
        assert (ROOT / file).exists(), file


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_settings_exist(document: Path) -> None:
    known = {f"HOUSING_{name.upper()}" for name in Settings.model_fields} | {"HOUSING_API_KEY"}
    asked = set(re.findall(r"\bHOUSING_(?!SERVE_)[A-Z_]+", document.read_text()))

    assert asked <= known


def test_every_check_of_the_gate_is_explained() -> None:
    text = (ROOT / "docs" / "how-to" / "read-a-gate-report.md").read_text()
    explained: set[int] = set()
    for cell in re.findall(r"^\| (G\d\d.*?) \|", text, re.MULTILINE):
        codes = [int(code) for code in re.findall(r"G(\d\d)", cell)]
        explained |= set(range(codes[0], codes[1] + 1)) if " to " in cell else set(codes)

    assert {f"G{code:02d}" for code in explained} == {rule.code for rule in gate.RULES}
