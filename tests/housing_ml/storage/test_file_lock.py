"""A lock on a file is held by one process, however that ends."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from housing_ml.storage.file_lock import lock

if TYPE_CHECKING:
    from pathlib import Path

HOLD = """
import sys
from housing_ml.storage.file_lock import lock
with open(sys.argv[1]) as file:
    lock(file.fileno())
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_ends_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with path.open() as file, pytest.raises(BlockingIOError):
            lock(file.fileno(), wait=False)
        holder.kill()
    with path.open() as file:
        lock(file.fileno(), wait=False)
