"""From rows of the log to counts by window and version, and to sums of errors where prices came."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from housing_ml.bundle.reference import Reference, add, labelled, tally
from housing_ml.bundle.spread import spread_of
from housing_ml.data.contract import CATEGORIES, CATEGORY, COLUMNS, IDENTITY
from housing_ml.feedback.log_format import LogError
from housing_ml.feedback.prediction_log import Horizon, read_log
from housing_ml.monitoring.foreseen import Spreads, spreads
from housing_ml.monitoring.performance import Group, Sums, sums
from housing_ml.progress import advance, steps

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

    from numpy.typing import NDArray

    from housing_ml.bundle.reference import Tally
    from housing_ml.data.contract import Matrix
    from housing_ml.feedback.labels import Labels
    from housing_ml.feedback.prediction_log import LogRows
    from housing_ml.monitoring.models import Models
    from housing_ml.monitoring.state import State
    from housing_ml.storage.versioned import ReleaseStorage

    Tallies: TypeAlias = dict[tuple[datetime, str], Tally]

_LOOKED_AT = 1000
"""Rows of a window in one batch that are held against the training rows: enough for a share."""

_IDENTITY = [COLUMNS.index(name) for name in IDENTITY]


class Part(NamedTuple):
    """Rows of a batch, as indices, that belong to one window of one version."""

    start: datetime
    version: str
    rows: NDArray[np.intp]

    @property
    def key(self) -> tuple[datetime, str]:
        """Window and version."""
        return self.start, self.version


class Seen:
    """What some rows are worth, without the rows."""

    def __init__(self) -> None:
        self.inputs: Tallies = {}
        self.labelled: Tallies = {}
        """Counts of the columns that need the actual price."""
        self.errors: dict[Group, Sums] = {}
        self.foreseen: dict[Group, Spreads] = {}
        """Of all rows that the version was not trained on."""
        self.foreseen_labelled: dict[Group, Spreads] = {}
        """The same where the price is known."""
        self.familiar: dict[tuple[datetime, str], tuple[int, int]] = {}
        """Of a sample of all rows: how many were looked at, and how many are unfamiliar."""
        self.known = 0
        """Rows with a price that are in no error, because the version was trained on them."""
        self.new_places: list[NDArray[np.uint64]] = []
        """Hashes of the block groups whose price came after the champion was promoted."""

    def merge(self, other: Seen) -> None:
        """Take in what other rows are worth."""
        _merge(self.inputs, other.inputs)
        _merge(self.labelled, other.labelled)
        for group, sums_of_group in other.errors.items():
            self.errors[group] = self.errors.get(group, Sums()).plus(sums_of_group)
        for group, spreads_of_group in other.foreseen_labelled.items():
            before = self.foreseen_labelled.get(group, Spreads())
            self.foreseen_labelled[group] = before.plus(spreads_of_group)
        self.known += other.known
        self.new_places += other.new_places

    def count_new_places(self) -> int:
        """Return how many different block groups those are."""
        return len(np.unique(np.concatenate([np.empty(0, np.uint64), *self.new_places])))


class LogCounter(NamedTuple):
    """Turns files of the log into what they are worth."""

    storage: ReleaseStorage
    horizon: Horizon
    models: Models
    labels: Labels

    def read(self, files: Collection[str], state: State) -> tuple[Seen, list[str]]:
        """Read the files that matter, and add the inputs of those that are new to `state`.

        Returns:
            What all rows with a known price are worth, and what could not be read: such a file is
            left for the next run.
        """
        total, skipped = Seen(), []
        for name in steps(files, "file of the log"):
            is_new = name not in state.counted
            if not is_new and not len(self.labels):
                continue
            try:
                seen = self._file(name, with_inputs=is_new)
            except LogError as error:
                skipped.append(str(error))
                continue
            for (start, version), tally_of_part in seen.inputs.items():
                state.add(start, version, self.models.bundle(version), tally_of_part)
            for (start, version), looked in seen.familiar.items():
                state.look(start, version, self.models.bundle(version), looked)
            for group, spreads_of_group in seen.foreseen.items():
                state.foresee(group, self.models.bundle(group.version), spreads_of_group)
            state.counted.add(name)
            seen.inputs.clear()
            total.merge(seen)
        return total, skipped

    def _file(self, name: str, *, with_inputs: bool) -> Seen:
        seen = Seen()
        for rows in read_log(self.storage, name):
            advance(0.0, len(rows.raw))
            if with_inputs:
                self._inputs(rows, seen)
            if len(self.labels):
                self._labelled(rows, seen)
        return seen

    def _inputs(self, rows: LogRows, seen: Seen) -> None:
        for part in _parts(rows, self.horizon):
            reference = self._reference(part.version)
            if reference is None:  # no bins to count in: the rows alone, by category
                reference = Reference({}, {})
                watched = {CATEGORY: rows.raw[part.rows, len(COLUMNS) - 1]}
            else:
                watched = reference.watch(rows.raw[part.rows], rows.outputs[part.rows, 0])
            _merge(seen.inputs, {part.key: tally(reference, watched)})
            self._foresee(rows, self._unknown(rows, part), seen.foreseen)
            self._look(rows, part, seen)

    def _look(self, rows: LogRows, part: Part, seen: Seen) -> None:
        familiarity = self.models.familiarity(self.models.bundle(part.version))
        if familiarity is None:
            return
        sample = part.rows[:: max(1, len(part.rows) // _LOOKED_AT)]
        far, unlike = familiarity.unfamiliar(rows.raw[sample])
        looked, strange = seen.familiar.get(part.key, (0, 0))
        seen.familiar[part.key] = (looked + len(sample), strange + int((far | unlike).sum()))

    def _labelled(self, rows: LogRows, seen: Seen) -> None:
        matches = self.labels.find(rows.ids)
        known = _take(rows, matches.rows)
        parts = sums(matches.actual, *known.outputs.T)
        for whole in _parts(known, self.horizon):
            part = self._unknown(known, whole)
            seen.known += len(whole.rows) - len(part.rows)
            for group, chosen in _groups(known, part):
                total = Sums(*parts[chosen].sum(axis=0).tolist())
                seen.errors[group] = seen.errors.get(group, Sums()).plus(total)
            self._foresee(known, part, seen.foreseen_labelled)
            reference = self._reference(part.version)
            if reference is not None:
                watched = labelled(known.outputs[part.rows, 0], matches.actual[part.rows])
                _merge(seen.labelled, {part.key: tally(reference, watched)})
        if self.models.champion:
            is_new = matches.received >= self.models.champion.promoted_at.timestamp()
            seen.new_places.append(_places(known.raw[is_new]))

    def _unknown(self, rows: LogRows, part: Part) -> Part:
        """Return the part without the rows that its version was trained on."""
        known = self.models.known_rows(self.models.bundle(part.version))
        if known is None:
            return part
        return part._replace(rows=part.rows[~known.of(rows.raw[part.rows])])

    def _foresee(self, rows: LogRows, part: Part, into: dict[Group, Spreads]) -> None:
        manifest = self.models.manifest(self.models.bundle(part.version))
        if manifest is None:
            return
        for group, chosen in _groups(rows, part):
            price, lower, upper = rows.outputs[chosen].T
            found = spreads(price, spread_of(price, lower, upper, manifest))
            total = Spreads(*found.sum(axis=0).tolist())
            into[group] = into.get(group, Spreads()).plus(total)

    def _reference(self, version: str) -> Reference | None:
        return self.models.reference(self.models.bundle(version))


def _merge(into: Tallies, other: Tallies) -> None:
    for key, found in other.items():
        into[key] = add(into.get(key, {}), found)


def _groups(rows: LogRows, part: Part) -> Iterator[tuple[Group, NDArray[np.intp]]]:
    """Yield the part's rows by category."""
    codes = rows.raw[part.rows, -1].astype(np.intp)
    for code in np.unique(codes).tolist():
        segment = CATEGORIES[code] if code >= 0 else ""
        yield Group(part.start, part.version, segment), part.rows[codes == code]


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
