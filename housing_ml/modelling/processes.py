"""Work that is cut in parts which need nothing of each other, on all processors at once."""

from __future__ import annotations

from multiprocessing import current_process
from typing import TYPE_CHECKING, TypeVar

from joblib import Parallel, cpu_count, delayed
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")
R = TypeVar("R")

_LEAST_ROWS = 5_000
"""A fold of fewer rows takes less time than a process needs to start."""

_MOST_ROWS = 500_000
"""The features of a fold of more rows take gigabytes, which is enough once at a time."""

_IDLE_SECONDS = 20
"""A process that waits for longer goes: it holds a few hundred megabytes, and starts in a few
seconds."""


def processors(rows: int) -> int:
    """Return how many processes pay for folds of so many rows; LOKY_MAX_CPU_COUNT lowers it.

    A process that may have no children, as those of a Dask cluster, is the only one.
    """
    if current_process().daemon or not _LEAST_ROWS <= rows <= _MOST_ROWS:
        return 1
    return int(cpu_count())


def in_processes(work: Callable[[T], R], parts: Sequence[T], processes: int) -> Iterator[R]:
    """Yield what `work` returns for each part, in their order.

    Each part has one thread of BLAS and OpenMP, wherever it runs: its sums have one order, and the
    result is the same to the last bit.

    Args:
        work: a function of a module, or a `partial` of one, with arguments that can be pickled.
        parts: what it is called with; the results of all have to be taken.
        processes: how many at a time; 1 is this one, which also does a part that is the only one.
            They are kept for work that follows soon.
    """
    if min(processes, len(parts)) <= 1:
        yield from (_alone(work, part) for part in parts)
    else:
        parallel = Parallel(processes, return_as="generator", idle_worker_timeout=_IDLE_SECONDS)
        yield from parallel(delayed(_alone)(work, part) for part in parts)


def _alone(work: Callable[[T], R], part: T) -> R:
    with threadpool_limits(limits=1):
        return work(part)
