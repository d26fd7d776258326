"""What may go of the sweeps' database: studies that began long ago."""
# ruff: noqa: PLC0415 - Optuna takes a second to import

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from housing_ml.retention.found import Found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from housing_ml.config.retention import RetentionConfig
    from housing_ml.settings import Settings


def old_studies(settings: Settings, now: datetime, config: RetentionConfig) -> Found:
    """Return the studies whose trials began before the days that are kept."""
    local = Path(settings.optuna_url.removeprefix("sqlite:///"))
    if settings.optuna_storage is None and not local.exists():
        return Found("studies", (), 0, lambda _: None)
    import optuna

    since = (now - timedelta(days=config.run_days)).astimezone().replace(tzinfo=None)
    summaries = optuna.get_all_study_summaries(settings.optuna_url, include_best_trial=False)
    old = [
        item.study_name
        for item in summaries
        if item.datetime_start is not None and item.datetime_start < since
    ]

    def delete(names: Sequence[str]) -> None:
        for name in names:
            optuna.delete_study(study_name=name, storage=settings.optuna_url)

    return Found("studies", old, None, delete)
