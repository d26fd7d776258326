"""Locks of result records, so that two runs on one machine do not compute the same thing twice."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, NamedTuple

from prefect.context import TaskRunContext
from prefect.locking.protocol import LockManager

from housing_ml.settings import StorageSettings
from housing_ml.storage.file_lock import lock

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

_POLLING_SECONDS = 0.05


class _Held(NamedTuple):
    holder: str
    task_run: UUID | None
    path: Path
    descriptor: int


class FileLocks(LockManager):
    """One file per key in the home folder, held by flock(2): it ends with its holder, however.

    Prefect's own FileSystemLockManager waits for ever for a holder that was killed. Runs on other
    machines are not seen: they compute the same twice, and both end well.
    """

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}

    def __reduce__(self) -> tuple[type[FileLocks], tuple[()]]:
        """A copy, in this process or another one, holds nothing."""
        return FileLocks, ()

    def acquire_lock(
        self,
        key: str,
        holder: str,
        acquire_timeout: float | None = None,
        hold_timeout: float | None = None,  # noqa: ARG002 - of the protocol; it is never given
    ) -> bool:
        """Wait for the lock, for ever or `acquire_timeout` seconds; return whether it is held.

        A task run that has it gets it again: Prefect leaves it behind when the record cannot be
        read, and tries the same task run again.
        """
        context = TaskRunContext.get()
        task_run = context.task_run.id if context else None
        held = self._held.get(key)
        if held and task_run and held.task_run == task_run:
            self._held[key] = held._replace(holder=holder)
            return True
        path = _path(key)
        descriptor = _lock(path, acquire_timeout)
        if descriptor is None:
            return False
        self._held[key] = _Held(holder, task_run, path, descriptor)
        return True

    async def aacquire_lock(
        self,
        key: str,
        holder: str,
        acquire_timeout: float | None = None,
        hold_timeout: float | None = None,
    ) -> bool:
        """Do the same in an asynchronous task."""
        return await asyncio.to_thread(
            self.acquire_lock, key, holder, acquire_timeout, hold_timeout
        )

    def release_lock(self, key: str, holder: str) -> None:
        """Give the lock back.

        Raises:
            ValueError: when `holder` does not have it.
        """
        if not self.is_lock_holder(key, holder):
            raise ValueError(f"{holder} does not hold the lock of {key}")
        held = self._held.pop(key)
        _unlock(held.path, held.descriptor)

    def is_locked(self, key: str) -> bool:
        """Whether anyone on this machine holds the lock."""
        return not self.wait_for_lock(key, timeout=0)

    def is_lock_holder(self, key: str, holder: str) -> bool:
        """Whether `holder` has the lock."""
        held = self._held.get(key)
        return held is not None and held.holder == holder

    def wait_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Wait until nobody holds the lock, for ever or `timeout` seconds."""
        path = _path(key)
        descriptor = _lock(path, timeout)
        if descriptor is None:
            return False
        _unlock(path, descriptor)
        return True

    async def await_for_lock(self, key: str, timeout: float | None = None) -> bool:  # noqa: ASYNC109
        """Do the same in an asynchronous task."""
        return await asyncio.to_thread(self.wait_for_lock, key, timeout)


def _path(key: str) -> Path:
    return StorageSettings().home.absolute() / "locks" / key.replace("/", "-")


def _lock(path: Path, timeout: float | None) -> int | None:
    """Return the descriptor of the locked file, or None after `timeout` seconds."""
    start = time.monotonic()
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            lock(descriptor, wait=False)
        except BlockingIOError:
            os.close(descriptor)
            if timeout is not None and time.monotonic() - start >= timeout:
                return None
            time.sleep(_POLLING_SECONDS)
            continue
        if _is_at(path, descriptor):
            return descriptor
        os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether a locked file is still there: the holder before may have removed it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _unlock(path: Path, descriptor: int) -> None:
    path.unlink()
    os.close(descriptor)
