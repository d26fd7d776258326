"""What is said to Google Cloud: Terraform's files hang together, and gcloud has the commands."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.documents import DOCUMENTS, ROOT

TERRAFORM = ROOT / "deployments" / "terraform"
SAID = [ROOT / "Makefile", *DOCUMENTS, *(ROOT / "deployments" / "cloud_run").glob("*.sh")]


def program(name: str) -> Path:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return Path(found)


def test_terraform_files_are_formatted() -> None:
    command = [program("terraform"), "fmt", "-check", "-diff", "-recursive", TERRAFORM]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_terraform_files_name_only_what_they_declare() -> None:
    text = "\n".join(file.read_text() for file in TERRAFORM.glob("*.tf"))
    declared = {
        "var": set(re.findall(r'^variable "(\w+)"', text, re.MULTILINE)),
        "local": set(re.findall(r"^  (\w+) += ", "".join(blocks(text, "locals")), re.MULTILINE)),
    }
    for kind, name in re.findall(r'^(?:resource|data) "(\w+)" "(\w+)"', text, re.MULTILINE):
        declared.setdefault(kind, set()).add(name)
    named = re.findall(r"(?<![\w.])(?:data\.)?(var|local|google_\w+)\.(\w+)", text)

    assert len(named) > 20
    for kind, name in named:
        assert name in declared[kind], f"{kind}.{name}"
    assert declared["var"] == {name for kind, name in named if kind == "var"}


def blocks(text: str, kind: str) -> list[str]:
    return re.findall(rf"^{kind} {{\n(.*?)^}}", text, re.MULTILINE | re.DOTALL)


def test_gcloud_has_the_commands_and_the_options_that_it_is_asked_for() -> None:
    library = program("gcloud").resolve().parents[1]
    tables = runpy.run_path(str(library / "data" / "cli" / "gcloud_completions.py"))
    tree = tables["STATIC_COMPLETION_CLI_TREE"]
    text = "\n".join(file.read_text() for file in SAID).replace("\\\n", " ")
    of_the_rollout = r"(?<!gcloud )\brun (?=(?:services|deploy) )"
    asked = re.findall(
        r"\bgcloud ([a-z-]+ [a-z][^`\n|&)]+)", re.sub(of_the_rollout, "gcloud run ", text)
    )

    assert {"run deploy", "run services", "secrets versions"} <= {
        " ".join(line.split()[:2]) for line in asked
    }
    for line in asked:
        node, words = walk(tree, line.split())
        assert not node["commands"], line
        known = node["flags"].keys() | tree["flags"].keys()
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known, line


def walk(tree: dict[str, Any], words: list[str]) -> tuple[dict[str, Any], list[str]]:
    """Return the command that the first words name, and the other words."""
    while words and words[0] in tree["commands"]:
        tree, words = tree["commands"][words[0]], words[1:]
    return tree, words


def test_each_optional_secret_may_be_named_and_is_documented_with_its_variable() -> None:
    document = (ROOT / "docs" / "how-to" / "run-on-google-cloud.md").read_text()
    offered = re.findall(
        r'^ +([a-z-]+) += { part = "\w+", variable = "(\w+)" }',
        (TERRAFORM / "secrets.tf").read_text(),
        re.MULTILINE,
    )
    (allowed,) = re.findall(
        r"setsubtract\(var.secrets, \[(.*?)\]", (TERRAFORM / "variables.tf").read_text(), re.DOTALL
    )

    assert re.findall(r'"([a-z-]+)"', allowed) == [name for name, _ in offered]
    for name, variable in offered:
        assert re.search(rf"^\| `{name}` \| .+ \| `{variable}` \|$", document, re.MULTILINE)
