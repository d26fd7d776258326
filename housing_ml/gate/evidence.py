"""Gather what the gate decides on: the stored bundle and its rival, on the same held-out rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from housing_ml.bundle.manifest import BundleError
from housing_ml.bundle.stored import load_stored
from housing_ml.data.contract import TARGET, to_matrix
from housing_ml.gate.behaviour import probe
from housing_ml.gate.own_world import own_world, published_wmape
from housing_ml.gate.records import Champion, GateEvidence
from housing_ml.gate.rival import compare
from housing_ml.gate.serving_cost import measure_serving
from housing_ml.gate.slices import compare_slices
from housing_ml.gate.traffic import price_traffic
from housing_ml.modelling.metrics import metrics

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from housing_ml.bundle.model import Bundle
    from housing_ml.config.data import SplitConfig
    from housing_ml.config.gate import GateConfig
    from housing_ml.config.release import Autonomy
    from housing_ml.data.contract import Matrix
    from housing_ml.gate.traffic import Asked
    from housing_ml.records.evaluation import EvaluationResult
    from housing_ml.records.gate import Baseline, Circumstances
    from housing_ml.records.refs import DatasetRef
    from housing_ml.records.training import BundleRef, TrainingResult
    from housing_ml.storage.store import Store


class Policy(NamedTuple):
    """What a decision depends on beside the gate's limits."""

    split: SplitConfig
    autonomy: Autonomy


class _Holdout(NamedTuple):
    raw: Matrix
    actual: NDArray[np.float64]
    predictions: pd.DataFrame


def gather(  # noqa: PLR0913 - what each of the stages before has found
    trained: TrainingResult,
    evaluated: EvaluationResult,
    holdout: DatasetRef,
    circumstances: Circumstances,
    *,
    rival: NDArray[np.float64] | None,
    own: pd.DataFrame | None,
    asked: Asked | None = None,
    config: GateConfig,
    policy: Policy,
    store: Store,
) -> GateEvidence:
    """Return the evidence on a trained model.

    Args:
        trained: the candidate.
        evaluated: what was measured of it on the holdout.
        holdout: the rows held out.
        circumstances: the model to beat, and what else the gate has to know.
        rival: that model's prices in dollars of the held-out rows, (rows,), NaN where it has none;
            None where there is no model to beat.
        own: what that model published of its own holdout; None where it published nothing.
        asked: what the service was asked for lately; None where nothing was logged.
        config: the gate's limits.
        policy: how rows are split, and how far the loop goes by itself.
        store: where the data are.

    Raises:
        StorageError: when stored data are missing or damaged.
    """
    frame = store.get_frame(holdout)
    predictions = store.get_frame(evaluated.predictions)
    rows = _Holdout(to_matrix(frame), frame[TARGET].to_numpy(), predictions)
    baseline = circumstances.baseline
    same_content = baseline is not None and baseline.bundle == trained.bundle.digest
    bundle = _load(store, trained.bundle)
    champion = _champion(baseline, rows, rival, config, same_content=same_content)
    if champion is not None and bundle is not None:
        world = own_world(bundle, own, frame, policy.split, config)
        known = {"own_world": world, "published_wmape": published_wmape(own)}
        champion = champion.model_copy(update=known)
    traffic = price_traffic(bundle, asked, circumstances.moves) if asked and bundle else None
    return GateEvidence(
        evaluation=evaluated.evaluation,
        interval_level=trained.bundle.interval_level,
        skew=evaluated.skew,
        synthetic=trained.bundle.synthetic,
        withdrawn=circumstances.withdrawn,
        replaced_share=circumstances.replaced_share,
        moves=circumstances.moves,
        autonomy=policy.autonomy,
        code=circumstances.code,
        **_of_bundle(bundle, rows, rival),
        champion=champion,
        traffic=traffic,
    )


def _champion(
    baseline: Baseline | None,
    rows: _Holdout,
    rival: NDArray[np.float64] | None,
    config: GateConfig,
    *,
    same_content: bool,
) -> Champion | None:
    if baseline is None:
        return None
    return Champion(
        version=baseline.version,
        synthetic=baseline.synthetic,
        same_content=same_content,
        difference=None if rival is None else compare(rows.predictions, rival, config),
        metrics=None if rival is None or np.isnan(rival).any() else metrics(rows.actual, rival),
    )


def _load(store: Store, ref: BundleRef) -> Bundle | None:
    """Return the stored bundle; None when it does not prove itself."""
    try:
        return load_stored(store, ref)
    except BundleError:
        return None


def _of_bundle(
    bundle: Bundle | None, rows: _Holdout, rival: NDArray[np.float64] | None
) -> dict[str, Any]:
    """Return what only the loaded bundle can tell; little when it does not prove itself."""
    if bundle is None:
        return {"golden_replayed": False, "behaviour": None, "cost": None, "slices": ()}
    prediction = bundle.predict_matrix(rows.raw)
    return {
        "golden_replayed": True,
        "behaviour": probe(bundle, rows.raw),
        "cost": measure_serving(bundle, rows.raw),
        "slices": compare_slices(rows.raw, rows.actual, prediction, rival),
    }
