"""Which code made a model: its commit, and whether it and its packages are as committed."""

from __future__ import annotations

import os
import re
import subprocess
from importlib.metadata import distributions
from pathlib import Path

from housing_ml.records.gate import CodeState

_LOCK = Path(__file__).parents[2] / "requirements.lock"
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
_DIRTY = "-dirty"


def code_state(lock: Path = _LOCK) -> CodeState:
    """Look at the checkout and at what is installed; takes some tenths of a second."""
    commit = git_commit()
    return CodeState(
        commit=commit.removesuffix(_DIRTY),
        uncommitted=commit.endswith(_DIRTY),
        unlocked=_unlocked(lock),
    )


def _unlocked(lock: Path) -> tuple[str, ...] | None:
    """Name the installed packages whose version the lock does not have.

    Packages that the lock does not know are left out: tools of a person's own change no model.
    """
    if not lock.is_file():
        return None
    pins: dict[str, set[str]] = {}
    for name, version in _PIN.findall(lock.read_text(encoding="utf-8")):
        pins.setdefault(_normal(name), set()).add(version)
    installed = {_normal(item.name): item.version for item in distributions()}
    return tuple(
        f"{name} {version}"
        for name, version in sorted(installed.items())
        if name in pins and version not in pins[name]
    )


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def git_commit() -> str:
    """Return the commit of the code's checkout, with `-dirty` when it has uncommitted changes.

    An image tells the commit that it was built of by `HOUSING_COMMIT`; any other package,
    whatever repository is around it, or a machine without git, gives "unknown".
    """
    checkout = Path(__file__).parents[2]
    if not (checkout / ".git").exists():
        return os.environ.get("HOUSING_COMMIT", "unknown")
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],  # noqa: S607
            cwd=checkout,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return os.environ.get("HOUSING_COMMIT", "unknown")
    return described.stdout.strip()
