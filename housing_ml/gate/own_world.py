"""Candidate and champion on the rows that were held out for the champion, at undisputed prices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from housing_ml.data.block_groups import older_selves
from housing_ml.data.contract import COLUMNS, TARGET, to_matrix
from housing_ml.data.split import is_held_out
from housing_ml.gate.records import OwnWorld
from housing_ml.modelling.metrics import Bootstrap, paired_bootstrap

if TYPE_CHECKING:
    import pandas as pd

    from housing_ml.bundle.model import Bundle
    from housing_ml.config.data import SplitConfig
    from housing_ml.config.gate import GateConfig

DISPUTED = 0.05
"""A price that is so much another today, as a fraction, is disputed."""


def undisputed(own: pd.DataFrame, holdout: pd.DataFrame, split: SplitConfig) -> pd.DataFrame:
    """Return the champion's held-out rows that the candidate did not see, and nobody re-priced.

    Args:
        own: what the champion published: identity, actual and predicted price, and the columns.
        holdout: the rows held out today.
        split: how they are.
    """
    rows = own[is_held_out(own, split.holdout_share, split.salt)]
    selves = older_selves(rows, holdout)
    now = rows["actual"].to_numpy().copy()
    now[selves[selves >= 0]] = holdout[TARGET].to_numpy()[selves >= 0]
    kept: pd.DataFrame = rows[(now / rows["actual"] - 1).abs() <= DISPUTED]
    return kept


def own_world(
    bundle: Bundle,
    own: pd.DataFrame | None,
    holdout: pd.DataFrame,
    split: SplitConfig,
    config: GateConfig,
) -> OwnWorld | None:
    """Return both models' errors there; None where the champion published no rows."""
    if own is None or not {*COLUMNS} <= {*own.columns}:
        return None
    rows = undisputed(own, holdout, split)
    if rows.empty:
        return OwnWorld(rows=0)
    found = paired_bootstrap(
        rows["actual"].to_numpy(),
        bundle.predict_matrix(to_matrix(rows)).price,
        rows["predicted"].to_numpy(),
        Bootstrap(samples=config.bootstrap_samples, confidence=config.confidence),
    )
    return OwnWorld(
        rows=found.rows,
        candidate=found.candidate,
        champion=found.champion,
        interval_low=found.interval.low,
    )


def published_wmape(own: pd.DataFrame | None) -> float | None:
    """Return the champion's wMAPE on its own holdout."""
    if own is None:
        return None
    errors = np.abs(own["predicted"] - own["actual"]).sum()
    return float(errors / own["actual"].sum())
