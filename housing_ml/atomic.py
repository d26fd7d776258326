"""Files written whole or not at all, whatever happens in the middle."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import NamedTemporaryFile


def write_atomically(target: Path, content: bytes) -> None:
    """Write `content` to `target` durably, making its folders and replacing an older file.

    A reader finds the old or the new content, and a crash leaves one of them.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=target.parent, prefix=".", delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
