"""The picture of two releases side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from housing_ml.reporting.drawing import BLUE, GREY, INK, VERMILION, canvas, png

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from housing_ml.releases.comparison import Comparison

    Vector = NDArray[np.float64]


_HIGHER_IS_BETTER = {"r2", "within_5", "within_10", "within_15"}


def comparison(found: Comparison) -> bytes:
    """Draw by how much each metric of one release differs from another's, with its interval.

    Blue is certainly better, red certainly worse, and grey open.
    """
    names = list(found.intervals)
    figure, axes = canvas(
        f"Version {found.first.version} against version {found.second.version}",
        height=1.2 + 0.32 * len(names),
    )
    for position, name in enumerate(names):
        second = getattr(found.second.metrics, name)
        unit = abs(second) / 100 or 1.0
        shift = (getattr(found.first.metrics, name) - second) / unit
        ends = np.array(found.intervals[name]) / unit
        sides = np.sign(ends) if name in _HIGHER_IS_BETTER else -np.sign(ends)
        colour = {2: BLUE, -2: VERMILION}.get(int(sides.sum()), GREY)
        axes.plot(ends, [position] * 2, color=colour, linewidth=2)
        axes.plot(shift, position, "o", color=colour)
    axes.axvline(0, color=INK, linewidth=1, zorder=1)
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    confidence = found.wmape.confidence
    axes.set_xlabel(f"Difference, % ({confidence:.0%} interval of {found.rows:,} paired rows)")
    return png(figure)
