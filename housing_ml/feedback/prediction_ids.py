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
from hashlib import blake2s
from hmac import compare_digest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence, Sized

_VERSION, _ROW, _DAY, _RANDOM, _TAG = 3, 3, 2, 6, 10
"""Bytes of an id, in this order."""

_BYTES = _VERSION + _ROW + _DAY + _RANDOM + _TAG
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
    start = _VERSION + _ROW
    if len(content) != _BYTES:
        return None
    return _EPOCH + timedelta(days=int.from_bytes(content[start : start + _DAY]))


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
        moment, names = day + os.urandom(_RANDOM), []
        for row in range(len(rows)):
            body = row.to_bytes(_ROW) + moment
            tag = begun.copy()
            tag.update(body)
            names.append(mark + body.hex() + tag.hexdigest())
        return names

    def was_given(self, name: str, caller: str) -> bool:
        """Whether this deployment gave the id to this caller."""
        try:
            content = bytes.fromhex(name)
        except ValueError:
            return False
        if len(content) != _BYTES or len(name) != 2 * _BYTES:
            return False
        body, tag = content[:-_TAG], content[-_TAG:]
        for key in self.keys:
            found = self._begun(key, caller).copy()
            found.update(body)
            if compare_digest(found.digest(), tag):
                return True
        return False

    def _start(self, caller: str, version: str) -> tuple[str, blake2s]:
        mark = blake2s(version.encode(), digest_size=_VERSION).digest()
        tag = self._begun(self.keys[0], caller).copy()
        tag.update(mark)
        return mark.hex(), tag


def _begin(key: bytes, caller: str) -> blake2s:
    """Return the tag before what it binds; a digest has the same length for any caller."""
    tag = blake2s(key=blake2s(key).digest(), digest_size=_TAG)
    tag.update(blake2s(caller.encode()).digest())
    return tag
