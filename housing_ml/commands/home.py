"""Commands about the home folder: `backup` and `restore`."""
# ruff: noqa: PLC0415 - keeps `housing --help` quick

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations

from housing_ml.commands.output import show, warn
from housing_ml.settings import Settings


def backup(file: Path) -> int:
    """Write the home folder into one file: data, runs, registry, releases. Work may go on.

    Args:
        file: Where to, such as housing.tgz; an older one is replaced when the new one is whole.
    """
    from housing_ml.storage.backup import back_up

    settings = Settings()
    done = back_up(settings.home, file)
    show(f"{done.files:,} files, {done.bytes / 1e6:,.1f} MB: `{file}`")
    elsewhere = {
        "HOUSING_BUCKET": settings.bucket,
        "HOUSING_STORAGE_BLOCK": settings.storage_block,
        "HOUSING_MLFLOW_TRACKING_URI": settings.mlflow_tracking_uri,
        "HOUSING_OPTUNA_STORAGE": settings.optuna_storage,
    }
    named = [name for name, place in elsewhere.items() if place]
    if named:
        warn(f"not in the file, since it is not in the home folder: what {', '.join(named)} names")
    return 0


def restore(file: Path) -> int:
    """Make the home folder of a file that `housing backup` wrote; there must be none yet.

    Args:
        file: The back-up.
    """
    from housing_ml.registry.relocation import settle_in
    from housing_ml.storage.backup import restore as bring_back

    settings = Settings()
    done = bring_back(file, settings.home)
    settle_in(settings)
    show(f"{done.files:,} files, {done.bytes / 1e6:,.1f} MB: `{settings.home}`")
    return 0
