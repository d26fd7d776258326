"""Which imputer fills missing bedrooms best: known values are masked, filled and compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from housing_ml.features.imputation import BEDROOMS, Imputer
from housing_ml.modelling.imputers import imputer
from housing_ml.modelling.sampling import sampled
from housing_ml.progress import steps
from housing_ml.records.imputation import ImputationReport, ImputerScore

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from housing_ml.config.choices import ImputerName
    from housing_ml.config.modelling import ImputationConfig
    from housing_ml.data.contract import Matrix


def compare_imputers(raw: Matrix, config: ImputationConfig) -> ImputationReport:
    """Mask known bedrooms of training rows several times and score how each imputer fills them.

    All imputers see the same masks. The lowest mean RMSE is chosen, the first of equals.

    Args:
        raw: training rows, float64 (n, 9).
        config: candidates, share of the known values to mask, repeats and seed, and of how many
            rows at most.

    Raises:
        ValueError: when fewer than two bedroom counts are known.
    """
    missing = int(np.isnan(raw[:, BEDROOMS]).sum())
    raw, _ = sampled(raw, raw[:, BEDROOMS], config.most_rows, config.seed)
    known = np.flatnonzero(~np.isnan(raw[:, BEDROOMS]))
    if len(known) < 2:
        raise ValueError("total_bedrooms is known in fewer than two rows: nothing to compare with")
    masked = min(max(1, round(config.masked_share * len(known))), len(known) - 1)
    generator = np.random.default_rng(config.seed)
    masks = [generator.choice(known, masked, replace=False) for _ in range(config.repeats)]
    scores = tuple(_score(name, raw, masks) for name in steps(config.candidates, "imputer"))
    return ImputationReport(
        chosen=min(scores, key=lambda score: score.rmse).name,
        scores=scores,
        masked=masked,
        missing=missing,
    )


def _score(name: ImputerName, raw: Matrix, masks: list[NDArray[np.int64]]) -> ImputerScore:
    errors = [_masked_rmse(imputer(name), raw, mask) for mask in masks]
    return ImputerScore(name=name, rmse=float(np.mean(errors)), rmse_std=float(np.std(errors)))


def _masked_rmse(fit: Imputer, raw: Matrix, mask: NDArray[np.int64]) -> float:
    """Return the RMSE in bedrooms on the rows `mask`, which the imputer sees as missing."""
    hidden = raw.copy()
    hidden[mask, BEDROOMS] = np.nan
    filled = fit(hidden).fill(hidden[mask])
    return float(np.sqrt(np.mean((filled[:, BEDROOMS] - raw[mask, BEDROOMS]) ** 2)))
