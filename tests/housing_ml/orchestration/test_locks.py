"""One holder at a time, on one machine; a lock ends with its holder, however that ends."""

from __future__ import annotations

import asyncio
import pickle
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from prefect import flow, task
from prefect.locking.protocol import LockManager

from housing_ml.orchestration.locks import FileLocks
from tests.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "results/split/abc.json"
HOLDER = """
import sys, time
from housing_ml.orchestration.locks import FileLocks
assert FileLocks().acquire_lock(sys.argv[1], "another process")
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOUSING_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock until it is killed."""
    command = [sys.executable, "-c", HOLDER, KEY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder
        holder.kill()


def test_the_locks_are_what_prefect_asks_for() -> None:
    assert isinstance(FileLocks(), LockManager)


def test_a_held_lock_is_refused_to_others_until_it_is_given_back() -> None:
    first, second = FileLocks(), FileLocks()
    assert first.acquire_lock(KEY, "first")
    assert second.is_locked(KEY)
    assert first.is_lock_holder(KEY, "first")
    assert not first.is_lock_holder(KEY, "second")
    assert not second.is_lock_holder(KEY, "first")
    assert not second.acquire_lock(KEY, "second", acquire_timeout=0.1)
    first.release_lock(KEY, "first")
    assert not second.is_locked(KEY)
    assert second.acquire_lock(KEY, "second", acquire_timeout=0)


def test_locks_of_different_keys_do_not_meet() -> None:
    locks = FileLocks()
    assert locks.acquire_lock(KEY, "first")
    assert locks.acquire_lock(KEY.replace("abc", "def"), "first", acquire_timeout=0)


def test_a_lock_is_given_back_only_by_its_holder() -> None:
    locks = FileLocks()
    locks.acquire_lock(KEY, "first")
    for holder, key in (("second", KEY), ("first", "another/key")):
        with pytest.raises(ValueError, match=f"{holder} does not hold the lock of {key}"):
            locks.release_lock(key, holder)
    assert locks.is_locked(KEY)


def test_a_lock_that_is_given_back_leaves_no_file(home: Path) -> None:
    locks = FileLocks()
    locks.acquire_lock(KEY, "first")
    assert list((home / "locks").iterdir())
    locks.release_lock(KEY, "first")
    assert not list((home / "locks").iterdir())


def test_waiting_ends_with_the_lock_or_with_the_patience() -> None:
    first, second = FileLocks(), FileLocks()
    first.acquire_lock(KEY, "first")
    assert not second.wait_for_lock(KEY, timeout=0.1)
    threading.Timer(0.2, first.release_lock, (KEY, "first")).start()
    assert second.wait_for_lock(KEY, timeout=PATIENCE_SECONDS)
    assert second.wait_for_lock("never/taken", timeout=0)


def test_many_threads_hold_the_lock_one_at_a_time() -> None:
    inside = most = 0

    def work(number: int) -> None:
        nonlocal inside, most
        locks = FileLocks()
        for _ in range(20):
            assert locks.acquire_lock(KEY, str(number), acquire_timeout=PATIENCE_SECONDS)
            inside += 1
            most = max(most, inside)
            time.sleep(0)
            inside -= 1
            locks.release_lock(KEY, str(number))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_killing_the_holder_frees_the_lock(process: subprocess.Popen[str]) -> None:
    locks = FileLocks()
    assert locks.is_locked(KEY)
    process.send_signal(signal.SIGKILL)
    assert locks.acquire_lock(KEY, "next", acquire_timeout=PATIENCE_SECONDS)


def test_a_copy_holds_nothing() -> None:
    locks = FileLocks()
    locks.acquire_lock(KEY, "first")
    copy = pickle.loads(pickle.dumps(locks))  # noqa: S301 - as task runners do
    assert not copy.is_lock_holder(KEY, "first")
    assert not copy.acquire_lock(KEY, "first", acquire_timeout=0)


def test_asynchronous_tasks_wait_without_holding_up_the_loop() -> None:
    async def scenario() -> tuple[bool, bool, bool]:
        first, second = FileLocks(), FileLocks()
        assert await first.aacquire_lock(KEY, "first")
        refused = await second.aacquire_lock(KEY, "second", acquire_timeout=0.1)
        waiting = asyncio.create_task(second.await_for_lock(KEY, timeout=PATIENCE_SECONDS))
        await asyncio.sleep(0.1)
        waited = not waiting.done()
        first.release_lock(KEY, "first")
        return refused, waited, await waiting

    assert asyncio.run(scenario()) == (False, True, True)


@pytest.mark.usefixtures("prefect_server")
def test_a_task_run_that_left_its_lock_behind_gets_it_again() -> None:
    locks = FileLocks()

    @task(persist_result=False)
    def twice() -> bool:
        first = locks.acquire_lock(KEY, "first transaction")
        again = locks.acquire_lock(KEY, "second transaction", acquire_timeout=0)
        locks.release_lock(KEY, "second transaction")
        return first and again

    @flow(persist_result=False)
    def try_again() -> bool:
        return twice()

    assert try_again()
    assert not locks.is_locked(KEY)
