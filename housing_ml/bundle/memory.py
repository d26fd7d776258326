"""What becomes of memory that pricing has freed; where the allocator is not glibc's, nothing."""

from __future__ import annotations

import ctypes
import gc

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Numbers of glibc's options, from its malloc.h."""

_LARGEST = 4 * 2**20
_KEPT = 16 * 2**20
"""Bytes of a thousand rows' largest array, and of all of them, several times over."""


def keep_freed() -> None:
    """Keep what the arrays of one chunk of rows leave behind for those of the next.

    glibc gives them back to the system at once, and to get as much again takes a tenth of the time
    that a file takes. A process has some megabytes more of it.
    """
    choose = getattr(ctypes.CDLL(None), "mallopt", None)
    if choose is not None:
        choose(_MMAP_THRESHOLD, _LARGEST)
        choose(_TRIM_THRESHOLD, _KEPT)


def give_back() -> None:
    """Collect what is garbage, and return what is free to the system; takes milliseconds."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
