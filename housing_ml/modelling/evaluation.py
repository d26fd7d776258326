"""How good a model is on rows that it has never seen: overall, by slice, and by input."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from housing_ml.data.contract import CATEGORIES, COLUMNS, Matrix
from housing_ml.features.geography import CITIES, plane
from housing_ml.modelling.equity import equity
from housing_ml.modelling.metrics import Bootstrap, bootstrap_intervals, metrics, wmape_interval
from housing_ml.modelling.reach import by_distance
from housing_ml.records.equity import EVERYWHERE
from housing_ml.records.evaluation import Evaluation, Importance, Slice, SliceKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from housing_ml.bundle.model import Prediction
    from housing_ml.config.modelling import EvaluationConfig
    from housing_ml.records.metrics import Metrics

Vector: TypeAlias = NDArray[np.float64]

PRICE_EDGES = (100_000, 200_000, 300_000, 400_000, 500_000)
"""Dollars. Fixed, so that bands mean the same in every run; the data are capped just above."""

INCOME_EDGES = (15_000, 30_000, 45_000, 60_000)
"""Dollars a year: the usual strata of these data."""

_CAPPED = 10
"""Rows that share the highest price where it is a cap."""

RAW_GROUPS: dict[str, tuple[str, ...]] = {
    "location": ("longitude", "latitude"),
    "ocean proximity": ("ocean_proximity",),
    "income": ("median_income",),
    "age": ("housing_median_age",),
    "rooms and people": ("total_rooms", "total_bedrooms", "population", "households"),
}
"""Raw columns that only mean something together: alone they would be shuffled into nonsense."""


def evaluate(
    raw: Matrix,
    actual: ArrayLike,
    prediction: Prediction,
    config: EvaluationConfig,
    kilometres: Vector | None = None,
) -> Evaluation:
    """Judge a prediction of `raw` (rows, 9) against the actual prices (rows,) in dollars.

    Where `kilometres` (rows,) to the nearest training row are known, the error is told by them too.

    Note that models look biased by price band, up in the low and down in the high ones: this is
    regression to the mean, because the bands are cut by the outcome itself.

    Raises:
        ValueError: when the numbers of rows differ, or as `metrics` does.
    """
    known = np.asarray(actual, dtype=np.float64)
    if {len(raw), *map(len, prediction)} != {len(known)}:
        raise ValueError(
            f"raw has {len(raw)} rows, actual {len(known)}, and price, lower and upper have "
            f"{[len(part) for part in prediction]}: all need the same"
        )
    bootstrap = Bootstrap(config.bootstrap_samples, config.confidence, config.seed)
    return Evaluation(
        rows=len(known),
        metrics=metrics(known, prediction.price),
        below_cap=_below_cap(known, prediction.price),
        intervals=bootstrap_intervals(known, prediction.price, bootstrap),
        coverage=_coverage(known, prediction),
        mean_width=float((prediction.upper - prediction.lower).mean()),
        slices=tuple(
            _slice(
                kind,
                name,
                known[rows],
                _rows_of(prediction, rows),
                bootstrap,
            )
            for kind, name, rows in parts(raw, known)
        ),
        equity=tuple(
            equity(name, known[rows], prediction.price[rows], bootstrap)
            for name, rows in ((EVERYWHERE, np.full(len(known), True)), *_regions(raw))  # noqa: FBT003
            if rows.any()
        ),
        reach=() if kilometres is None else by_distance(kilometres, known, prediction, bootstrap),
    )


def _below_cap(actual: Vector, predicted: Vector) -> Metrics | None:
    below = actual < actual.max()
    if (~below).sum() < _CAPPED or not below.any():
        return None
    return metrics(actual[below], predicted[below])


def permutation_importance(
    predict: Callable[[Matrix], Vector], raw: Matrix, actual: Vector, repeats: int, seed: int
) -> tuple[Importance, ...]:
    """Return the importance of each of `RAW_GROUPS`, the greatest first.

    The rows of a group's columns are shuffled together and the model predicts again (Breiman,
    Random Forests, 2001; Fisher, Rudin and Dominici, 2019). `predict` maps (rows, 9) to dollars.
    """
    generator = np.random.default_rng(seed)
    orders = [generator.permutation(len(raw)) for _ in range(repeats)]
    base = metrics(actual, predict(raw)).wmape
    found = []
    for name, columns in RAW_GROUPS.items():
        indices = [COLUMNS.index(column) for column in columns]
        rises = []
        for order in orders:
            shuffled = raw.copy()
            shuffled[:, indices] = raw[order][:, indices]
            rises.append(metrics(actual, predict(shuffled)).wmape - base)
        found.append(Importance(name, float(np.mean(rises)), float(np.std(rises))))
    return tuple(sorted(found, key=lambda importance: -importance.increase))


def _slice(
    kind: SliceKind, name: str, actual: Vector, prediction: Prediction, bootstrap: Bootstrap
) -> Slice:
    return Slice(
        kind=kind,
        name=name,
        rows=len(actual),
        metrics=metrics(actual, prediction.price),
        wmape_interval=wmape_interval(actual, prediction.price, bootstrap),
        bias=float((prediction.price - actual).mean()),
        coverage=_coverage(actual, prediction),
    )


def _rows_of(prediction: Prediction, rows: NDArray[np.bool_]) -> Prediction:
    price, lower, upper = prediction
    return prediction._replace(price=price[rows], lower=lower[rows], upper=upper[rows])


def _coverage(actual: Vector, prediction: Prediction) -> float:
    return float(((prediction.lower <= actual) & (actual <= prediction.upper)).mean())


def parts(raw: Matrix, actual: Vector) -> Iterator[tuple[SliceKind, str, NDArray[np.bool_]]]:
    """Yield each part that has rows, with a mask of them; an unknown category is in no part.

    A region is where one big city is nearer than the others.
    """
    codes = raw[:, COLUMNS.index("ocean_proximity")]
    income = raw[:, COLUMNS.index("median_income")] * 10_000
    kinds: dict[SliceKind, Iterator[tuple[str, NDArray[np.bool_]]]] = {
        "ocean proximity": ((name, codes == code) for code, name in enumerate(CATEGORIES)),
        "price": _bands(actual, PRICE_EDGES),
        "income": _bands(income, INCOME_EDGES),
        "region": _regions(raw),
    }
    for kind, bands in kinds.items():
        yield from ((kind, name, rows) for name, rows in bands if rows.any())


def _bands(values: Vector, edges: tuple[int, ...]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield each band's name and rows; the lower edge belongs to the band."""
    inner = [f"{low // 1000}k to {high // 1000}k" for low, high in pairwise(edges)]
    names = [f"under {edges[0] // 1000}k", *inner, f"{edges[-1] // 1000}k and more"]
    band = np.searchsorted(edges, values, side="right")
    yield from ((name, band == index) for index, name in enumerate(names))


def _regions(raw: Matrix) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield each city's name and the rows around it."""
    places = plane(raw[:, [COLUMNS.index("longitude"), COLUMNS.index("latitude")]])
    centres = plane(np.array(list(CITIES.values())))
    nearest = np.square(places[:, None] - centres).sum(axis=2).argmin(axis=1)
    names = [name.replace("_", " ") for name in CITIES]
    yield from ((name, nearest == index) for index, name in enumerate(names))
