"""The library without Prefect: the stages of a retrain in memory, for a notebook."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from housing_ml.bundle.manifest import Provenance
from housing_ml.config.choices import FeatureParameters
from housing_ml.config.retrain import RetrainConfig
from housing_ml.data.contract import TARGET, to_matrix
from housing_ml.data.tabular import read_columns, require_valid
from housing_ml.data.values import to_floats
from housing_ml.modelling.cluster_comparison import compare_clusters
from housing_ml.modelling.imputer_comparison import compare_imputers
from housing_ml.modelling.model_comparison import select_model
from housing_ml.modelling.sweep.objective import Objective
from housing_ml.modelling.sweep.optuna_driver import sweep
from housing_ml.modelling.training import train

if TYPE_CHECKING:
    from housing_ml.bundle.model import Bundle
    from housing_ml.data.contract import RawData


def fit(data: RawData, config: RetrainConfig | None = None) -> Bundle:
    """Choose imputer, clusters, model and parameters as a retrain does, and train on all rows.

    Nothing is held out and no file is written: keep rows back yourself to judge the bundle.

    Args:
        data: raw columns and the target `median_house_value`, as a DataFrame, a list of dicts or a
            dict of columns.
        config: what a retrain takes; its data, split, evaluation, gate and registry are not used.

    Raises:
        ContractError: when it is no table, a column is missing, or a value breaks its rule.
    """
    config = config or RetrainConfig()
    columns = read_columns(data)
    require_valid(columns)
    raw, (y, _) = to_matrix(columns), to_floats(columns[TARGET])
    imputer = compare_imputers(raw, config.imputation).chosen
    clusters = compare_clusters(raw, y, imputer, config.features).chosen
    features = FeatureParameters(imputer=imputer, clusters=clusters, seed=config.features.seed)
    best = select_model(raw, y, features, config.selection)
    objective = Objective(raw, y, features, best.winner, best.parameters, config.sweep)
    parameters = sweep(objective).best_parameters
    provenance = Provenance(
        data_digest=hashlib.sha256(raw.tobytes() + y.tobytes()).hexdigest(),
        rows=len(y),
        synthetic=config.data.synthetic,
    )
    return train(raw, y, features, best.winner, parameters, config.training, provenance).bundle
