"""Formats of what is kept: an older one is read, a newer one is refused with what it needs."""

from __future__ import annotations

from importlib.metadata import version

DISTRIBUTION = "housing-ml"


def refusal(what: str, found: int, known: int) -> str:
    """Return what a person is told of something in a format that this version does not read.

    Args:
        what: its name.
        found: its format.
        known: the newest format that is read here.
    """
    here = f"{DISTRIBUTION} {version(DISTRIBUTION)}"
    return (
        f"{what}: format {found}, but this code reads format {known}: it needs a newer version of "
        f"{DISTRIBUTION} than this one ({here}); install the version that wrote it, or a later one"
    )
