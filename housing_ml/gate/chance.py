"""How far a share can be from what was seen of it, by chance alone."""

from __future__ import annotations

from scipy.special import betaincinv


def most(successes: int, rows: int, level: float) -> float:
    """Return the upper end of a one-sided interval of a share (Clopper and Pearson, 1934)."""
    return (
        float(betaincinv(successes + 1, rows - successes, 1 - level)) if successes < rows else 1.0
    )


def least(successes: int, rows: int, level: float) -> float:
    """Return its lower end."""
    return 1 - most(rows - successes, rows, level)
