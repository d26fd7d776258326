"""All that may go, looked for in every place, and deleted when asked to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from housing_ml.errors import HousingError
from housing_ml.monitoring.tracking import EXPERIMENT
from housing_ml.records.retention import RetentionPart, RetentionReport
from housing_ml.releases.channels import history, open_releases, read_channels
from housing_ml.retention.found import Found, nothing
from housing_ml.retention.home import old_folders, old_locks
from housing_ml.retention.log import loose_days
from housing_ml.retention.mlflow_runs import old_runs, old_versions
from housing_ml.retention.needs import needed_bundles
from housing_ml.retention.stores import old_bundles, old_logs, old_reports, old_results
from housing_ml.retention.studies import old_studies
from housing_ml.storage.store import open_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from housing_ml.config.retention import RetentionConfig
    from housing_ml.settings import Settings

    Look = Callable[[], Sequence[Found]]


def clear(
    settings: Settings,
    config: RetentionConfig,
    now: datetime,
    *,
    delete: bool,
    others: Sequence[Look] = (),
) -> RetentionReport:
    """Look for all that nobody needs at `now`, and delete it when asked to.

    A server that does not answer is told of, and the rest is done.

    Args:
        settings: where everything is.
        config: how long it is kept.
        now: from when ages count.
        delete: whether to delete, or only to tell.
        others: further places to look in.

    Raises:
        ReleaseError: when the channels or the history are damaged: nothing is deleted.
    """
    releases = open_releases(settings)
    channels, _ = read_channels(releases)
    needed = needed_bundles(channels, history(releases), now, config)
    looks = [*_looks(settings, needed, now, config), *others]
    parts = [part for look in looks for part in _done(look, delete=delete)]
    return RetentionReport(at=now, deleted=delete, parts=tuple(parts))


def _looks(
    settings: Settings, needed: set[str], now: datetime, config: RetentionConfig
) -> list[Look]:
    files, releases = open_files(settings), open_releases(settings)
    return [
        lambda: old_results(files, now, config),
        lambda: [old_bundles(files, needed, now, config)],
        lambda: old_logs(files, now, config),
        lambda: [loose_days(releases, now, config)],
        lambda: old_reports(files, now, config),
        lambda: old_folders(settings, now, config),
        lambda: [old_locks(settings, now, config)],
        lambda: [old_studies(settings, now, config)],
        lambda: _of_mlflow(settings, needed, now, config),
    ]


def _of_mlflow(
    settings: Settings, needed: set[str], now: datetime, config: RetentionConfig
) -> list[Found]:
    database = Path(settings.tracking_uri.removeprefix("sqlite:///"))
    if settings.mlflow_tracking_uri is None and not database.exists():
        return []
    experiments = [config.model_name, EXPERIMENT]
    return [
        old_runs(settings, experiments, now, config),
        old_versions(settings, needed, now, config),
    ]


def _done(look: Look, *, delete: bool) -> Iterator[RetentionPart]:
    try:
        for found in look():
            if delete and found.names:
                found.delete(found.names)
            yield found.told()
    except HousingError as error:
        yield nothing("not reached", str(error))
