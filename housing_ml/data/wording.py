"""The contract's rules in words, as errors and a quarantine quote them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def number_rule(minimum: float, maximum: float, unit: str, *, required: bool) -> str:
    """Return a numeric column's bounds in words."""
    bounds = f"must be a number from {minimum:.12g} to {maximum:.12g} {unit}"
    return bounds if required else f"{bounds}, or missing"


def category_rule(categories: Sequence[str]) -> str:
    """Return what a category may be in words."""
    return "must be one of " + ", ".join(categories)
