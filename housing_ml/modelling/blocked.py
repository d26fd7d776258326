"""How wrong the model is where it knows no neighbours: whole blocks of the map are left out.

A row that is held out at random has training rows across the street. Who asks for a price in a
place that the data do not reach has not, and its error is that of a block nobody saw (Roberts et
al., Cross-validation strategies for data with temporal, spatial or hierarchical structure, 2017).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from sklearn.model_selection import GroupKFold

from housing_ml.modelling.folds import price_unseen
from housing_ml.modelling.sampling import sample
from housing_ml.records.training import BLOCK_DEGREES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from housing_ml.config.choices import FeatureParameters, ModelName, Parameters
    from housing_ml.config.modelling import TrainingConfig
    from housing_ml.data.contract import Matrix

_MOST_ROWS = 50_000
"""Of more rows a sample of so many is asked: these folds cost as much as the interval's."""


class OutOfBlock(NamedTuple):
    """Rows as models see them that saw no row of their block.

    Their numbers `row` (n,), ascending; float64 `features` (n, features) and `price` (n,) in
    dollars.
    """

    row: NDArray[np.intp]
    features: NDArray[np.float64]
    price: NDArray[np.float64]


def price_out_of_block(  # noqa: PLR0913, PLR0917 - what the final fit takes
    raw: Matrix,
    y: NDArray[np.float64],
    features: FeatureParameters,
    model: ModelName,
    parameters: Parameters,
    config: TrainingConfig,
) -> OutOfBlock | None:
    """Return features and price of rows by models that saw no row of their block.

    They are all rows, or of many a sample. None where the rows `raw` (rows, 9), with prices `y`
    (rows,) in dollars, lie in fewer blocks than there are folds.
    """
    row = sample(len(raw), _MOST_ROWS, config.seed)
    raw, y = raw[row], y[row]
    blocks = _blocks(raw)
    if len(np.unique(blocks)) < config.folds:
        return None
    splitter = GroupKFold(config.folds, shuffle=True, random_state=config.seed)
    splits = [*splitter.split(raw, groups=blocks)]
    found = price_unseen(
        raw, y, splits, features, model, parameters, config.seed, "blocks left out"
    )
    matrices, prices = zip(*found, strict=True)
    order = np.argsort(np.concatenate([outside for _, outside in splits]))
    return OutOfBlock(row, np.vstack(matrices)[order], np.concatenate(prices)[order])


def _blocks(raw: Matrix) -> NDArray[np.int64]:
    """Return the number of each row's block, (rows,)."""
    corners = np.floor(raw[:, :2] / BLOCK_DEGREES).astype(np.int64)
    return np.unique(corners, axis=0, return_inverse=True)[1].ravel()
