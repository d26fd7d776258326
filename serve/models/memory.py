"""Giving memory back to the system after a model was unloaded."""

from __future__ import annotations

import ctypes
import gc


def give_back() -> None:
    """Collect what is garbage, and return what is free to the system; takes milliseconds.

    The allocator of glibc keeps free pages otherwise; with another one they are left to it.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
