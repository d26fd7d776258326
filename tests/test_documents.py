"""The documents name tasks, files and settings that exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from deployments.cloud_settings import CloudSettings
from housing_ml.cli import app
from housing_ml.config.retrain import RetrainConfig
from housing_ml.gate import decision as gate
from housing_ml.settings import Settings
from tests.documents import COMMANDS, DOCUMENTS, NOT_HERE, ROOT, STARTED, TEXTS, not_here

if TYPE_CHECKING:
    from pathlib import Path

TERRAFORM = "".join(file.read_text() for file in (ROOT / "deployments/terraform").glob("*.tf"))
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
    known = {f"HOUSING_{name.upper()}" for name in Settings.model_fields} | {
        "HOUSING_API_KEY",
        "HOUSING_IDENTITY_TOKEN",
        "HOUSING_PROMETHEUS_URL",
    }
    known |= {f"HOUSING_CLOUD_{name.upper()}" for name in CloudSettings.model_fields}
    asked = set(re.findall(r"\bHOUSING_(?!SERVE_)[A-Z_]+", document.read_text()))

    assert asked <= known


def test_every_check_of_the_gate_is_explained() -> None:
    text = (ROOT / "docs" / "how-to" / "read-a-gate-report.md").read_text()
    explained: set[int] = set()
    for cell in re.findall(r"^\| (G\d\d.*?) \|", text, re.MULTILINE):
        codes = [int(code) for code in re.findall(r"G(\d\d)", cell)]
        explained |= set(range(codes[0], codes[1] + 1)) if " to " in cell else set(codes)

    assert {f"G{code:02d}" for code in explained} == {rule.code for rule in gate.RULES}


def test_blocks_of_commands_are_found() -> None:
    found = {command.words[0] for command in COMMANDS}

    assert {"make", "housing", "curl", "gcloud", "terraform"} <= found
    assert {" ".join(command.words) for command in COMMANDS} > STARTED


def test_tasks_of_make_that_cannot_run_here_exist() -> None:
    for _, *tasks in not_here("make"):
        subprocess.run(["make", "--dry-run", *tasks], cwd=ROOT, check=True, capture_output=True)


def test_retrains_name_what_can_be_turned() -> None:
    for _, *words in not_here("housing", ".venv/bin/housing"):
        turned = parsed(words)[1].arguments.get("set_", [])
        RetrainConfig.load(None, [value.replace("my_model", "ridge") for value in turned])


def test_the_names_of_things_at_google_are_those_that_terraform_gives() -> None:
    text = "\n".join(command.text for command in NOT_HERE if command.words[0] != "make")
    names = re.findall(r"(?<![\w./-])housing-?[a-z-]*", text.replace(".venv/bin/housing", ""))

    assert {"housing", "housing-api-keys"} <= set(names)
    for name in names:
        one_of_many = re.search(
            rf"^ +{name.removeprefix('housing-')} += {{", TERRAFORM, re.MULTILINE
        )
        assert f'"{name}"' in TERRAFORM or one_of_many, name
    for resource in re.findall(r"-target=(\w+)\.(\w+)", text):
        assert 'resource "{}" "{}"'.format(*resource) in TERRAFORM
    for output in re.findall(r"output (?:-\w+ )?(\w+)", text):
        assert f'output "{output}"' in TERRAFORM


def test_commands_of_prefect_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.cli import app  # noqa: PLC0415 - takes seconds

    found = {line for text in TEXTS.values() for line in re.findall(r"`(prefect [^`]+)`", text)}
    found |= {shlex.join(("prefect", *words)) for _, *words in not_here("prefect")}
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    known = {each["name"] for each in deployments} | {
        each["work_pool"]["name"] for each in deployments
    }

    assert found
    for line in found:
        *_, name = words = shlex.split(line)
        assert set(name.split("/")) <= known, line
        monkeypatch.setattr(sys, "argv", [*words, "--help"])
        with pytest.raises(SystemExit) as end:
            app()
        assert end.value.code == 0, line


@pytest.mark.parametrize("document", TEXTS)
def test_commands_within_the_text_are_understood(document: str) -> None:
    for found in re.findall(r"`housing (\w[^`]+)`", TEXTS[document]):
        parsed(shlex.split(found))
    RetrainConfig.load(None, re.findall(r"`--set (\S+)`", TEXTS[document]))


def parsed(words: list[str]) -> Any:
    """Read the words as `housing` would; raises what it would complain of."""
    return app.parse_args(words, exit_on_error=False, print_error=False)
