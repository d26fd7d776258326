"""What may go of the home folder: reports of retrains, W&B's runs that were sent, old locks."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from housing_ml.retention.found import Found
from housing_ml.storage.file_lock import lock

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from housing_ml.config.retention import RetentionConfig
    from housing_ml.settings import Settings


def old_folders(settings: Settings, now: datetime, config: RetentionConfig) -> list[Found]:
    """Return folders of reports, and of W&B's offline runs that were sent, by age."""
    since = now - timedelta(days=config.run_days)
    sent = [
        run
        for run in (settings.home.absolute() / "wandb").glob("offline-run-*")
        if any(run.glob("*.wandb.synced"))
    ]
    return [
        _found("reports of retrains", settings.reports_path.glob("version-*"), since),
        _found("W&B's runs that were sent", sent, since),
    ]


def old_locks(settings: Settings, now: datetime, config: RetentionConfig) -> Found:
    """Return the locks of results that are long gone."""
    since = now - timedelta(days=config.result_days)
    locks = (settings.home.absolute() / "locks").glob("*")
    names = [str(path) for path in locks if path.is_file() and _newest(path) < since]
    return Found("locks", names, 0, _delete_free)


def _delete_free(names: Sequence[str]) -> None:
    for name in names:
        with Path(name).open("ab") as file:
            try:
                lock(file.fileno(), wait=False)
            except BlockingIOError:
                continue
            Path(name).unlink(missing_ok=True)


def _found(part: str, folders: Iterable[Path], since: datetime) -> Found:
    old = [folder for folder in sorted(folders) if _newest(folder) < since]
    size = sum(file.stat().st_size for folder in old for file in folder.rglob("*"))
    return Found(part, [str(folder) for folder in old], size, _delete_folders)


def _delete_folders(names: Sequence[str]) -> None:
    for name in names:
        shutil.rmtree(name, ignore_errors=True)


def _newest(path: Path) -> datetime:
    """Return when anything in a folder was last written, or a file."""
    times = [file.stat().st_mtime for file in path.rglob("*") if file.is_file()]
    return datetime.fromtimestamp(max(times, default=path.stat().st_mtime), UTC)
