"""From rows of the log to counts by window and version, and to sums of errors where prices came."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from housing_ml.contract import CATEGORIES, CATEGORY, COLUMNS, IDENTITY
from housing_ml.monitoring.log import Horizon, LogError, read_log
from housing_ml.monitoring.performance import Group, Sums, sums
from housing_ml.monitoring.reference import Reference, add, columns, labelled, tally

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from numpy.typing import NDArray

    from housing_ml.contract import Matrix
    from housing_ml.monitoring.labels import Labels
    from housing_ml.monitoring.log import LogRows
    from housing_ml.monitoring.models import Models
    from housing_ml.monitoring.reference import Tally
    from housing_ml.monitoring.state import State
    from housing_ml.releases import ReleaseStorage

_IDENTITY = [COLUMNS.index(name) for name in IDENTITY]


class Part(NamedTuple):
    """Rows of a batch, as indices, that belong to one window of one version."""

    start: datetime
    version: str
    rows: NDArray[np.intp]


class Judged(NamedTuple):
    """What the actual prices say."""

    groups: dict[Group, Sums]
    tallies: dict[tuple[datetime, str], Tally]
    """Counts of the columns that need the actual price, by window and version."""
    places: list[NDArray[np.uint64]]
    """Hashes of the block groups whose price came after the champion was promoted."""

    def new_places(self) -> int:
        """Return how many different block groups those are."""
        return len(np.unique(np.concatenate([np.empty(0, np.uint64), *self.places])))


def count(
    storage: ReleaseStorage,
    files: Iterable[str],
    horizon: Horizon,
    models: Models,
    state: State,
) -> list[str]:
    """Count the rows of files that `state` does not hold yet; return what could not be read.

    A file that cannot be read is left for the next run. Of a version without a reference only the
    categories are counted.
    """
    skipped = []
    for name in files:
        if name in state.counted:
            continue
        try:
            found = _count_file(storage, name, horizon, models)
        except LogError as error:
            skipped.append(str(error))
            continue
        for (start, version), seen in found.items():
            state.add(start, version, models.bundle(version), seen)
        state.counted.add(name)
    return skipped


def judge(
    storage: ReleaseStorage,
    files: Iterable[str],
    horizon: Horizon,
    models: Models,
    labels: Labels,
) -> Judged:
    """Join the log with the actual prices; files that cannot be read are left out."""
    judged = Judged({}, {}, [])
    for name in files if len(labels) else ():
        try:
            for rows in read_log(storage, name):
                _judge_rows(rows, horizon, models, labels, judged)
        except LogError:
            continue  # `count` has named it
    return judged


def _count_file(
    storage: ReleaseStorage, name: str, horizon: Horizon, models: Models
) -> dict[tuple[datetime, str], Tally]:
    found: dict[tuple[datetime, str], Tally] = {}
    for rows in read_log(storage, name):
        for part in _parts(rows, horizon):
            reference = models.reference(models.bundle(part.version))
            seen = _tally(reference, rows, part)
            key = (part.start, part.version)
            found[key] = add(found.get(key, {}), seen)
    return found


def _tally(reference: Reference | None, rows: LogRows, part: Part) -> Tally:
    watched = columns(rows.raw[part.rows], rows.outputs[part.rows, 0])
    if reference is None:
        return tally(Reference({}, {}), {CATEGORY: watched[CATEGORY]})
    return tally(reference, watched)


def _judge_rows(
    rows: LogRows, horizon: Horizon, models: Models, labels: Labels, judged: Judged
) -> None:
    matches = labels.find(rows.ids)
    known = _take(rows, matches.rows)
    parts = sums(matches.actual, *known.outputs.T)
    for part in _parts(known, horizon):
        _add_sums(known, part, parts, judged)
        reference = models.reference(models.bundle(part.version))
        if reference is not None:
            watched = labelled(known.outputs[part.rows, 0], matches.actual[part.rows])
            key = (part.start, part.version)
            judged.tallies[key] = add(judged.tallies.get(key, {}), tally(reference, watched))
    if models.champion:
        is_new = matches.received > models.champion.promoted_at.timestamp()
        judged.places.append(_places(known.raw[is_new]))


def _add_sums(rows: LogRows, part: Part, parts: NDArray[np.float64], judged: Judged) -> None:
    codes = rows.raw[part.rows, -1].astype(np.intp)
    for code in np.unique(codes).tolist():
        segment = CATEGORIES[code] if code >= 0 else ""
        group = Group(part.start, part.version, segment)
        total = Sums(*parts[part.rows[codes == code]].sum(axis=0).tolist())
        judged.groups[group] = judged.groups.get(group, Sums()).plus(total)


def _places(raw: Matrix) -> NDArray[np.uint64]:
    hashes = pd.util.hash_pandas_object(pd.DataFrame(raw[:, _IDENTITY]), index=False)
    return np.unique(hashes.to_numpy())


def _parts(rows: LogRows, horizon: Horizon) -> Iterator[Part]:
    windows = horizon.windows(rows)
    keys, inverse = np.unique(windows * len(rows.versions) + rows.version, return_inverse=True)
    for index, key in enumerate(keys.tolist()):
        window, version = divmod(key, len(rows.versions))
        if window >= 0:
            chosen = np.flatnonzero(inverse == index)
            yield Part(horizon.window_start(window), rows.versions[version], chosen)


def _take(rows: LogRows, chosen: NDArray[np.intp]) -> LogRows:
    return rows._replace(
        ids=rows.ids.take(chosen),
        microseconds=rows.microseconds[chosen],
        version=rows.version[chosen],
        raw=rows.raw[chosen],
        outputs=rows.outputs[chosen],
    )
