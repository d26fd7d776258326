"""What a retrain learns from the service: logged rows whose price has come, merged with the base.

A block group is in the result once: what was learned of it last holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pydantic import Field

from housing_ml.contract import CATEGORIES, CATEGORY, COLUMNS, IDENTITY, NUMERIC, TARGET, check
from housing_ml.monitoring.feedback import batches
from housing_ml.monitoring.labels import Labels
from housing_ml.monitoring.log import Horizon, LogError, log_files, read_log
from housing_ml.records.base import Record

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from housing_ml.contract import Matrix
    from housing_ml.monitoring.log import LogRows
    from housing_ml.releases import ReleaseStorage

    Vector = NDArray[np.float64]

_RECEIVED = "received"
_DAY_MINUTES = 24 * 60


class MergeReport(Record):
    """Where the rows of merged data come from."""

    base: int = Field(ge=0, description="Rows of the base data that are still there.")
    replaced: int = Field(ge=0, description="Block groups of the base with newer figures.")
    added: int = Field(ge=0, description="Block groups that the base did not have.")


def labelled_rows(storage: ReleaseStorage, days: int, now: datetime) -> pd.DataFrame:
    """Return the block groups of the last days whose price is known: the contract's columns.

    The same log and feedback give the same rows in the same order. A file that cannot be read, and
    a row that breaks the contract, are left out.
    """
    horizon = Horizon.until(now, _DAY_MINUTES, days)
    labels = Labels(batches(storage, horizon.days()))
    files = log_files(storage, horizon.days()) if len(labels) else []
    frame = _table(np.empty((0, len(COLUMNS))), np.empty(0), np.empty(0))
    for name in files:
        try:
            parts = [_known(rows, labels) for rows in read_log(storage, name)]
        except LogError:
            continue  # the monitor names it
        found = [part for part in parts if len(part)]
        frame = _newest(pd.concat([frame, *found], ignore_index=True)) if found else frame
    frame = frame.drop(columns=_RECEIVED)
    broken = {row for breach in check(frame) for row in breach.rows.tolist()}
    return frame.drop(index=sorted(broken)).reset_index(drop=True)


def merge(base: pd.DataFrame, new: pd.DataFrame) -> tuple[pd.DataFrame, MergeReport]:
    """Return the rows of both, and a report; a block group of `new` replaces that of `base`.

    Both have the contract's columns and the target.
    """
    columns = [*COLUMNS, TARGET]
    known = pd.MultiIndex.from_frame(new[[*IDENTITY]])
    old = pd.MultiIndex.from_frame(base[[*IDENTITY]])
    kept = base.loc[~old.isin(known), columns]
    added = int((~known.isin(old)).sum())
    merged = pd.concat([kept, new[columns]], ignore_index=True)
    report = MergeReport(base=len(kept), replaced=len(new) - added, added=added)
    return merged, report


def _known(rows: LogRows, labels: Labels) -> pd.DataFrame:
    matches = labels.find(rows.ids)
    return _table(rows.raw[matches.rows], matches.actual, matches.received)


def _table(raw: Matrix, actual: Vector, received: Vector) -> pd.DataFrame:
    names = np.array([*CATEGORIES, ""], dtype=object)  # code -1 is the last
    columns = dict(zip(NUMERIC, raw.T[:-1], strict=True))
    category = names[raw[:, -1].astype(np.intp)]
    return pd.DataFrame({**columns, CATEGORY: category, TARGET: actual, _RECEIVED: received})


def _newest(frame: pd.DataFrame) -> pd.DataFrame:
    ordered = frame.sort_values([_RECEIVED, *COLUMNS, TARGET], kind="stable")
    newest = ordered.drop_duplicates([*IDENTITY], keep="last")
    return newest.sort_values([*IDENTITY], kind="stable").reset_index(drop=True)
