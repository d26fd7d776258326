"""Whether the code that runs is committed, and its packages are those of the lock file."""

from __future__ import annotations

import re
from importlib.metadata import distributions
from pathlib import Path

from housing_ml.gate_records import CodeState
from housing_ml.provenance import git_commit

_LOCK = Path(__file__).parents[1] / "requirements.lock"
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
