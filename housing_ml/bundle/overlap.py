"""Work on a stream of items in threads, a few at a time and in order."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")


def overlapping(
    function: Callable[[Item], Result], items: Iterable[Item], at_once: int
) -> Iterator[Result]:
    """Yield `function(item)` for each item in order; `at_once` of them are worked on together.

    Unlike an executor's `map`, it takes an item only when there is a place for it, so that a
    stream of any length needs the memory of `at_once` items and the next.
    """
    running: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(at_once) as pool:
        for item in items:
            if len(running) == at_once:
                yield running.popleft().result()
            running.append(pool.submit(function, item))
        while running:
            yield running.popleft().result()
