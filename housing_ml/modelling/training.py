"""The final fit on all training rows, its prediction interval, and the bundle that serves both."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from housing_ml.bundle.manifest import ColumnRange, Manifest, PriceRange, Provenance
from housing_ml.bundle.model import Bundle, Golden, bounded
from housing_ml.bundle.reference import describe
from housing_ml.data.contract import CATEGORIES, NUMERIC, Matrix
from housing_ml.errors import HousingError
from housing_ml.features.raw_rows import parts
from housing_ml.fingerprint import feature_fingerprint
from housing_ml.modelling.blocked import OutOfBlock, price_out_of_block
from housing_ml.modelling.conformal import Calibration, Priced, as_of_all_rows, calibrate
from housing_ml.modelling.golden_rows import golden_rows, model_splits
from housing_ml.modelling.known_places import by_place
from housing_ml.modelling.metrics import metrics
from housing_ml.modelling.models import build_pipeline, predict_in_one_thread
from housing_ml.modelling.onnx_export import to_onnx
from housing_ml.modelling.out_of_fold import price_out_of_fold

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    from housing_ml.bundle.reference import Reference
    from housing_ml.config.choices import FeatureParameters, ModelName, Parameters
    from housing_ml.config.modelling import TrainingConfig
    from housing_ml.data.world_record import HeldOut, World
    from housing_ml.features import HousingFeatures
    from housing_ml.records.evaluation import PlaceFigures

    Pair: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]
    """Price and spread in dollars, (rows,) each."""
    Scores: TypeAlias = Callable[[NDArray[np.float64]], Pair]

_LIBRARIES = ("numpy", "pykdtree", "scipy", "scikit-learn", "onnx", "onnxruntime", "safetensors")


_TOLERANCE = 1e-6
"""Largest relative difference between the bundle and scikit-learn on a training row."""


class TrainingError(HousingError, RuntimeError):
    """A model whose bundle does not compute what scikit-learn computes."""


class TrainedModel(NamedTuple):
    """One fitted model in its two forms, which agree on every training row."""

    pipeline: Pipeline
    bundle: Bundle
    places: PlaceFigures
    """Out of fold, on the training rows."""
    blocked_wmape: float | None
    """Of training rows by models that saw no row of their block; None with too few blocks."""


def train(  # noqa: PLR0913, PLR0917 - the choices of the stages before, each from its own
    raw: Matrix,
    y: NDArray[np.float64],
    features: FeatureParameters,
    model: ModelName,
    parameters: Parameters,
    config: TrainingConfig,
    provenance: Provenance,
    source: World | None = None,
    held_out: HeldOut | None = None,
    weights: NDArray[np.float64] | None = None,
) -> TrainedModel:
    """Fit the chosen model on all rows of `raw` (rows, 9) and prices `y` (rows,) in dollars.

    `weights` (rows,) say how much each price counts, where they differ. The same data and config
    give the same bundle, byte for byte.

    Raises:
        TrainingError: when the bundle and scikit-learn differ by more than 1e-6 relative on a row.
    """
    # One OpenMP thread: sums have one order, and two runs at once do not wait for each other.
    with threadpool_limits(limits=1):
        unseen = price_out_of_fold(raw, y, features, model, parameters, config)
        pipeline = build_pipeline(features, model, parameters, config.seed)
        matrix = pipeline["features"].fit_transform(raw, y)
        pipeline[1:].fit(matrix, y, model__sample_weight=weights)
        raw_unseen, actual, matrix = raw[unseen.row], y[unseen.row], matrix[unseen.row]
        blocked = price_out_of_block(raw_unseen, actual, features, model, parameters, config)
        beyond = None if blocked is None else _beyond(pipeline["features"], matrix, actual, blocked)
        error = as_of_all_rows(actual - unseen.price, config.folds)
        calibration = calibrate(_known(matrix, unseen.price), error, config, beyond)
    predict_in_one_thread(pipeline)
    manifest = Manifest(
        model=model,
        parameters=parameters,
        imputer=features.imputer,
        clusters=features.clusters,
        seed=config.seed,
        feature_names=tuple(pipeline["features"].get_feature_names_out().tolist()),
        feature_fingerprint=feature_fingerprint(),
        provenance=provenance,
        interval=calibration.interval,
        price_range=PriceRange(minimum=float(y.min()), maximum=float(y.max())),
        columns=_column_ranges(raw),
        categories=_categories(raw),
        libraries={name: version(name) for name in _LIBRARIES},
    )
    reference = describe(raw, np.clip(unseen.price, y.min(), y.max()), y, unseen.row)
    reference = msgspec.structs.replace(reference, source=source, held_out=held_out)
    places = by_place(actual, unseen.price, unseen.known)
    bundle = _bundle(raw, pipeline, calibration, manifest, reference)
    wmape = None if blocked is None else metrics(actual[blocked.row], blocked.price).wmape
    return TrainedModel(pipeline, bundle, places, wmape)


def _known(features: NDArray[np.float64], price: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what the spread model knows, (rows, features + 1)."""
    return np.column_stack([features, price])


