"""Publish a registered model for the services and for later comparisons, whatever the gate says."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

import msgspec

from housing_ml.bundle.signing import sign
from housing_ml.config.promotion import PromotionConfig
from housing_ml.data.contract import CATEGORY
from housing_ml.releases.cards import card_name
from housing_ml.releases.channels import is_published, open_releases, publish_bundle, record_release
from housing_ml.releases.equity import publish_equity
from housing_ml.releases.holdout_errors import HoldoutErrors, errors_name
from housing_ml.releases.predictions import predictions_name
from housing_ml.releases.records import Release, TrainingData, now
from housing_ml.reporting.card import model_card
from housing_ml.storage.store import open_store

if TYPE_CHECKING:
    import pandas as pd

    from housing_ml.records.evaluation import EvaluationResult
    from housing_ml.records.gate import GateDecision
    from housing_ml.records.retrain import RegisteredVersion
    from housing_ml.records.training import TrainingResult
    from housing_ml.settings import Settings

GUARD_HOURS = PromotionConfig().guard_hours

METRICS = ("rmse", "mae", "r2", "mape", "wmape")


def publish(  # noqa: PLR0913 - what each of the stages before has found
    registered: RegisteredVersion,
    trained: TrainingResult,
    evaluated: EvaluationResult,
    decision: GateDecision,
    settings: Settings,
    *,
    guard_hours: float = GUARD_HOURS,
) -> Release:
    """Publish bundle and predictions, signed when a key is configured; return the release.

    Done again after a crash, it completes what is there. A release that passed the gate once stays
    one to roll back to, though it does not pass against a better champion.

    `guard_hours` is how long the guard lasts, whenever it is promoted.

    Raises:
        SignatureError: when the configured key is none.
        StorageError: when a stored file is missing or damaged.
    """
    store, releases = open_store(settings), open_releases(settings)
    release = msgspec.structs.replace(
        _release(registered, trained, evaluated, decision, settings), guard_hours=guard_hours
    )
    files = {name: store.get_bytes(ref) for name, ref in trained.bundle.files.items()}
    releases.write(predictions_name(release.bundle), store.get_bytes(evaluated.predictions))
    by_place = holdout_errors(store.get_frame(evaluated.predictions))
    releases.write(errors_name(release.bundle), msgspec.json.encode(by_place))
    releases.write(card_name(release.bundle), model_card(trained, evaluated).encode())
    publish_equity(releases, release.bundle, evaluated.evaluation.equity)
    publish_bundle(releases, release.bundle, files)
    if decision.promote or not is_published(releases, release):
        record_release(releases, release)
    return release


def holdout_errors(predictions: pd.DataFrame) -> HoldoutErrors:
    """Return what the map shows of a release's predictions for its own holdout.

    Args:
        predictions: the contract's columns, `actual` and `predicted` in dollars.
    """
    whole = predictions[["actual", "predicted"]].round().astype("int64")
    return HoldoutErrors(
        longitude=predictions["longitude"].tolist(),
        latitude=predictions["latitude"].tolist(),
        ocean_proximity=predictions[CATEGORY].tolist(),
        actual=whole["actual"].tolist(),
        predicted=whole["predicted"].tolist(),
    )


def _release(
    registered: RegisteredVersion,
    trained: TrainingResult,
    evaluated: EvaluationResult,
    decision: GateDecision,
    settings: Settings,
) -> Release:
    found, bundle, key = evaluated.evaluation, trained.bundle, settings.signing_key
    metrics = {name: getattr(found.metrics, name) for name in METRICS}
    equity = found.overall_equity.named if found.overall_equity else {}
    return Release(
        version=registered.version,
        bundle=bundle.digest,
        model=bundle.model,
        metrics=metrics | {"coverage": found.coverage} | equity,
        data=TrainingData(digest=bundle.data_digest, rows=bundle.rows, synthetic=bundle.synthetic),
        registered_name=registered.name,
        passed_gate=decision.promote,
        asks=decision.ask,
        signature=sign(bundle.digest, key.get_secret_value()) if key else None,
        moved=decision.traffic.moved if decision.traffic else None,
        shift=decision.traffic.shift if decision.traffic else None,
        apart=decision.traffic.apart if decision.traffic else None,
        run_id=registered.run_id,
        promoted_at=now(),
        promoted_by=getpass.getuser(),
        reason="; ".join(decision.reasons),
    )
