"""What a retrain learns of worlds that have moved: true wMAPE on held-out rows of each.

    python benchmarks/learning.py

Some new prices of a world are known, with 5 % of noise (1 % where nothing changed). "kept" is the
old model, "learnt" one of rows whose old prices were carried along, "oracle" one that knows all.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from housing_ml.bundle.manifest import Provenance
from housing_ml.config.choices import FeatureParameters
from housing_ml.config.data import SplitConfig
from housing_ml.config.modelling import TrainingConfig
from housing_ml.data.contract import CATEGORY, COLUMNS, TARGET, to_matrix
from housing_ml.data.source import read_source
from housing_ml.data.split import split
from housing_ml.data.table_file import read_table
from housing_ml.feedback.labelled_rows import RECEIVED, merge
from housing_ml.modelling.metrics import metrics
from housing_ml.modelling.training import train

if TYPE_CHECKING:
    import pandas as pd

    from housing_ml.bundle.model import Bundle


class World(NamedTuple):
    """Where prices moved, by what factor, and of how many rows there the new price is known."""

    name: str
    factor: float
    part: str
    known: float
    noise: float = 0.05


SOUTH = "latitude > 33.4 and latitude < 34.9 and longitude > -119"
WORLDS = (
    World("nothing changed", 1.0, "latitude > 0", 2_000, noise=0.01),
    World("inland +12 %", 1.12, f"{CATEGORY} == 'INLAND'", 100),
    World("within an hour of the ocean +12 %", 1.12, f"{CATEGORY} == '<1H OCEAN'", 100),
    World("Los Angeles +20 %", 1.2, SOUTH, 2_500),
    World("inland doubled, 3 in 10", 2.0, f"{CATEGORY} == 'INLAND'", 1_965),
    World("inland doubled, 1 in 20", 2.0, f"{CATEGORY} == 'INLAND'", 327),
)


def learnt(frame: pd.DataFrame) -> Bundle:
    """Train on the rows that are not held out."""
    rows, _, _ = split(frame, SplitConfig())
    return train(
        to_matrix(rows),
        rows[TARGET].to_numpy(),
        FeatureParameters(imputer="median", clusters=0),
        "histogram_gradient_boosting",
        {"max_iter": 300},
        TrainingConfig(folds=2),
        Provenance(data_digest="0" * 64, rows=len(rows), synthetic=False),
    ).bundle


def main() -> None:
    """Print a row of a table for each world."""
    address = os.environ["HOUSING_DATA_URL"]
    frame = read_table(address, read_source(address, None))[[*COLUMNS, TARGET]]
    kept = learnt(frame)
    print("| world | kept, moved and other rows | learnt | oracle |\n|---|---|---|---|")
    for world in WORLDS:
        part = frame.index.isin(frame.query(world.part).index)
        price = frame[TARGET] * np.where(part, world.factor, 1.0)
        fed = frame[part].sample(int(world.known), random_state=1)
        noise = np.exp(np.random.default_rng(0).normal(0, world.noise, len(fed)))
        new = fed.assign(**{TARGET: price[fed.index] * noise, RECEIVED: 0.0})
        truth = frame.assign(**{TARGET: price, "part": part})
        _, rows, _ = split(truth, SplitConfig())
        models = (kept, learnt(merge(frame, new)[0]), learnt(truth))
        errors = [
            " and ".join(
                f"{metrics(side[TARGET], model.predict(to_matrix(side))).wmape:.1%}"
                for side in (rows[rows["part"]], rows[~rows["part"]])
                if len(side)
            )
            for model in models
        ]
        print(f"| {world.name} | {' | '.join(errors)} |", flush=True)


if __name__ == "__main__":
    main()
