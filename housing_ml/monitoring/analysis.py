"""One run of the monitor: from the log, the feedback and the releases to a report.

Memory does not grow with the log: a file at a time is read, and rows become counts and sums.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from pydantic import AwareDatetime, Field

from housing_ml.bundle.reference import rows_of
from housing_ml.data.contract import CATEGORY
from housing_ml.feedback.actual_prices import batches, compact
from housing_ml.feedback.labels import Labels
from housing_ml.feedback.prediction_log import Horizon, log_files
from housing_ml.monitoring.counting import LogCounter
from housing_ml.monitoring.drift import Alarm, WindowDrift, compare
from housing_ml.monitoring.earlier import Past, alarms_and_notes
from housing_ml.monitoring.models import Models
from housing_ml.monitoring.performance import LiveError, live_errors, over_limit, wmape_limit
from housing_ml.monitoring.retraining import RetrainingDecision, RetrainingEvidence, decide
from housing_ml.monitoring.state import read_state, write_state
from housing_ml.records.base import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from housing_ml.bundle.reference import Reference, Tally
    from housing_ml.config.monitoring import MonitorConfig
    from housing_ml.monitoring.counting import Seen
    from housing_ml.monitoring.performance import Group
    from housing_ml.monitoring.state import State, Window
    from housing_ml.storage.versioned import ReleaseStorage

T = TypeVar("T")


class MonitorReport(Record):
    """What the monitor found, for people and for scripts."""

    at: AwareDatetime
    champion: str | None = Field(description="Version in service.")
    alert: bool = Field(description="Whether a person should look.")
    news: bool = Field(
        default=False,
        description="Whether people are to be told: an alert is told once while it lasts.",
    )
    predictions: int = Field(ge=0, description="In the windows looked at, all versions.")
    labelled: int = Field(
        ge=0, description="Of these, with a known actual price, and not rows of the training."
    )
    trained_on: int = Field(
        default=0,
        ge=0,
        description="Rows with a known price that are in no error: their version was trained on "
        "them, and is better on them than on any other row.",
    )
    alarms: tuple[Alarm, ...] = Field(
        description="Columns of the champion that moved away from earlier quiet windows."
    )
    notes: tuple[Alarm, ...] = Field(
        default=(),
        description="Columns that are other than in training, and as they were in earlier windows.",
    )
    live_error: tuple[str, ...] = Field(description="Why its live error is over the limit.")
    error_limit: float | None = Field(description="Limit of its live wMAPE, as a fraction.")
    retraining: RetrainingDecision
    windows: tuple[WindowDrift, ...] = Field(description="Finished windows, the oldest first.")
    performance: tuple[LiveError, ...]
    skipped: tuple[str, ...] = Field(description="Files that could not be read.")
    unknown_versions: tuple[str, ...] = Field(
        description="Versions in the log without reference statistics: not compared."
    )

    def __str__(self) -> str:
        """Say it for a person."""
        state = "no champion" if self.champion is None else "alert" if self.alert else "quiet"
        return f"{state}, {self.predictions:,} predictions, {self.labelled:,} labelled"


def analyse(storage: ReleaseStorage, config: MonitorConfig, now: datetime) -> MonitorReport:
    """Read what is new in the log, and judge the last windows that are finished at `now`.

    When the report says to retrain, that is remembered, so that the next run says so again only
    after the cool-down.

    Raises:
        ConflictError: when another run of the monitor ended in the meantime.
    """
    horizon = Horizon.until(now, config.window_minutes, config.windows)
    files = log_files(storage, horizon.days())
    models = Models(storage)
    state, generation = read_state(storage, config.window_minutes)
    compact(storage, horizon.days())
    received = batches(storage, horizon.days())
    labels = Labels(batch for batch in received if batch.received <= now.timestamp())
    seen, skipped = LogCounter(storage, horizon, models, labels).read(files, state)
    state.forget(horizon.start, next(horizon.days()))
    report = _Run(config, horizon, models, state, seen).report(tuple(skipped))
    if report.retraining.retrain:
        state.retrains.append(now)
    write_state(storage, state, generation)
    return report


class _Run(NamedTuple):
    config: MonitorConfig
    horizon: Horizon
    models: Models
    state: State
    seen: Seen

    def report(self, skipped: tuple[str, ...]) -> MonitorReport:
        champion = self.models.champion
        version = champion.version if champion else None
        drift = tuple(self.drift())
        of_champion = [item for item in drift if item.version == version]
        raised, notes = alarms_and_notes(of_champion, self.config.drift)
        live_error = self.live_error()
        alert = bool(raised or live_error)
        performance = live_errors(self.seen.errors, self.config.performance, self.state.spreads())
        return MonitorReport(
            at=self.horizon.now,
            champion=version,
            alert=alert,
            news=self.state.is_news(version, alert=alert),
            predictions=sum(_rows(window) for window in self.state.windows),
            labelled=performance[0].rows if performance else 0,
            trained_on=self.seen.known,
            alarms=raised,
            notes=notes,
            live_error=live_error,
            error_limit=self.error_limit(),
            retraining=self.retraining(raised, live_error),
            windows=drift,
            performance=performance,
            skipped=skipped,
            unknown_versions=self.unknown_versions(),
        )

    def drift(self) -> Iterator[WindowDrift]:
        past = Past(self.state, self.models, self.config.drift)
        for window in sorted(self.state.windows, key=lambda item: (item.start, item.version)):
            reference = self.models.reference(window.bundle)
            if reference is not None and self.horizon.finished(window.start):
                labelled = self.seen.labelled.get((window.start, window.version), {})
                found = self._judged(past, window, window.tally() | labelled, reference)
                yield found.model_copy(update={"unfamiliar": window.unfamiliar})

    def _judged(self, past: Past, window: Window, seen: Tally, reference: Reference) -> WindowDrift:
        """Hold the champion's window against the past too; others are no past of its traffic."""
        champion = self.models.champion
        if champion and champion.version == window.version:
            return past.judge(window, seen, reference)
        return compare(reference, seen, window.start, window.version, self.config.drift)

    def recent(self) -> LiveError | None:
        """Return the champion's error over the recent windows, beside what it foresaw of it."""
        champion, config = self.models.champion, self.config.performance
        since = self.horizon.now - (config.recent_windows + 1) * self.horizon.width
        version = champion.version if champion else None

        def of_champion(groups: Mapping[Group, T]) -> dict[Group, T]:
            return {
                group: total
                for group, total in groups.items()
                if group.version == version and group.start >= since
            }

        errors, spreads = of_champion(self.seen.errors), of_champion(self.seen.foreseen_labelled)
        found = live_errors(errors, config, spreads)
        return found[0] if found else None

    def live_error(self) -> tuple[str, ...]:
        """Return why the champion's error over the recent windows is over its limit."""
        champion, config = self.models.champion, self.config.performance
        if champion is None or champion.expected is None:
            return ()
        return over_limit(self.recent(), champion.expected, config)

    def error_limit(self) -> float | None:
        expected = self.models.champion and self.models.champion.expected
        if not expected:
            return None
        return wmape_limit(self.recent(), expected, self.config.performance)

    def retraining(
        self, raised: tuple[Alarm, ...], live_error: tuple[str, ...]
    ) -> RetrainingDecision:
        champion = self.models.champion
        evidence = RetrainingEvidence(
            now=self.horizon.now,
            trained_at=champion.promoted_at if champion else None,
            alarms=raised,
            live_error=live_error,
            new_rows=self.seen.count_new_places(),
            retrains=tuple(sorted({*self.models.retrains, *self.state.retrains})),
        )
        return decide(evidence, self.config.retraining)

    def unknown_versions(self) -> tuple[str, ...]:
        windows = self.state.windows
        unknown = {item.version for item in windows if self.models.reference(item.bundle) is None}
        return tuple(sorted(unknown))


def _rows(window: Window) -> int:
    return rows_of(window.tally()[CATEGORY], category=True)
