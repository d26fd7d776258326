"""What may go of the storage: results and data, bundles, logs, reports; in a folder or a bucket."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from housing_ml.monitoring.trend import REPORTS
from housing_ml.retention.found import Found
from housing_ml.retention.needs import needed_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from housing_ml.config.retention import RetentionConfig
    from housing_ml.storage.store import ObjectFiles
    from housing_ml.storage.versioned import StoredObject

_RELEASES = "releases"


def old_results(files: ObjectFiles, now: datetime, config: RetentionConfig) -> list[Found]:
    """Return results of stages by age, and the data that no other result refers to.

    What was stored within the same days stays: a stage that runs has no record yet.
    """
    since = now - timedelta(days=config.result_days)
    records = list(files.objects("results"))
    kept = [item.name for item in records if item.modified >= since]
    needed = needed_data(files.read_path(name).decode("utf-8", "replace") for name in kept)
    data = [item for item in files.objects("data") if item.name not in needed]
    return [
        _found(files, "stage results", _before(records, since)),
        _found(files, "data", _before(data, since)),
    ]


def old_bundles(
    files: ObjectFiles, needed: set[str], now: datetime, config: RetentionConfig
) -> Found:
    """Return the files of bundles that are not needed and whose newest file is old."""
    since = now - timedelta(days=config.release_days)
    folders: dict[str, list[StoredObject]] = {}
    for item in files.objects(f"{_RELEASES}/bundles"):
        folders.setdefault(item.name.split("/")[2], []).append(item)
    for kind in ("predictions", "holdout", "cards", "equity"):  # for comparisons, map and people
        for item in files.objects(f"{_RELEASES}/{kind}"):
            name = item.name.split("/")[2]
            if not name.startswith("date="):
                folders.setdefault(name.partition(".")[0], []).append(item)
    old = [
        item
        for digest, items in folders.items()
        if digest not in needed and max(item.modified for item in items) < since
        for item in items
    ]
    return _found(files, "bundles", old)


def old_logs(files: ObjectFiles, now: datetime, config: RetentionConfig) -> list[Found]:
    """Return the prediction log's and feedback's files of days that are long over."""
    since = (now - timedelta(days=config.log_days)).date()
    return [
        _found(
            files,
            name,
            [
                item
                for item in files.objects(f"{_RELEASES}/{folder}")
                if _is_of_old_day(item, since)
            ],
        )
        for name, folder in (("prediction log", "predictions"), ("feedback", "feedback"))
    ]


def old_reports(files: ObjectFiles, now: datetime, config: RetentionConfig) -> list[Found]:
    """Return the monitor's reports and what canaries were judged by."""
    since = now - timedelta(days=config.run_days)
    return [
        _found(files, name, _before(files.objects(f"{_RELEASES}/{folder}"), since))
        for name, folder in (
            ("monitor's reports", REPORTS),
            ("canaries' counts", "watch"),
        )
    ]


def _is_of_old_day(item: StoredObject, since: date) -> bool:
    _, found, day = item.name.split("/")[2].partition("date=")
    return bool(found) and date.fromisoformat(day) < since


def _before(items: Iterable[StoredObject], since: datetime) -> list[StoredObject]:
    return [item for item in items if item.modified < since]


def _found(files: ObjectFiles, part: str, items: Sequence[StoredObject]) -> Found:
    names = [item.name for item in items]
    return Found(part, names, sum(item.size for item in items), _each(files.delete))


def _each(delete: Callable[[str], None]) -> Callable[[Sequence[str]], None]:
    def delete_all(names: Sequence[str]) -> None:
        for name in names:
            delete(name)

    return delete_all
