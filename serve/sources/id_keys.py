"""The key of the prediction ids: the operator's setting, or one that the replicas share in storage.

The first worker to start puts a random key into the release storage, and the others take it. While
the storage cannot be reached, ids are issued by a key of this process's own, which it goes on to
know: no prediction waits for a key.
"""

from __future__ import annotations

import secrets
import threading
from typing import TYPE_CHECKING

import structlog

from housing_ml.feedback.prediction_ids import PredictionIds
from housing_ml.storage.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from housing_ml.storage.versioned import ReleaseStorage

OBJECT = "feedback/prediction-ids.key"
_KEY_BYTES = 32
_PAUSE_SECONDS = 5.0

logger = structlog.get_logger(__name__)


class IdKeys:
    """The ids as they are issued now; `current` changes when the storage is back."""

    def __init__(self, given: Sequence[str], storage: ReleaseStorage) -> None:
        self._storage = storage
        self._stopped = threading.Event()
        self._shared = threading.Event()
        own = secrets.token_bytes(_KEY_BYTES)
        self.current = PredictionIds([key.encode() for key in given] or [own])
        if given:
            self._shared.set()

    def start(self, patience: float = 2.0) -> None:
        """Agree with the other replicas on a key, within `patience` seconds or later."""
        if not self._shared.is_set():
            threading.Thread(target=self._agree, name="id-keys", daemon=True).start()
            self._shared.wait(patience)

    def stop(self) -> None:
        """Give up on a storage that does not come back."""
        self._stopped.set()

    def _agree(self) -> None:
        (own,) = self.current.keys
        warned = False
        while not self._shared.is_set():
            try:
                self.current = PredictionIds([_shared_key(self._storage, own), own])
                self._shared.set()
            except Exception as error:  # noqa: BLE001 - storage may fail in any way
                if not warned:
                    logger.warning("prediction_ids_not_shared", error=str(error))
                warned = True
                if self._stopped.wait(_PAUSE_SECONDS):
                    return


def _shared_key(storage: ReleaseStorage, own: bytes) -> bytes:
    found = storage.read(OBJECT)
    if found is None:
        try:
            storage.write(OBJECT, own, if_generation=0)
        except ConflictError:
            found = storage.read(OBJECT)
    return found.content if found else own
