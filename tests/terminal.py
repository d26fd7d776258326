"""A terminal for a command of a test: what a person would see, as it came."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def in_terminal(
    command: Sequence[str], environment: Mapping[str, str], folder: Path
) -> tuple[int, str]:
    """Return the exit code of a command, and what it wrote to a terminal of 120 columns."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 120, 0, 0))
    given = {**environment, "TERM": "xterm"}
    with subprocess.Popen(command, stdout=its, stderr=its, env=given, cwd=folder) as process:
        os.close(its)
        text = everything(ours)
        os.close(ours)
    return process.returncode, text


def everything(terminal: int) -> str:
    """Return what is written to a terminal until nobody writes to it any more."""
    text = b""
    with contextlib.suppress(OSError):  # so Linux tells the end
        while part := os.read(terminal, 65_536):
            text += part
    return _CONTROL.sub("", text.decode())
