"""How every figure looks: canvas, colours, bars, and the bytes of its PNG.

Figures are made with matplotlib's objects, without pyplot and its global state, so that they can be
drawn in threads. The same input gives the same bytes. The colours are those of Okabe and Ito, and
PuOr of ColorBrewer, which the colour-blind can tell apart.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]


BLUE, ORANGE, VERMILION, GREY = "#0072B2", "#E69F00", "#D55E00", "#9A9A9A"


INK = "#333333"


_DPI = 110


def canvas(title: str, *, height: float, width: float = 7.6) -> tuple[Figure, Axes]:
    """Return an empty figure, its size in inches, and its axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    style(axes)
    axes.set_title(title, loc="left", color=INK, weight="bold")
    return figure, axes


def style(axes: Axes) -> None:
    """Give axes the look of all figures."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=INK, labelsize=9)
    axes.grid(color="#E6E6E6", linewidth=0.7)
    axes.set_axisbelow(True)


def bars(
    axes: Axes,
    names: Sequence[str],
    values: Sequence[float],
    spreads: Sequence[float],
    marked: Sequence[bool],
) -> NDArray[np.int64]:
    """Draw horizontal bars, the first on top, with their values, and return their positions."""
    positions = np.arange(len(names))
    colours = [BLUE if chosen else GREY for chosen in marked]
    bars = axes.barh(positions, values, xerr=spreads, color=colours, ecolor=INK, height=0.66)
    axes.bar_label(bars, fmt="%.4g", padding=5, fontsize=8, color=INK)
    axes.set_yticks(positions, names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    return positions


def legend(axes: Axes) -> None:
    """Name what is drawn."""
    axes.legend(frameon=False, fontsize=9, labelcolor=INK)


def png(figure: Figure) -> bytes:
    """Return the figure as a PNG."""
    buffer = BytesIO()
    metadata: dict[str, Any] = {"Software": None}
    figure.savefig(buffer, format="png", dpi=_DPI, metadata=metadata)
    return buffer.getvalue()
