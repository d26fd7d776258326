"""How far a piece of work is: told where it is done, and shown where somebody looks.

    for fold in steps(folds, "fold"):
        ...

Steps may nest, as the folds of a trial do. Nobody looks unless `watched` says so: what is told then
is kept nowhere.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

T = TypeVar("T")


@dataclass
class Step:
    """One of several steps of the same kind."""

    name: str
    number: int
    """From 1."""
    total: int
    done: float
    """Share of all steps that are behind, as a fraction."""
    width: float
    """Share of all steps that this one is."""

    def __str__(self) -> str:
        """Say it for a person.

        >>> str(Step("trial", 5, 8, 0.5, 0.125))
        'trial 5 of 8'
        """
        return f"{self.name} {self.number:,} of {self.total:,}"


@dataclass
class Standing:
    """What is being done, how far it is, and what comes after it."""

    stage: str = ""
    planned: tuple[str, ...] = ()
    to_come: tuple[str, ...] = ()
    began: float = field(default_factory=monotonic)
    steps: dict[str, Step] = field(default_factory=dict)
    """By name, the outer ones first."""
    part: float = 0.0
    """Share of the innermost step that is done."""
    rows: int = 0
    first: tuple[str, float, float] | None = None
    """Name of the outermost steps, when they began, and the share that was done then."""

    def plan(self, stages: Sequence[str]) -> None:
        """Take note of what will be done, in order."""
        self.planned = self.to_come = tuple(stages)

    def enter(self, stage: str) -> None:
        """Begin a stage; one that was not planned changes nothing of what is to come."""
        self.stage, self.began = stage, monotonic()
        if stage in self.planned:
            self.to_come = self.planned[self.planned.index(stage) + 1 :]
        self.rows, self.part, self.first = 0, 0.0, None
        self.steps.clear()

    def move(self, step: Step) -> None:
        """Begin a step."""
        self.steps[step.name] = step
        self.part = 0.0
        if len(self.steps) == 1 and (self.first is None or self.first[0] != step.name):
            self.first = step.name, monotonic(), self.share

    @property
    def share(self) -> float:
        """How much of the stage's steps is done, as a fraction."""
        found = self.part
        for step in reversed(list(self.steps.values())):
            found = step.done + step.width * found
        return found

    @property
    def seconds_left(self) -> float | None:
        """How long the outermost steps will take, if they go on as they went."""
        if self.first is None:
            return None
        _, since, already = self.first
        won = self.share - already
        return (monotonic() - since) / won * (1 - self.share) if won > 0 else None


_watched: list[Standing] = []


@contextmanager
def watched() -> Iterator[Standing]:
    """Yield what all that runs meanwhile tells of itself, in whichever thread."""
    standing = Standing()
    _watched.append(standing)
    try:
        yield standing
    finally:
        _watched.remove(standing)


def plan(stages: Sequence[str]) -> None:
    """Tell which stages there will be, in order."""
    for standing in _watched:
        standing.plan(stages)


def stage(name: str) -> None:
    """Tell that a stage begins."""
    for standing in _watched:
        standing.enter(name)


def step(name: str, number: int, total: int) -> None:
    """Tell that a step of a number from 1 begins, of steps that are alike."""
    for standing in _watched:
        standing.move(Step(name, number, total, (number - 1) / total, 1 / total))


def steps(items: Collection[T], name: str, sizes: Sequence[float] | None = None) -> Iterator[T]:
    """Yield the items, and tell of each that it begins; `sizes` say how long each one takes."""
    sizes = sizes or [1] * len(items)
    total, behind = sum(sizes) or 1, 0.0
    try:
        for number, (item, size) in enumerate(zip(items, sizes, strict=True), 1):
            for standing in _watched:
                standing.move(Step(name, number, len(items), behind / total, size / total))
            yield item
            behind += size
    finally:
        end(name)


def with_steps(found: Iterable[T], items: Collection[object], name: str) -> Iterator[T]:
    """Yield what is found of each item, in their order, and tell of each that it begins."""
    for _, one in zip(steps(items, name), found, strict=True):
        yield one


def end(name: str) -> None:
    """Tell that the steps of a name are over."""
    for standing in _watched:
        if standing.steps.pop(name, None):
            standing.part = 1.0


def advance(share: float, rows: int = 0) -> None:
    """Tell how much of the innermost step is done, as a fraction, and which rows that took."""
    for standing in _watched:
        standing.part = max(standing.part, share)
        standing.rows += rows
