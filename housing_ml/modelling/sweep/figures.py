"""What a sweep learnt of its parameters: figures as the bytes of PNGs, and a page with them."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np
import optuna
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator
from optuna.distributions import FloatDistribution

from housing_ml.modelling.sweep.space import SPACES
from housing_ml.reporting.drawing import (
    BLUE,
    GREY,
    VERMILION,
    bars,
    canvas,
    legend,
    png,
    style,
)
from housing_ml.reporting.markdown import picture_address
from housing_ml.reporting.retrain import sweep_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from optuna.distributions import BaseDistribution

    from housing_ml.records.sweep import SweepResult

    Vector = NDArray[np.float64]

_FEWEST = 4
"""Complete trials that something can be learnt from."""


def sweep_figures(result: SweepResult) -> dict[str, bytes]:
    """Return all figures of a sweep, by name; with few trials, or none, there are fewer."""
    figures = {"sweep": sweep_history(result)} if result.trials else {}
    names = _searched(result)
    if names:
        figures |= {
            "sweep_parameters": _parallel_coordinates(result, names),
            "sweep_slices": _slices(result, names),
            "sweep_importances": _importances(result, names),
        }
    return figures


def sweep_history(result: SweepResult) -> bytes:
    """Draw the wMAPE of each trial and the best so far; trials without one are on the axis."""
    figure, axes = canvas("Search for the best parameters", height=3.4)
    done = [trial for trial in result.trials if trial.wmape is not None]
    numbers, values = [trial.number for trial in done], [100 * (t.wmape or 0) for t in done]
    axes.scatter(numbers, values, s=30, color=GREY, zorder=3, label="trial")
    if values:
        best = np.minimum.accumulate(values)
        axes.step(numbers, best, where="post", color=BLUE, linewidth=2, label="best so far")
    for state, marker in (("pruned", "|"), ("failed", "x")):
        places = [trial.number for trial in result.trials if trial.state == state]
        if places:
            axes.scatter(
                places,
                [0.03] * len(places),
                marker=marker,
                label=state,
                color=VERMILION,
                transform=axes.get_xaxis_transform(),
            )
    axes.set(xlabel="Trial", ylabel="Cross-validated wMAPE, %")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(axes)
    return png(figure)


def importances(result: SweepResult, names: Sequence[str]) -> dict[str, float]:
    """Return the share of the wMAPE's variance that each parameter explains, the largest first.

    By functional analysis of variance: Hutter et al., An Efficient Approach for Assessing
    Hyperparameter Importance, ICML 2014.
    """
    study = optuna.create_study()
    within: dict[str, BaseDistribution] = dict.fromkeys(names, FloatDistribution(0, 1))
    units = np.column_stack([_unit(result, name) for name in names])
    for values, wmape in zip(units.tolist(), _wmapes(result).tolist(), strict=True):
        point = dict(zip(names, values, strict=True))
        study.add_trial(optuna.trial.create_trial(params=point, distributions=within, value=wmape))
    fanova = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return optuna.importance.get_param_importances(study, evaluator=fanova)


def sweep_page(result: SweepResult, figures: Mapping[str, bytes]) -> bytes:
    """Return a page of HTML that needs no other file: what was best, figures, all trials."""
    rows = sweep_rows(result)
    best = rows[0]["parameters"] if rows else "the selected ones"
    pictures = "".join(
        f'<p><img alt="{escape(name.replace("_", " "))}" src="{picture_address(content)}"></p>'
        for name, content in figures.items()
    )
    head = "".join(f"<th>{escape(name)}</th>" for name in rows[0]) if rows else ""
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(str(value))}</td>' for value in row.values())}</tr>"
        for row in rows
    )
    link = f'<p><a href="{escape(result.url)}">Sweep in W&amp;B</a></p>' if result.url else ""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Sweep</title>'
        f"<style>{_STYLE}</style><h1>Sweep of {escape(result.model.replace('_', ' '))}</h1>"
        f"<p>{len(result.trials)} trials; {escape(result.stopped)}. Best: {escape(best)}.</p>"
        f"{link}{pictures}<table><tr>{head}</tr>{body}</table></html>\n"
    ).encode()


_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "img{max-width:100%}table{border-collapse:collapse;font-size:14px}"
    "td,th{text-align:left;padding:.2rem .8rem .2rem 0;border-bottom:1px solid #ddd}"
)


def _parallel_coordinates(result: SweepResult, names: Sequence[str]) -> bytes:
    """Draw each complete trial as a line through its parameters, the better the darker."""
    figure, axes = canvas("Parameters of the trials", height=3.8)
    wmapes = _wmapes(result)
    scale = Normalize(wmapes.min(), np.quantile(wmapes, 0.9))
    colours = ScalarMappable(scale, cmap="cividis")
    heights = np.column_stack([_unit(result, name) for name in names])
    for row in np.argsort(wmapes)[::-1]:  # the best on top
        axes.plot(heights[row], color=colours.to_rgba(wmapes[row]), linewidth=1.5)
    limits = [_values(result, name) for name in names]
    axes.set_xticks(
        range(len(names)),
        [
            f"{name.replace('_', ' ')}\n{values.min():.3g} to {values.max():.3g}"
            for name, values in zip(names, limits, strict=True)
        ],
        fontsize=8,
    )
    axes.set_yticks([])
    figure.colorbar(colours, ax=axes, label="Cross-validated wMAPE, %", format="%.2f")
    return png(figure)


def _slices(result: SweepResult, names: Sequence[str]) -> bytes:
    """Draw the wMAPE against each parameter."""
    columns = min(3, len(names))
    lines = -(-len(names) // columns)
    figure = Figure(figsize=(7.6, 2.4 * lines), layout="constrained")
    panels = np.atleast_1d(figure.subplots(lines, columns, sharey=True)).ravel()
    for axes, name in zip(panels, names, strict=False):
        style(axes)
        axes.scatter(_values(result, name), _wmapes(result), s=16, color=BLUE)
        axes.set_xlabel(name.replace("_", " "))
        if SPACES[result.model].dimensions[name].log:
            axes.set_xscale("log")
            axes.xaxis.set_minor_locator(NullLocator())
            ends = [_values(result, name).min(), _values(result, name).max()]
            axes.set_xticks(ends, [f"{end:.3g}" for end in ends])
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    figure.supylabel("Cross-validated wMAPE, %", fontsize=10)
    return png(figure)


def _importances(result: SweepResult, names: Sequence[str]) -> bytes:
    """Draw the share of the wMAPE's variance that each parameter explains."""
    found = importances(result, names)
    figure, axes = canvas("What the search depended on", height=1 + 0.4 * len(found))
    labels = [name.replace("_", " ") for name in found]
    bars(axes, labels, [*found.values()], [0.0] * len(found), [True] * len(found))
    axes.set_xlabel("Share of the variance of the wMAPE (fANOVA)")
    return png(figure)


def _searched(result: SweepResult) -> list[str]:
    """Return the parameters that the complete trials differ in; none with too few trials."""
    if len(_wmapes(result)) < _FEWEST or np.ptp(_wmapes(result)) == 0:
        return []
    named = [name for name in SPACES[result.model].dimensions if name in result.best_parameters]
    return [name for name in named if np.ptp(_values(result, name)) > 0]


def _wmapes(result: SweepResult) -> Vector:
    """Return the wMAPE of each complete trial in percent."""
    return np.array([100 * trial.wmape for trial in result.trials if trial.wmape is not None])


def _values(result: SweepResult, name: str) -> Vector:
    """Return a parameter of each complete trial."""
    done = [trial for trial in result.trials if trial.wmape is not None]
    return np.array([trial.parameters[name] for trial in done], dtype=np.float64)


def _unit(result: SweepResult, name: str) -> Vector:
    """Return a parameter of each complete trial, from 0 for the lowest to 1 for the highest."""
    values = _values(result, name)
    if SPACES[result.model].dimensions[name].log:
        values = np.log(values)
    found: Vector = (values - values.min()) / np.ptp(values)
    return found
