"""Which of a file's columns are the contract's: by name, whatever its case, padding or spelling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from housing_ml.data.contract import COLUMNS, TARGET, ContractError
from housing_ml.data.lookalikes import name_key

if TYPE_CHECKING:
    from collections.abc import Sequence


def find_columns(names: Sequence[str]) -> dict[str, int]:
    """Return the positions of the contract's columns, and of the target, by their own names.

    >>> find_columns(["id", "Longitude", " LATITUDE "])
    {'longitude': 1, 'latitude': 2}

    Raises:
        ContractError: when a column is there twice.
    """
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise ContractError(f"has two columns named {twice[0]}: leave one")
    found: dict[str, int] = {}
    for column in (*COLUMNS, TARGET):
        alike = [at for at, name in enumerate(names) if name_key(name) == name_key(column)]
        if column in names:
            found[column] = list(names).index(column)
        elif len(alike) > 1:
            both = " and ".join(repr(names[at]) for at in alike)
            raise ContractError(f"has two columns for {column}: {both}: leave one")
        elif alike:
            found[column] = alike[0]
    return found


def known_names(names: Sequence[str]) -> list[str]:
    """Return a file's names, with the contract's own where a column is one of its.

    >>> known_names(["id", "Longitude"])
    ['id', 'longitude']
    """
    own = {at: column for column, at in find_columns(names).items()}
    return [own.get(at, name) for at, name in enumerate(names)]
