"""Where a deployment's run works: in the worker's own home folder, or it says why it cannot."""

from __future__ import annotations

from tempfile import TemporaryFile

from housing_ml.errors import HousingError
from housing_ml.settings import StorageSettings


class WorkingPlaceError(HousingError):
    """A worker whose runs have no place to work; the message says what to set."""


def enter() -> dict[str, str]:
    """Return the home folder for Prefect to change into: the pull step of every deployment.

    What it raises is in the run's own log.

    Raises:
        WorkingPlaceError: when the worker names no folder that its runs can write into.
    """
    home = StorageSettings().home.expanduser()
    if not home.is_absolute():
        raise WorkingPlaceError(
            f"HOUSING_HOME={home} is no absolute path on this worker: a run would lose what it "
            "writes. Start the worker by `make worker`, or give it an absolute path"
        )
    try:
        home.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=home):
            pass
    except OSError as error:
        raise WorkingPlaceError(
            f"HOUSING_HOME={home} cannot be written on this worker ({error}): mount it, or set "
            "another one where the worker starts"
        ) from error
    return {"directory": str(home)}
