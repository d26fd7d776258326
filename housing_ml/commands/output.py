"""What commands share: their common options, and how they speak to people and scripts."""
# ruff: noqa: T201 - a command prints

from __future__ import annotations

import getpass
import json
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import Parameter
from rich.console import Console

from housing_ml.errors import HousingError

if TYPE_CHECKING:
    from collections.abc import Sequence

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON for scripts.")]
Why = Annotated[str, Parameter(help="Reason, for the history.")]
Flag = Annotated[bool, Parameter(negative="")]
Overrides = Annotated[tuple[str, ...], Parameter(name="--set", negative="")]

REJECTED = 3
"""Exit code of a model that is rejected or left to a person, and of a monitor that alerts."""

_WIDE = 200
"""Columns of what is printed into a file or a pipe."""

LEFT_OUT = 4
"""Exit code of a scoring that read all it could, and left files of the folder out."""


class CommandError(HousingError):
    """A command that cannot do what it was asked; the message says why and what to type."""


def person() -> str:
    """Return who types, for the history."""
    return getpass.getuser()


def show(markdown: str) -> None:
    """Print Markdown for a person."""
    from rich.markdown import Markdown  # noqa: PLC0415 - only people read it

    console = Console()
    if not console.is_terminal:  # a file or a pipe has no width: cut no column
        console = Console(width=_WIDE)
    console.print(Markdown(markdown))


def warn(message: str) -> None:
    """Print a loud message on standard error."""
    Console(stderr=True).print(message, style="bold yellow", markup=False, soft_wrap=True)


def show_rows(rows: Sequence[dict[str, str]]) -> None:
    """Print rows of the same titles as a table."""
    from housing_ml.reporting.markdown import table  # noqa: PLC0415 - only people read it

    show(table(rows))


def print_json(document: Any) -> None:
    """Print a record, or plain values, as JSON."""
    print(json.dumps(msgspec.to_builtins(document), indent=2))
