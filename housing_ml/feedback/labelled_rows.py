"""What a retrain learns from the service: logged rows whose price has come, merged with the base.

A block group is in the result once: what was learned of it last holds. Prices that newer ones
contradict are carried along, those of the source too: training rows and holdout follow the world.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field

from housing_ml.config.feedback import FeedbackConfig
from housing_ml.data.block_groups import BLOCK_GROUP, block_groups, newest_of_each
from housing_ml.data.checks import check
from housing_ml.data.contract import (
    CATEGORY,
    COLUMNS,
    FIELDS,
    IDENTITY,
    TARGET,
)
from housing_ml.data.weights import WEIGHT
from housing_ml.feedback.actual_prices import batches, compact
from housing_ml.feedback.bounds import capped, is_far
from housing_ml.feedback.corroboration import REVIEWER, SENDER, TOGETHER
from housing_ml.feedback.labels import Labels
from housing_ml.feedback.log_format import OUTPUTS, LogError
from housing_ml.feedback.prediction_log import Horizon, columns_of, log_files, read_log
from housing_ml.feedback.repricing import Field as MoveField
from housing_ml.feedback.repricing import Pairs, Trend
from housing_ml.feedback.review import reviewed
from housing_ml.records.base import Record
from housing_ml.records.gate import Move

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from housing_ml.data.contract import Matrix
    from housing_ml.feedback.prediction_log import LogRows
    from housing_ml.feedback.review import Review
    from housing_ml.storage.versioned import ReleaseStorage

    Vector = NDArray[np.float64]

PREDICTION = "prediction_id"
"""Column of the prediction's id."""

_FAR = "_far"
DEFAULT = FeedbackConfig()

RECEIVED = "received"
"""Column of when a price came, in seconds since 1970."""

REPRICED = 0.01
REPORTED = 0.05
"""Moves that count: of a row, and of a level, as logarithms."""

_PLACE = ("longitude", "latitude")
_MOST_PENDING = 100_000


class MergeReport(Record):
    """Where the rows of merged data come from."""

    base: int = Field(ge=0, description="Rows of the base data that are still there.")
    replaced: int = Field(ge=0, description="Block groups of the base with newer figures.")
    added: int = Field(ge=0, description="Block groups that the base did not have.")
    repriced: int = Field(ge=0, description="Rows whose price was carried along with newer ones.")
    moves: tuple[Move, ...] = Field(description="Levels of prices that moved.")


class LabelledRows(NamedTuple):
    """Rows whose price is known: those to learn from, and those that wait for a person."""

    learnt: pd.DataFrame
    set_aside: pd.DataFrame
    """With `PREDICTION`, and price and interval that were predicted."""


def labelled_rows(
    storage: ReleaseStorage, days: int, now: datetime, config: FeedbackConfig = DEFAULT
) -> pd.DataFrame:
    """Return the block groups of the last days whose price can be learnt; see `read_labelled`."""
    return read_labelled(storage, days, now, config).learnt


def read_labelled(
    storage: ReleaseStorage, days: int, now: datetime, config: FeedbackConfig = DEFAULT
) -> LabelledRows:
    """Return the block groups of the last days whose price is known, each once for each sender.

    The columns are the contract's, the target, `RECEIVED` and `SENDER`. The same log and feedback
    give the same rows in the same order. A file that cannot be read, a row that breaks the
    contract, and a price that a person refused, are left out. A day's feedback that lies in many
    files is made one.

    Raises:
        ReleaseError: when the record of what was reviewed is damaged.
    """
    horizon = Horizon.of_days(now, days)
    compact(storage, horizon.days())
    labels = Labels(capped(batches(storage, horizon.days()), config.per_sender_day))
    files = log_files(storage, horizon.days()) if len(labels) else []
    bounds = _Bounds(reviewed(storage), config.far)
    frame, pending, far = _nothing(), list[pd.DataFrame](), [_nothing()]
    for name in files:
        try:
            parts = [_known(rows, labels, bounds) for rows in read_log(storage, name)]
        except LogError:
            continue  # the monitor names it
        far += [part[part[_FAR]] for part in parts if part[_FAR].any()]
        pending += [part[~part[_FAR]] for part in parts if not part[_FAR].all()]
        if sum(map(len, pending)) > _MOST_PENDING:
            frame, pending = _newest([frame, *pending]), []
    frame = _newest([frame, *pending])[[*COLUMNS, TARGET, RECEIVED, SENDER]]
    broken = {row for breach in check(frame) for row in breach.rows.tolist()}
    aside = pd.concat(far, ignore_index=True).drop(columns=_FAR)
    return LabelledRows(frame.drop(index=sorted(broken)).reset_index(drop=True), aside)


def merge(base: pd.DataFrame, new: pd.DataFrame) -> tuple[pd.DataFrame, MergeReport]:
    """Return the rows of both with today's prices, and a report.

    A block group of `new` replaces its older self in `base`, whose figures may be others; other
    prices are carried along where newer ones say that the level moved, and count less in the fit
    by how uncertain that is. Both have the contract's columns and the target, and `new` has
    `RECEIVED`; the result has `WEIGHT` too where prices tell of others.
    """
    columns = [*COLUMNS, TARGET]
    new = newest_of_each(new.assign(**{BLOCK_GROUP: block_groups(base, new)}), [BLOCK_GROUP])
    selves = new[BLOCK_GROUP].to_numpy()
    replaced = selves >= 0
    kept = base.loc[~np.isin(np.arange(len(base)), selves), columns]
    carried, weights, carried_new, moves = _carry(base, kept, new)
    report = MergeReport(
        base=len(kept),
        replaced=int(replaced.sum()),
        added=int((~replaced).sum()),
        repriced=int((np.abs(carried) > REPRICED).sum()),
        moves=moves,
    )
    kept = kept.assign(**{TARGET: _priced(kept, carried), WEIGHT: weights})
    priced_new = {TARGET: _priced(new, carried_new), WEIGHT: np.ones(len(new))}
    fresh = new.loc[:, columns].assign(**priced_new)
    merged = pd.concat([kept, fresh], ignore_index=True)
    return merged if weights.min(initial=1.0) < 1 else merged.drop(columns=WEIGHT), report


