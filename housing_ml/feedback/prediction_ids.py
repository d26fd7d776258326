"""Ids of predictions that nobody can guess, and that prove without a look-up whom they were given.

An id says which version gave it on which day, as which row of those that were named together and
have one random number; a keyed tag binds all of it, and the caller, to the key that the replicas of
a deployment share. What carries no such tag was never given, or was given to someone else.

    ids = PredictionIds([key])
    names = ids.issue("agency", "42", raw)
    ids.was_given(names[0], "agency")  # True; False for any other caller
"""

from __future__ import annotations

import os
import time
from datetime import date, timedelta
from functools import lru_cache
from hashlib import blake2b, blake2s
from hmac import compare_digest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence, Sized

_VERSION, _ROW, _DAY, _RANDOM, _TAG = 3, 3, 2, 6, 10
"""Bytes of an id, in this order."""

_BYTES = _VERSION + _ROW + _DAY + _RANDOM + _TAG
_DATED = _VERSION + _ROW
_TOGETHER = 6
"""Rows whose tags are made at once: a digest has 64 bytes at the most, and costs the same."""

_SECONDS_A_DAY = 86_400
_EPOCH = date(1970, 1, 1)
_REMEMBERED = 256
"""Pairs of caller and version whose half-made tag is kept."""


def day_of(name: str) -> date | None:
    """Return the day in UTC that an id says it was given on; None when it says none.

    Ids that an older version gave say any day: look there first, and elsewhere after.
    """
    try:
        content = bytes.fromhex(name)
    except ValueError:
        return None
    if len(content) != _BYTES:
        return None
    return _EPOCH + timedelta(days=int.from_bytes(content[_DATED : _DATED + _DAY]))


class PredictionIds:
    """Issues ids by the first key, and knows those of every key."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self.keys = tuple(keys)
        self._started = lru_cache(_REMEMBERED)(self._start)
        self._begun = lru_cache(_REMEMBERED)(_begin)

    def issue(self, caller: str, version: str, rows: Sized) -> list[str]:
        """Return an id for each of at most 16 million rows that a version priced for a caller."""
        mark, begun = self._started(caller, version)
        day = int(time.time() // _SECONDS_A_DAY).to_bytes(_DAY)
        moment, count = day + os.urandom(_RANDOM), len(rows)
        numbers = b"".join([row.to_bytes(_ROW) for row in range(count)])
        tags = b"".join([_tags(begun, first, moment) for first in range(0, count, _TOGETHER)])
        bound = moment.hex()
        return [
            mark + number + bound + tag
            for number, tag in zip(_texts(numbers, _ROW), _texts(tags, _TAG), strict=False)
        ]

    def was_given(self, name: str, caller: str) -> bool:
        """Whether this deployment gave the id to this caller."""
        try:
            content = bytes.fromhex(name)
        except ValueError:
            return False
        if len(content) != _BYTES or len(name) != 2 * _BYTES:
            return False
        version, row, moment = content[:_VERSION], content[_VERSION:_DATED], content[_DATED:-_TAG]
        group, place = divmod(int.from_bytes(row), _TOGETHER)
        for key in self.keys:
            begun = self._begun(key, caller).copy()
            begun.update(version)
            tags = _tags(begun, group * _TOGETHER, moment)
            if compare_digest(tags[place * _TAG :][:_TAG], content[-_TAG:]):
                return True
        return False

    def _start(self, caller: str, version: str) -> tuple[str, blake2b]:
        mark = blake2s(version.encode(), digest_size=_VERSION).digest()
        begun = self._begun(self.keys[0], caller).copy()
        begun.update(mark)
        return mark.hex(), begun


def _begin(key: bytes, caller: str) -> blake2b:
    """Return the tags before what they bind; a digest has the same length for any caller."""
    begun = blake2b(key=blake2s(key).digest(), digest_size=_TOGETHER * _TAG)
    begun.update(blake2s(caller.encode()).digest())
    return begun


def _tags(begun: blake2b, first: int, moment: bytes) -> bytes:
    """Return the tags of the rows from `first` on that are made together."""
    ended = begun.copy()
    ended.update(first.to_bytes(_ROW) + moment)
    return ended.digest()


def _texts(content: bytes, size: int) -> list[str]:
    """Return the content in pieces of `size` bytes, hexadecimal."""
    return content.hex(" ", size).split()
