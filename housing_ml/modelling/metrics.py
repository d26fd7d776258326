"""How wrong the predictions are: the metrics, their bootstrap intervals, and a paired comparison.

>>> metrics(np.array([100_000.0, 200_000.0]), np.array([110_000.0, 200_000.0])).mape
0.05
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from housing_ml.records.metrics import Interval, Metrics, PairedDifference

if TYPE_CHECKING:
    from collections.abc import Iterator

Vector: TypeAlias = NDArray[np.float64]

_CHUNK = 400_000
"""Resampled values held at a time: small enough for the processor's cache."""


class Bootstrap(NamedTuple):
    """How to resample: how often, to which level of confidence, with which seed."""

    samples: int = 1000
    confidence: float = 0.95
    seed: int = 42


METRIC_NAMES: tuple[str, ...] = tuple(Metrics.model_fields)


def metrics(actual: ArrayLike, predicted: ArrayLike) -> Metrics:
    """Return the metrics of `predicted` against `actual`, both of shape (rows,) in dollars.

    Raises:
        ValueError: when there are no rows, the shapes differ, a value is not finite, or an actual
            price is not above 0 (a fraction of it would mean nothing).
    """
    values = _metrics(*checked(actual, predicted))
    return Metrics(**{name: float(value) for name, value in values.items()})


def bootstrap_intervals(
    actual: ArrayLike, predicted: ArrayLike, bootstrap: Bootstrap
) -> dict[str, Interval]:
    """Return the percentile bootstrap interval of each metric, by its name.

    Rows are drawn with replacement (Efron and Tibshirani, An Introduction to the
    Bootstrap, 1993, chapter 13). Raises as `metrics` does.
    """
    known, guessed = checked(actual, predicted)
    chunks = [_metrics(known[rows], guessed[rows]) for rows in resamples(len(known), bootstrap)]
    return {
        name: interval([chunk[name] for chunk in chunks], bootstrap.confidence)
        for name in METRIC_NAMES
    }


def wmape_interval(actual: ArrayLike, predicted: ArrayLike, bootstrap: Bootstrap) -> Interval:
    """Return the interval of wMAPE alone, the same as among those of all, in a fifth of the time.

    Raises as `metrics` does.
    """
    known, guessed = checked(actual, predicted)
    return _share_interval(np.abs(guessed - known), known, bootstrap)


def paired_bootstrap(
    actual: ArrayLike, candidate: ArrayLike, champion: ArrayLike, bootstrap: Bootstrap
) -> PairedDifference:
    """Compare two predictions of the same rows by the bootstrap of their difference in wMAPE.

    Both are resampled with the same rows, so that what makes a row hard for both cancels out.
    Raises as `metrics` does.
    """
    known, new = checked(actual, candidate)
    _, old = checked(actual, champion)
    new_errors, old_errors = np.abs(new - known), np.abs(old - known)
    gap = new_errors - old_errors
    return PairedDifference(
        candidate=float(new_errors.sum() / known.sum()),
        champion=float(old_errors.sum() / known.sum()),
        difference=float(gap.sum() / known.sum()),
        interval=_share_interval(gap, known, bootstrap),
        confidence=bootstrap.confidence,
        rows=len(known),
    )


def _share_interval(part: Vector, whole: Vector, bootstrap: Bootstrap) -> Interval:
    """Return the interval of the sum of `part` as a share of that of `whole`, (rows,) both."""
    shares = [
        part[rows].sum(axis=-1) / whole[rows].sum(axis=-1)
        for rows in resamples(len(whole), bootstrap)
    ]
    return interval(shares, bootstrap.confidence)


def paired_intervals(
    actual: ArrayLike, first: ArrayLike, second: ArrayLike, bootstrap: Bootstrap
) -> dict[str, Interval]:
    """Return the bootstrap interval of the first prediction's metric less the second's, by name.

    Both are resampled with the same rows. Raises as `metrics` does.
    """
    known, new = checked(actual, first)
    _, old = checked(actual, second)
    chunks = [
        (_metrics(known[rows], new[rows]), _metrics(known[rows], old[rows]))
        for rows in resamples(len(known), bootstrap)
    ]
    return {
        name: interval([ours[name] - theirs[name] for ours, theirs in chunks], bootstrap.confidence)
        for name in METRIC_NAMES
    }


def _metrics(actual: Vector, predicted: Vector) -> dict[str, Vector]:
    """Return each metric over the last axis, for one sample (rows,) or many (samples, rows).

    MAPE and sMAPE as in Hyndman and Koehler, Another look at measures of forecast accuracy, 2006;
    wMAPE is the ratio of MAD to mean of Kolassa and Schuetz, 2007. R2 of constant prices is 1 for
    perfect predictions and else 0, as in scikit-learn's `r2_score`.
    """
    error = np.abs(predicted - actual)
    share = error / actual
    squared = np.square(error).sum(axis=-1)
    variation = np.square(actual - actual.mean(axis=-1, keepdims=True)).sum(axis=-1)
    constant = np.ptp(actual, axis=-1) == 0
    explained = 1 - squared / np.where(constant, 1, variation)
    return {
        "rmse": np.sqrt(squared / actual.shape[-1]),
        "mae": error.mean(axis=-1),
        "r2": np.where(constant, squared == 0, explained),
        "mape": share.mean(axis=-1),
        "smape": (2 * error / (actual + np.abs(predicted))).mean(axis=-1),
        "wmape": error.sum(axis=-1) / actual.sum(axis=-1),
        "median_ape": np.median(share, axis=-1),
        **{f"within_{n}": (share <= n / 100).mean(axis=-1) for n in (5, 10, 15)},
    }


def checked(actual: ArrayLike, predicted: ArrayLike) -> tuple[Vector, Vector]:
    """Return both as float64 (rows,); raises as `metrics` does."""
    known = np.asarray(actual, dtype=np.float64)
    guessed = np.asarray(predicted, dtype=np.float64)
    if known.ndim != 1 or known.shape != guessed.shape or not len(known):
        raise ValueError(
            f"actual {known.shape} and predicted {guessed.shape} need one shape (rows,) with at "
            "least one row"
        )
    for name, values in (("actual", known), ("predicted", guessed)):
        if not np.isfinite(values).all():
            raise ValueError(f"{name} has {np.sum(~np.isfinite(values))} values that are no number")
    if known.min() <= 0:
        raise ValueError(f"actual prices must be above 0 dollars, but the least is {known.min()}")
    return known, guessed


def resamples(rows: int, bootstrap: Bootstrap) -> Iterator[NDArray[np.int32]]:
    """Yield rows drawn with replacement, (samples, rows), some samples at a time."""
    generator = np.random.default_rng(bootstrap.seed)
    step = max(1, _CHUNK // rows)
    for start in range(0, bootstrap.samples, step):
        size = (min(step, bootstrap.samples - start), rows)
        yield generator.integers(0, rows, size=size, dtype=np.int32)


def interval(chunks: list[Vector], confidence: float) -> Interval:
    """Return the percentile interval of values (samples,) that come in chunks."""
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(np.concatenate(chunks), tails)
    return Interval(float(low), float(high))
