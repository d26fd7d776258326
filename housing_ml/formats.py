"""Formats of what is kept: an older one is read, a newer one is refused with what it needs.

Whatever is written says its format, and the oldest version of the software that reads it, so that
an older one, which cannot know what came after it, can tell a person which version to install.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import NamedTuple

import msgspec

DISTRIBUTION = "housing-ml"


class Stamp(msgspec.Struct):
    """What any kept document says of itself; what was written before they did is of the first."""

    format: int = 1
    needs: str = ""
    """The oldest version of the software that reads it; empty where it does not say."""


class Format(NamedTuple):
    """How something is written here."""

    number: int
    """It grows when an older version would misread, or not read, what is written."""
    needs: str
    """The oldest version of the software that reads it."""

    def refusal(self, what: str, found: Stamp) -> str:
        """Return why something is not read here and what to do; empty when it is read.

        Args:
            what: its name.
            found: what it says of itself.
        """
        if found.format <= self.number:
            return ""
        here = f"{DISTRIBUTION} {version(DISTRIBUTION)}"
        wanted = f"{DISTRIBUTION} {found.needs}" if found.needs else "the version that wrote it"
        return (
            f"{what}: format {found.format}, but this code reads format {self.number}: it needs a "
            f"newer version of {DISTRIBUTION} than this one ({here}); install {wanted}, or a later "
            "one"
        )
