"""The monitor's figures, as the bytes of a PNG: drift by window, and live error by day."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from housing_ml.reporting.drawing import BLUE, GREY, INK, VERMILION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from housing_ml.config.monitoring import DriftConfig
    from housing_ml.monitoring.drift import ColumnDrift, WindowDrift
    from housing_ml.monitoring.intervals import Estimate
    from housing_ml.monitoring.performance import LiveError

_MOST_LABELS = 10


def drift_map(windows: Sequence[WindowDrift], config: DriftConfig) -> bytes:
    """Draw each column's effect in each window of one version, as a multiple of its limit."""
    names = list(dict.fromkeys(item.name for window in windows for item in window.columns))
    effects = np.full((len(names), len(windows)), np.nan)
    for place, window in enumerate(windows):
        for item in window.columns:
            if item.verdict != "too few":
                effects[names.index(item.name), place] = _effect(item, config)
    figure, axes = _canvas("Drift from the training rows", 1.5 + 0.3 * len(names))
    axes.set_yticks(range(len(names)), names)
    _days(axes, [f"{window.start:%d %b %H:%M}" for window in windows])
    axes.set_facecolor("#e8e8e8")  # where there is no verdict
    image = axes.imshow(effects, aspect="auto", cmap="Oranges", vmin=0, vmax=2)
    figure.colorbar(image, ax=axes, label="effect, 1 is the limit")
    return _png(figure)


def error_history(days: Sequence[LiveError], limit: float | None) -> bytes:
    """Draw each day's live wMAPE and the foreseen one with their intervals, and the limit."""
    figure, axes = _canvas("Live error", 3.2)
    foreseen = [(place, item.foreseen) for place, item in enumerate(days) if item.foreseen]
    real = [(place, item.estimates.wmape) for place, item in enumerate(days) if item.estimates]
    _with_intervals(axes, [(place - 0.15, found) for place, found in foreseen], GREY, "foreseen")
    _with_intervals(axes, [(place + 0.15, found) for place, found in real], BLUE, "prices known")
    if limit is not None:
        axes.axhline(100 * limit, color=VERMILION, label="limit")
    axes.legend(frameon=False)
    axes.set_ylabel("wMAPE, %")
    axes.set_ylim(bottom=0)
    _days(axes, [item.name[5:16] for item in days])
    return _png(figure)


def _with_intervals(
    axes: Axes, found: Sequence[tuple[float, Estimate]], colour: str, name: str
) -> None:
    if found:
        values = np.array([estimate for _, estimate in found]) * 100
        spans = np.abs(values[:, 1:] - values[:, :1]).T
        places = [place for place, _ in found]
        axes.errorbar(
            places, values[:, 0], yerr=spans, fmt="o", color=colour, capsize=3, label=name
        )


def _effect(item: ColumnDrift, config: DriftConfig) -> float:
    return max(item.psi / config.psi, (item.distance or 0) / config.distance)


def _days(axes: Axes, names: Sequence[str]) -> None:
    step = -(-len(names) // _MOST_LABELS) or 1
    axes.set_xticks(range(0, len(names), step), names[::step], rotation=30, ha="right")


def _canvas(title: str, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(9, height), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left", color=INK, weight="bold")
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _png(figure: Figure) -> bytes:
    buffer = BytesIO()
    metadata: dict[str, Any] = {"Software": None}
    figure.savefig(buffer, format="png", dpi=110, metadata=metadata)
    return buffer.getvalue()
