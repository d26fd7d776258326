"""What a retrain learns of worlds that have moved: true wMAPE on held-out rows of each.

    python benchmarks/learning.py

Some new prices of a world are known, with 5 % of noise (1 % where nothing changed). "kept" is the
old model; "left out" one of rows without the old prices of a category that moved by a tenth;
"learnt" one of rows whose old prices were carried along; "oracle" one that knows all of today's.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

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
    from numpy.typing import NDArray

    from housing_ml.bundle.model import Bundle


_WEEK = 7 * 24 * 3600.0


class World(NamedTuple):
    """Where prices moved, by what factor, and of how many rows there the new price is known."""

    name: str
    factor: float
    part: str
    known: int
    noise: float = 0.05
    weeks: int = 0
    """For how many weeks so many prices came each week, while the level rose; 0: all came today."""


SOUTH = "latitude > 33.4 and latitude < 34.9 and longitude > -119"
WORLDS = (
    World("nothing changed", 1.0, "latitude > 0", 2_000, noise=0.01),
    World("inland +12 %", 1.12, f"{CATEGORY} == 'INLAND'", 100),
    World("within an hour of the ocean +12 %", 1.12, f"{CATEGORY} == '<1H OCEAN'", 100),
    World("Los Angeles +20 %", 1.2, SOUTH, 2_500),
    World("inland doubled, 3 in 10", 2.0, f"{CATEGORY} == 'INLAND'", 1_965),
    World("inland doubled, 1 in 20", 2.0, f"{CATEGORY} == 'INLAND'", 327),
    World("8 % over a year, 5 % a week", 1.08, "latitude > 0", 1_032, weeks=52),
)


def known(frame: pd.DataFrame, part: NDArray[np.bool_], world: World) -> pd.DataFrame:
    """Return the latest known price of each block group whose price came, and when."""
    random = np.random.default_rng(1)
    found = []
    for week in range(max(1, world.weeks)):
        fed = frame[part].sample(world.known, random_state=random)
        level = world.factor ** ((week + 1) / max(1, world.weeks))
        noise = np.exp(random.normal(0, world.noise, len(fed)))
        found.append(fed.assign(**{TARGET: fed[TARGET] * level * noise, RECEIVED: week * _WEEK}))
    return pd.concat(found).drop_duplicates([*COLUMNS], keep="last")


def left_out(frame: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of both without prices of categories that newer ones contradict."""
    old = frame[TARGET].reindex(new.index)
    moves = np.log(new[TARGET] / old).groupby(new[CATEGORY]).agg(["median", "size"])
    moved = moves.index[(moves["median"].abs() > np.log(1.1)) & (moves["size"] >= 100)]
    kept = frame.drop(index=new.index)
    return pd.concat([kept[~kept[CATEGORY].isin(moved)], new[list(frame.columns)]])


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
    print("| world | kept: moved, other and all rows | left out | learnt | oracle | prices lag |")
    print("|---|---|---|---|---|---|")
    for world in WORLDS:
        part = frame.index.isin(frame.query(world.part).index)
        today = frame[TARGET] * np.where(part, world.factor, 1.0)
        new = known(frame, part, world)
        truth = frame.assign(**{TARGET: today, "part": part})
        merged, _ = merge(frame, new)
        models = (kept, learnt(left_out(frame, new)), learnt(merged), learnt(truth))
        errors = " | ".join(_errors(model, truth) for model in models)
        lag = f"{weeks_behind(merged, truth, world):.1f} weeks" if world.weeks else ""
        print(f"| {world.name} | {errors} | {lag} |", flush=True)


def _errors(model: Bundle, truth: pd.DataFrame) -> str:
    _, rows, _ = split(truth, SplitConfig())
    return ", ".join(
        f"{100 * metrics(side[TARGET], model.predict(to_matrix(side))).wmape:.1f}"
        for side in (rows[rows["part"]], rows[~rows["part"]], rows)
        if len(side)
    )


def weeks_behind(merged: pd.DataFrame, truth: pd.DataFrame, world: World) -> float:
    """Return how long ago the level was what the merged prices say, when it rose steadily."""
    both = merged.merge(truth, on=[*COLUMNS], suffixes=("", "_today"))
    behind = float(np.median(np.log(both[f"{TARGET}_today"] / both[TARGET])))
    return behind / float(np.log(world.factor)) * world.weeks


if __name__ == "__main__":
    main()
