"""The `housing` command: the platform's tasks for people and scripts.

Exit codes: 0 done; 1 an error, with one message on standard error; 3 the gate rejected the model
or asks a person, or the monitor raised an alert; 4 `score` left files of the folder out.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import NoReturn

from cyclopts import App
from dotenv import dotenv_values
from rich.console import Console

from housing_ml import __version__
from housing_ml.commands import (
    alerts,
    blocks,
    feedback,
    home,
    looking_up,
    monitoring,
    release,
    releasing,
    retention,
    retraining,
    scoring,
)
from housing_ml.errors import HousingError, lacking
from housing_ml.registry.relocation import settle_in
from housing_ml.settings import Settings, at_home, unproxied

app = App(
    name="housing",
    help="California housing prices: from raw data to a served model, and its upkeep.",
    version=__version__,
)
for command in (
    *(retraining.retrain, retraining.sweep, retraining.config),
    *(releasing.status, releasing.history, releasing.compare),
    *(releasing.promote, releasing.rollback, release.release),
    *(releasing.canary, releasing.shadow),
    *(scoring.predict, scoring.score, scoring.serve),
    *(monitoring.monitor, monitoring.simulate, feedback.feedback, looking_up.prediction),
    looking_up.card,
    alerts.alerts,
    *(home.backup, home.restore, blocks.blocks, retention.retention),
):
    app.command(command)


def main() -> None:
    """Run the command; an error that a person can mend is one line, without a stack trace."""
    try:
        _settle()
        sys.exit(app(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
    except HousingError as error:
        _end(str(error))
    except ModuleNotFoundError as error:
        if (needs := lacking(error)) is None:
            raise
        _end(f"this command {needs}")


def _end(message: str) -> NoReturn:
    Console(stderr=True).print(f"error: {message}", style="red", markup=False, soft_wrap=True)
    sys.exit(1)


def _settle() -> None:
    """Keep what the libraries write in the home, and let a moved home find its own files."""
    settings = Settings()
    given = {**dotenv_values(".env"), **os.environ}
    os.environ.update(at_home(settings.home, given) | unproxied(given))
    warnings.filterwarnings("ignore", "Failed to create the Prefect home", UserWarning)  # not yet
    settle_in(settings)


if __name__ == "__main__":
    main()
