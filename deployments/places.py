"""Where this folder is, and what the processes are told that work for it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dotenv import dotenv_values

from housing_ml.settings import unproxied

if TYPE_CHECKING:
    from housing_ml.settings import Settings

ROOT = Path(__file__).parents[1]


def environment(settings: Settings) -> dict[str, str]:
    """Return what the worker's runs are told: `.env`, this environment, and absolute paths.

    The runs work in another folder than this one, and `python` is to them what it is here.
    """
    from_file = {key: value for key, value in dotenv_values(".env").items() if value}
    key_file = settings.service_account_file
    own_identity = {"GOOGLE_APPLICATION_CREDENTIALS": str(key_file.absolute())} if key_file else {}
    return {
        **own_identity,
        **from_file,
        **os.environ,
        **unproxied({**from_file, **os.environ}),
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))),
        "HOUSING_HOME": str(settings.home.absolute()),
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(settings.storage_path),
    }
