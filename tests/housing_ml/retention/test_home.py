"""What is deleted of the home folder and of the sweeps' database."""

from __future__ import annotations

import fcntl
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import optuna

from housing_ml.config.retention import RetentionConfig
from housing_ml.retention.home import old_folders, old_locks
from housing_ml.retention.studies import old_studies
from housing_ml.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = RetentionConfig()
LATER = datetime.now(UTC) + timedelta(days=100)


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"something")
    return path


def test_offline_runs_go_when_they_were_sent_and_not_before(tmp_path: Path) -> None:
    waiting = write(tmp_path / "wandb" / "offline-run-1" / "run-1.wandb")
    sent = write(tmp_path / "wandb" / "offline-run-2" / "run-2.wandb")
    write(sent.with_name("run-2.wandb.synced"))

    for found in old_folders(Settings(home=tmp_path), LATER, CONFIG):
        found.delete(found.names)

    assert waiting.exists()
    assert not sent.parent.exists()


def test_an_old_lock_goes_unless_somebody_holds_it(tmp_path: Path) -> None:
    free, held = (write(tmp_path / "locks" / name) for name in ("free", "held"))
    new = write(tmp_path / "locks" / "new")
    os.utime(new, (LATER.timestamp(), LATER.timestamp()))
    with held.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        found = old_locks(Settings(home=tmp_path), LATER, CONFIG)
        found.delete(found.names)

    assert len(found.names) == 2
    assert (free.exists(), held.exists(), new.exists()) == (False, True, True)


def test_studies_go_by_the_time_of_their_trials(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert old_studies(settings, LATER, CONFIG).names == ()
    study = optuna.create_study(study_name="old", storage=settings.optuna_url)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    assert old_studies(settings, datetime.now(UTC), CONFIG).names == []

    found = old_studies(settings, LATER, CONFIG)
    assert found.names == ["old"]
    found.delete(found.names)

    assert old_studies(settings, LATER, CONFIG).names == []
