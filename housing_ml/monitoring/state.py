"""What the monitor remembers between runs: counts by window, and which files are in them.

Files of the log never change, and both are written in one step, so that each file is counted once
however often and whenever the monitor runs, and files that come late join their old window.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from housing_ml.bundle.reference import add
from housing_ml.feedback.prediction_log import FOLDER

if TYPE_CHECKING:
    from housing_ml.bundle.reference import Tally
    from housing_ml.storage.versioned import ReleaseStorage

STATE = "monitoring/state.json"


class Window(msgspec.Struct):
    """The counts of one window of one model version; `bundle` says whose bins they are in."""

    start: datetime
    version: str
    bundle: str
    counts: dict[str, list[int]]

    def tally(self) -> Tally:
        """Return the counts as arrays."""
        return {name: np.array(found, dtype=np.int64) for name, found in self.counts.items()}


class State(msgspec.Struct):
    """Counts of `window_minutes`, the files that are in them, and when retrains were asked for."""

    window_minutes: float
    counted: set[str] = msgspec.field(default_factory=set)
    windows: list[Window] = msgspec.field(default_factory=list)
    retrains: list[datetime] = msgspec.field(default_factory=list)

    def add(self, start: datetime, version: str, bundle: str, seen: Tally) -> None:
        """Add the counts of some rows to their window."""
        for window in self.windows:
            if (window.start, window.version, window.bundle) == (start, version, bundle):
                window.counts = _lists(add(window.tally(), seen))
                return
        self.windows.append(Window(start, version, bundle, _lists(seen)))

    def forget(self, start: datetime, first_day: date) -> None:
        """Drop windows before `start` and the names of files of days before `first_day`."""
        self.windows = [item for item in self.windows if item.start >= start]
        oldest = f"{FOLDER}/date={first_day.isoformat()}"
        self.counted = {name for name in self.counted if name >= oldest}


def read_state(storage: ReleaseStorage, window_minutes: float) -> tuple[State, int]:
    """Return the state and its generation; counts of windows of another length begin anew."""
    found = storage.read(STATE)
    if found is None:
        return State(window_minutes), 0
    state = msgspec.json.decode(found.content, type=State)
    if state.window_minutes != window_minutes:
        state = State(window_minutes, retrains=state.retrains)
    return state, found.generation


def write_state(storage: ReleaseStorage, state: State, generation: int) -> None:
    """Write the state.

    Raises:
        ConflictError: when another run of the monitor has written it since it was read.
    """
    storage.write(
        STATE, msgspec.json.encode(state, order="deterministic"), if_generation=generation
    )


def _lists(seen: Tally) -> dict[str, list[int]]:
    return {name: counts.tolist() for name, counts in seen.items()}