def _priced(rows: pd.DataFrame, move: Vector) -> Vector:
    field = FIELDS[TARGET]
    prices = rows[TARGET].to_numpy() * np.exp(move)
    return np.asarray(np.clip(prices, field.minimum, field.maximum), dtype=np.float64)


def _carry(
    base: pd.DataFrame, kept: pd.DataFrame, new: pd.DataFrame
) -> tuple[Vector, Vector, Vector, tuple[Move, ...]]:
    """Return the moves of kept rows, as logarithms, their weights, the new ones', the levels'."""
    carried, weights, fresh = np.zeros(len(kept)), np.ones(len(kept)), np.zeros(len(new))
    moves = []
    for name, group in _pairs(base, new).groupby("category"):
        pairs = Pairs(
            group[[*_PLACE]].to_numpy(),
            np.log(group["ratio"].to_numpy()),
            group[RECEIVED].to_numpy(),
        )
        rows, late = (kept[CATEGORY] == name).to_numpy(), (new[CATEGORY] == name).to_numpy()
        field = MoveField(pairs)
        carried[rows], weights[rows] = field.at(kept.loc[rows, [*_PLACE]].to_numpy())
        fresh[late] = Trend(pairs).until_now(new.loc[late, RECEIVED].to_numpy())
        largest = _largest(carried[rows], field.level)
        if abs(largest) > REPORTED:
            senders = _supporters(group, largest)
            change = float(np.exp(largest))
            moves.append(Move(name=str(name), change=change, pairs=len(group), senders=senders))
    return carried, weights, fresh, tuple(moves)


def _largest(carried: Vector, level: float) -> float:
    """Return the largest move that a twentieth of the rows made, or the level's."""
    ends = np.quantile(carried, [0.05, 0.95]).tolist() if len(carried) else []
    return float(max([level, *ends], key=abs))


def _supporters(pairs: pd.DataFrame, move: float) -> int:
    """Return how many senders saw at least half of a move, a logarithm, by their latest prices."""
    each = pairs.assign(**{SENDER: pairs[SENDER].str.split(TOGETHER)}).explode(SENDER)
    groups = each.sort_values(RECEIVED, kind="stable").groupby(SENDER)["ratio"]
    seen = groups.agg(lambda ratio: np.log(ratio.tail(1 + len(ratio) // 4)).median())
    return int((seen / move >= 0.5).sum())


def _pairs(base: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Return category, place, ratio of the prices, time and sender of rows that both have."""
    both = new[new[BLOCK_GROUP] >= 0]
    sender = both.get(SENDER, "one")
    ratio = both[TARGET] / base[TARGET].to_numpy()[both[BLOCK_GROUP]]
    found = both[[*_PLACE, RECEIVED]].assign(category=both[CATEGORY], ratio=ratio)
    return found.assign(**{SENDER: sender})


class _Bounds(NamedTuple):
    said: dict[str, Review]
    far: float


def _known(rows: LogRows, labels: Labels, bounds: _Bounds) -> pd.DataFrame:
    """Return the rows whose price is known and was not refused, and which of them are far off."""
    found = labels.find(rows.ids)
    table = _table(rows.raw[found.rows], found.actual, found.received)
    ids = rows.ids.take(found.rows).to_pylist()
    verdicts = np.array([_verdict(bounds.said, name) for name in ids], dtype=object)
    _, lower, upper = outputs = rows.outputs[found.rows].T
    accepted = verdicts == "accepted"
    table[SENDER] = np.where(accepted, REVIEWER, found.senders)
    table[PREDICTION] = ids
    table[list(OUTPUTS)] = outputs.T
    table[_FAR] = is_far(found.actual, lower, upper, bounds.far) & ~accepted
    kept: pd.DataFrame = table[verdicts != "refused"]
    return kept


def _verdict(said: dict[str, Review], name: str) -> str:
    return said[name].verdict if name in said else ""


def _nothing() -> pd.DataFrame:
    empty = np.empty(0)
    table = _table(np.empty((0, len(COLUMNS))), empty, empty)
    texts = dict.fromkeys([SENDER, PREDICTION], empty.astype(object))
    return table.assign(**texts, **dict.fromkeys(OUTPUTS, empty), **{_FAR: empty.astype(np.bool_)})


def _table(raw: Matrix, actual: Vector, received: Vector) -> pd.DataFrame:
    return pd.DataFrame({**columns_of(raw), TARGET: actual, RECEIVED: received})


def _newest(frames: list[pd.DataFrame]) -> pd.DataFrame:
    ordered = pd.concat(frames, ignore_index=True).sort_values(
        [RECEIVED, *COLUMNS, TARGET], kind="stable"
    )
    newest = ordered.drop_duplicates([*IDENTITY, SENDER], keep="last")
    return newest.sort_values([*IDENTITY, SENDER], kind="stable").reset_index(drop=True)
