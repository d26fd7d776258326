"""A thread that looks after what was promoted, again and again, while this worker has a part in it.

Every worker looks: whichever is first acts, and the others find it done.
"""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

import structlog

from housing_ml.storage.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Callable

LOOK_SECONDS = 2.0

logger = structlog.get_logger(__name__)


class Looker:
    """Calls a function until it has done something, or is closed.

    Args:
        name: of what is looked after, for the log.
        look: returns what was done and why, or None.
    """

    def __init__(self, name: str, look: Callable[[], str | None]) -> None:
        self.last_error: str | None = None
        self._name = name
        self._look = look
        self._stopped = threading.Event()
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def close(self) -> None:
        """Look no more."""
        self._stopped.set()

    def _work(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS * random.uniform(0.8, 1.2)):  # noqa: S311 - no secret
            try:
                done = self._look()
            except ConflictError:
                continue  # someone else acts
            except Exception as error:  # noqa: BLE001 - storage may fail in any way
                if self.last_error is None:
                    logger.error("not_looked_after", part=self._name, error=str(error))  # noqa: TRY400
                self.last_error = str(error)
                continue
            self.last_error = None
            if done:
                logger.warning("looked_after", part=self._name, done=done)
