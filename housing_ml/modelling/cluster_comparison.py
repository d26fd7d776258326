"""How many clusters of places serve the model best: decided by its own cross-validated error.

Inertia, silhouette and Davies-Bouldin judge how tight and apart clusters are, which is another
question: they are reported to show that they choose otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.cluster.vq import vq
from sklearn.metrics import davies_bouldin_score, silhouette_score

from housing_ml.config.choices import FeatureParameters
from housing_ml.features.geography import fit_clusters, plane
from housing_ml.modelling.folds import price_unseen, splitter
from housing_ml.modelling.metrics import metrics
from housing_ml.modelling.sampling import sampled
from housing_ml.progress import steps
from housing_ml.records.features import ClusterReport, ClusterScore

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from housing_ml.config.choices import ImputerName, ModelName, Parameters
    from housing_ml.config.modelling import FeatureConfig
    from housing_ml.data.contract import Matrix

_MODEL: ModelName = "histogram_gradient_boosting"
_PARAMETERS: Parameters = {"max_iter": 100, "learning_rate": 0.12}
_SILHOUETTE_ROWS = 3_000
"""The silhouette compares all pairs of rows: a sample of them is enough."""


def compare_clusters(
    raw: Matrix, y: NDArray[np.float64], imputer: ImputerName, config: FeatureConfig
) -> ClusterReport:
    """Cross-validate the model with each number of clusters; the least wMAPE wins.

    Args:
        raw: training rows, float64 (n, 9).
        y: prices in dollars, float64 (n,).
        imputer: what fills missing bedrooms.
        config: numbers of clusters, folds and seed, and of how many rows at most.
    """
    raw, y = sampled(raw, y, config.most_rows, config.seed)
    scores = tuple(
        _score(
            raw, y, FeatureParameters(imputer=imputer, clusters=number, seed=config.seed), config
        )
        for number in steps(config.cluster_candidates, "candidate")
    )
    return ClusterReport(
        chosen=min(scores, key=lambda score: (score.cv_wmape, score.clusters)).clusters,
        scores=scores,
    )


def _score(
    raw: Matrix, y: NDArray[np.float64], features: FeatureParameters, config: FeatureConfig
) -> ClusterScore:
    splits = [*splitter(config.folds, config.seed).split(raw)]
    priced = price_unseen(raw, y, splits, features, _MODEL, _PARAMETERS, config.seed)
    pairs = zip(splits, priced, strict=True)
    found = [metrics(y[outside], unseen.price) for (_, outside), unseen in pairs]
    inertia, silhouette, davies_bouldin = _shape(raw, features)
    return ClusterScore(
        clusters=features.clusters,
        cv_wmape=float(np.mean([fold.wmape for fold in found])),
        cv_rmse=float(np.mean([fold.rmse for fold in found])),
        inertia=inertia,
        silhouette=silhouette,
        davies_bouldin=davies_bouldin,
    )


def _shape(
    raw: Matrix, features: FeatureParameters
) -> tuple[float | None, float | None, float | None]:
    """Return inertia, silhouette and Davies-Bouldin; the latter two need at least two clusters."""
    places = plane(raw[:, :2])
    centres = fit_clusters(places, features.clusters, features.seed)
    if not len(centres):
        return None, None, None
    labels, distance = vq(places, centres)
    inertia = float(np.square(distance).sum())
    if len(np.unique(labels)) < 2:
        return inertia, None, None
    rows = min(_SILHOUETTE_ROWS, len(places))
    silhouette = silhouette_score(places, labels, sample_size=rows, random_state=features.seed)
    return inertia, float(silhouette), float(davies_bouldin_score(places, labels))
