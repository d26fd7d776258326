"""What a service has seen of the channels: nothing older is believed, nor that there are none.

It outlives the process in the folder of this machine's own state, which is beyond the reach of
whoever can write the release storage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import structlog

from housing_ml.bundle.signing import SignatureError
from housing_ml.releases.signed import check_channels
from housing_ml.storage.atomic import write_atomically
from housing_ml.storage.errors import ReleaseError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from housing_ml.releases.records import Channels

logger = structlog.get_logger(__name__)


class Seen(msgspec.Struct, frozen=True):
    """The newest channels document that was believed."""

    place: str
    """The release storage that it lay in."""
    sequence: int = 0
    signed: bool = False


class SeenChannels:
    """Says of each channels document whether it is to be believed.

    Args:
        file: where to remember.
        place: the release storage; what was seen in another one says nothing of it.
        keys: public keys; without any, any document is believed.
    """

    def __init__(self, file: Path, place: str, keys: Sequence[str]) -> None:
        self._file = file
        self._keys = keys
        self._newest = _remembered(file, place)
        self._unkept = False

    def check(self, channels: Channels, generation: int) -> None:
        """Believe the channels, and remember them.

        Raises:
            ReleaseError: when they are gone, older than what was seen, or not signed as they must.
        """
        reason = self._refusal(channels, generation)
        if reason:
            raise ReleaseError(reason)
        found = Seen(self._newest.place, channels.sequence, channels.signature is not None)
        if generation and (found != self._newest or self._unkept):
            self._newest = found
            self._remember()

    def _refusal(self, channels: Channels, generation: int) -> str | None:
        newest = self._newest
        if not generation:
            return (
                "channels.json is gone: restore it, or promote again" if newest.sequence else None
            )
        if not self._keys:
            return None
        if channels.sequence < newest.sequence:
            return (
                f"channels.json is of sequence {channels.sequence}, and {newest.sequence} was seen "
                f"before: somebody put an old one back. If it was you, remove {self._file}"
            )
        if channels.signature is None and not newest.signed:
            return None  # written before channels were signed: each bundle's own signature is asked
        try:
            check_channels(channels, self._keys)
        except SignatureError as error:
            return str(error)
        return None

    def _remember(self) -> None:
        try:
            write_atomically(self._file, msgspec.json.encode(self._newest))
        except OSError as error:
            if not self._unkept:
                logger.warning("channels_seen_not_kept", error=str(error))
            self._unkept = True
            return
        self._unkept = False


def _remembered(file: Path, place: str) -> Seen:
    try:
        found = msgspec.json.decode(file.read_bytes(), type=Seen)
    except FileNotFoundError:
        return Seen(place)
    except (OSError, msgspec.MsgspecError) as error:
        logger.warning("channels_seen_unusable", error=str(error))
        return Seen(place)
    return found if found.place == place else Seen(place)
