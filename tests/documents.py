"""What the documents tell a reader to type: commands, programs, and those within the text."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])

STARTED = {"make run", "make serve"}
"""What all others need: the fixture runs these as they are written."""

ELSEWHERE = {
    r"make (install images sbom push|containers|retrain)$": "needs Docker or a project at Google",
    r"make (lint )?test$": "runs these tests",
    r"make up$": "goes on until it is stopped: a test of its own starts it",
    r"housing alerts test$": "needs a receiver and the whole platform: a test of its own has them",
    r"docker ": "needs Docker",
    r"\.venv/bin/python -m pytest ": "runs tests that run anyway",
    r"(\.venv/bin/)?housing retrain ": "takes minutes: its config is made, and no model",
    r"housing canary watch$": "goes on until requests tell",
    r"housing release webhook ": "needs a service that MLflow can reach",
    r"wandb sync ": "needs an account of Weights & Biases",
    r"HOUSING_OPTUNA_STORAGE=postgresql:": "needs a database server of the reader's",
    r"PREFECT_API_URL=http://prefect\.example\.com": "needs a Prefect server of the reader's",
    r"HOUSING_(BUCKET=gs://|IDENTITY_TOKEN=)|curl .*\$SERVICE/": "needs a project at Google",
    r"prefect --no-prompt deploy ": "changes the deployments that other tests look at",
    r"(gcloud|terraform|git tag|printf|export|python3 deployments/cloud_run)\b": (
        "needs a project at Google, or is a part of what does"
    ),
}


class Command(NamedTuple):
    """One command of a document, with its comments and continued lines."""

    document: str
    text: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text, comments=True)

    @property
    def reason(self) -> str | None:
        """Why it cannot run here."""
        line = " ".join(self.words)
        return next((why for what, why in ELSEWHERE.items() if re.match(what, line)), None)


def is_whole(text: str) -> bool:
    parsed = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False)
    return not text.endswith("\\") and parsed.returncode == 0


def commands(document: Path) -> Iterator[Command]:
    """Yield the commands of the document's shell blocks."""
    for block in re.findall(r"^```sh\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL):
        text = ""
        for line in block.splitlines():
            text = f"{text}\n{line}" if text else line
            if is_whole(text):
                yield Command(str(document.relative_to(ROOT)), text)
                text = ""
        assert not text, f"{document.name}: {text}"


COMMANDS = [command for document in DOCUMENTS for command in commands(document)]
HERE = [command for command in COMMANDS if command.reason is None]
NOT_HERE = [command for command in COMMANDS if command.reason is not None]
TEXTS = {
    str(document.relative_to(ROOT)): re.sub(
        r"^```.*?^```", "", document.read_text(), flags=re.MULTILINE | re.DOTALL
    )
    for document in DOCUMENTS
}
PROGRAMS = {
    f"{document.relative_to(ROOT)} {number}": program
    for document in DOCUMENTS
    for number, program in enumerate(
        re.findall(r"^```python\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL)
    )
}


def not_here(*programs: str) -> list[list[str]]:
    """The words of the commands of some programs that cannot run here."""
    found = [command.words for command in NOT_HERE if command.words[0] in programs]
    assert found
    return found
