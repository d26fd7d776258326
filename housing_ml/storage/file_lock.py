"""A lock on an open file that ends with its holder, on every system.

Where there is no flock(2), Windows' own lock holds a byte far behind the content: it keeps others
from reading what it covers.
"""

from __future__ import annotations

import sys

if sys.platform == "win32":
    import msvcrt
    import os

    _FAR = 2**40

    def lock(descriptor: int, *, wait: bool = True) -> None:
        """Hold an open file until it is closed.

        Raises:
            BlockingIOError: when another process holds it, and `wait` is False.
        """
        position = os.lseek(descriptor, 0, os.SEEK_CUR)
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        try:
            while True:
                try:
                    msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
                except OSError as error:
                    if not wait:
                        raise BlockingIOError(str(error)) from error
                else:
                    return
        finally:
            os.lseek(descriptor, position, os.SEEK_SET)

else:
    import fcntl

    def lock(descriptor: int, *, wait: bool = True) -> None:
        """Hold an open file until it is closed.

        Raises:
            BlockingIOError: when another process holds it, and `wait` is False.
        """
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