def _beyond(
    fitted: HousingFeatures,
    matrix: NDArray[np.float64],
    y: NDArray[np.float64],
    blocked: OutOfBlock,
) -> Priced:
    """Return the rows of `matrix` (rows, features) with neighbours from beyond their block alone.

    What says where they lie and what they are like keeps the meaning that it has in the model that
    is served: each fold has other clusters.
    """
    near = list(fitted.groups()["neighbours"])
    far = matrix[blocked.row]
    far[:, near] = blocked.features[:, near]
    return Priced(blocked.row, _known(far, blocked.price), y[blocked.row] - blocked.price)


def _column_ranges(raw: Matrix) -> tuple[ColumnRange, ...]:
    return tuple(
        ColumnRange(
            name=name,
            minimum=float(np.nanmin(values)),
            maximum=float(np.nanmax(values)),
            missing_share=float(np.isnan(values).mean()),
        )
        for name, values in zip(NUMERIC, raw.T[: len(NUMERIC)], strict=True)
    )


def _categories(raw: Matrix) -> tuple[str, ...]:
    codes = set(raw[:, -1].tolist())
    return tuple(name for code, name in enumerate(CATEGORIES) if code in codes)


def _bundle(
    raw: Matrix,
    pipeline: Pipeline,
    calibration: Calibration,
    manifest: Manifest,
    reference: Reference,
) -> Bundle:
    """Assemble the bundle and compare it with scikit-learn on every training row."""
    features = pipeline["features"]

    def scores(matrix: NDArray[np.float64]) -> Pair:
        price = pipeline[1:].predict(matrix)
        return price, calibration.spread(_known(matrix, price))

    def fitted_scores(rows: Matrix) -> Pair:
        return scores(features.transform(rows))

    model = to_onnx(pipeline[1:], calibration.model, calibration.minimum, calibration.scale)
    golden = golden_rows(raw, model_splits(model, features), fitted_scores, manifest.seed)
    expected = bounded(*fitted_scores(golden), manifest)
    bundle = Bundle.assemble(manifest, features, model, Golden(golden, *expected), reference)
    for rows in parts(len(raw)):
        _require_the_same(bundle, features.transform(raw[rows]), scores, rows.start)
    return bundle


def _require_the_same(
    bundle: Bundle, matrix: NDArray[np.float64], fitted: Scores, first: int
) -> None:
    """Compare bundle and scikit-learn on features (rows, f) of training rows from `first` on."""
    for name, found, wanted in zip(
        ("price", "spread"), bundle.score(matrix), fitted(matrix), strict=True
    ):
        difference = np.abs(found - wanted) / np.abs(wanted)
        if not (difference <= _TOLERANCE).all():
            row = int(difference.argmax())
            raise TrainingError(
                f"training row {first + row}: the bundle's {name} is {found[row]:.6f} dollars, but "
                f"scikit-learn's is {wanted[row]:.6f}: the export does not fit this model"
            )
