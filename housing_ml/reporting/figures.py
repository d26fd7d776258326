"""The figures of a retrain, as the bytes of PNGs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from housing_ml.records.evaluation import SLICE_KINDS
from housing_ml.reporting.drawing import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    VERMILION,
    bars,
    canvas,
    legend,
    png,
    style,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from housing_ml.records.evaluation import Evaluation, Importance
    from housing_ml.records.features import ClusterReport
    from housing_ml.records.imputation import ImputationReport
    from housing_ml.records.selection import CandidateScore, SelectionReport

    Vector = NDArray[np.float64]


def imputer_comparison(report: ImputationReport) -> bytes:
    """Draw the RMSE of each imputer on masked known values, the chosen one in colour."""
    scores = sorted(report.scores, key=lambda score: score.rmse)
    figure, axes = canvas("Imputation of masked bedrooms", height=0.9 + 0.45 * len(scores))
    bars(
        axes,
        [score.name for score in scores],
        [score.rmse for score in scores],
        [score.rmse_std for score in scores],
        [score.name == report.chosen for score in scores],
    )
    axes.set_xlabel("RMSE in bedrooms (line: standard deviation over repeats)")
    return png(figure)


def cluster_comparison(report: ClusterReport) -> bytes:
    """Draw the model's error against the number of clusters, and three scores that see no model."""
    panels = {
        "cv_wmape": "Cross-validated wMAPE, %\n(decides; lower is better)",
        "inertia": "Inertia\n(lower is tighter)",
        "silhouette": "Silhouette\n(higher is better)",
        "davies_bouldin": "Davies-Bouldin\n(lower is better)",
    }
    scores = sorted(report.scores, key=lambda score: score.clusters)
    figure = Figure(figsize=(9, 5.4), layout="constrained")
    figure.suptitle("Number of clusters", x=0.01, ha="left", color=INK, weight="bold")
    for axes, (name, title) in zip(figure.subplots(2, 2).flat, panels.items(), strict=True):
        style(axes)
        scale = 100 if name == "cv_wmape" else 1
        known = [score for score in scores if getattr(score, name) is not None]
        values = [scale * getattr(score, name) for score in known]
        axes.plot([score.clusters for score in known], values, color=GREY, marker="o", zorder=2)
        for score, value in zip(known, values, strict=True):
            if score.clusters == report.chosen:
                axes.scatter(score.clusters, value, s=90, color=BLUE, zorder=3)
        axes.set_title(title, fontsize=9, color=INK, loc="left")
        axes.set_xticks([score.clusters for score in scores])
    return png(figure)


def model_comparison(report: SelectionReport) -> bytes:
    """Draw each candidate's wMAPE in validation, with its spread, and in training."""
    ranked = report.candidates
    figure, axes = canvas("Models, cross-validated", height=1.2 + 0.36 * len(ranked))
    positions = bars(
        axes,
        [_label(score) for score in ranked],
        [100 * score.validation.wmape for score in ranked],
        [100 * score.validation_std.wmape for score in ranked],
        [place == 0 for place in range(len(ranked))],
    )
    training = [100 * score.train.wmape for score in ranked]
    axes.scatter(training, positions, marker="D", s=22, color=ORANGE, zorder=4, label="in training")
    axes.set_xlabel("wMAPE in validation, % (line: standard deviation over folds)")
    legend(axes)
    return png(figure)


def predicted_against_actual(actual: Vector, predicted: Vector) -> bytes:
    """Draw the density of predicted against actual prices, both (rows,) in dollars."""
    figure, axes = canvas("Predicted against actual price", height=5.6, width=6.4)
    top = 1.02 * max(actual.max(), predicted.max()) / 1000
    cells = axes.hexbin(
        actual / 1000, predicted / 1000, gridsize=55, mincnt=1, bins="log", cmap="cividis_r"
    )
    axes.plot([0, top], [0, top], color=VERMILION, linewidth=1.2, label="perfect")
    axes.set(
        xlabel="Actual, thousand $",
        ylabel="Predicted, thousand $",
        xlim=(0, top),
        ylim=(0, top),
        aspect="equal",
    )
    figure.colorbar(cells, ax=axes, label="Block groups", shrink=0.8)
    legend(axes)
    return png(figure)


def residual_map(longitude: Vector, latitude: Vector, actual: Vector, predicted: Vector) -> bytes:
    """Draw California's block groups by place, coloured by predicted less actual price."""
    figure, axes = canvas("Where the model errs", height=6.6, width=6.8)
    residual = (predicted - actual) / 1000
    limit = float(np.quantile(np.abs(residual), 0.95)) or 1.0
    order = np.argsort(np.abs(residual))
    points = axes.scatter(
        longitude[order],
        latitude[order],
        c=residual[order],
        s=9,
        cmap="PuOr_r",
        vmin=-limit,
        vmax=limit,
        linewidths=0.15,
        edgecolors=INK,
    )
    axes.set(xlabel="Longitude, degrees", ylabel="Latitude, degrees")
    axes.set_aspect(1 / np.cos(np.deg2rad(latitude.mean())))
    label = "Predicted less actual, thousand $ (5 % of the rows lie beyond the scale)"
    figure.colorbar(points, ax=axes, label=label, shrink=0.8, extend="both")
    return png(figure)


def importance(found: Sequence[Importance]) -> bytes:
    """Draw how much the wMAPE rises when each input is shuffled."""
    figure, axes = canvas("Importance of the inputs", height=0.9 + 0.45 * len(found))
    names = [item.name for item in found]
    rises = [100 * item.increase for item in found]
    bars(axes, names, rises, [100 * item.std for item in found], [True] * len(found))
    axes.set_xlabel("Rise of wMAPE when shuffled, points (line: standard deviation)")
    return png(figure)


def error_by_slice(evaluation: Evaluation) -> bytes:
    """Draw the wMAPE of each slice with its interval, against the error of all rows."""
    counts = [sum(item.kind == kind for item in evaluation.slices) for kind in SLICE_KINDS]
    figure = Figure(figsize=(7.6, 1.4 + 0.3 * sum(counts)), layout="constrained")
    figure.suptitle("Error by slice of the holdout", x=0.01, ha="left", color=INK, weight="bold")
    rows = figure.subplots(len(counts), 1, sharex=True, height_ratios=[max(n, 1) for n in counts])
    for axes, kind in zip(rows, SLICE_KINDS, strict=True):
        style(axes)
        parts = [item for item in evaluation.slices if item.kind == kind]
        values = np.array([100 * item.metrics.wmape for item in parts])
        ends = 100 * np.array([item.wmape_interval for item in parts]).reshape(-1, 2)
        spread = np.abs(ends.T - values)
        axes.errorbar(values, np.arange(len(parts)), xerr=spread, fmt="o", color=BLUE, capsize=3)
        axes.axvline(100 * evaluation.metrics.wmape, color=VERMILION, linewidth=1, zorder=1)
        labels = [f"{item.name} ({item.rows:,})" for item in parts]
        axes.set_yticks(np.arange(len(parts)), labels)
        axes.set_ylim(len(parts) - 0.5, -0.5)
        axes.set_title(f"By {kind}", fontsize=9, color=INK, loc="left")
    rows[-1].set_xlabel("wMAPE, % (line across: all rows; in brackets: rows)")
    rows[-1].set_xlim(left=0)
    return png(figure)


def _label(score: CandidateScore) -> str:
    """Return the model's name with the parameters that the grid sets."""
    name = score.model.replace("_", " ")
    values = ", ".join(f"{key} {value}" for key, value in score.parameters.items())
    return f"{name}\n{values}" if values else name
