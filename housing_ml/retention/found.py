"""A kind of thing that nobody needs any more, and how one of them is deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from housing_ml.records.retention import RetentionPart

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SHOWN = 5


class Found(NamedTuple):
    """What may go of one kind."""

    part: str
    names: Sequence[str]
    size: int | None
    """Bytes; none where only a server knows."""
    delete: Callable[[Sequence[str]], None]

    def told(self) -> RetentionPart:
        """Return it as the report has it."""
        return RetentionPart(
            name=self.part, items=len(self.names), size=self.size, names=tuple(self.names[:_SHOWN])
        )


def nothing(part: str, problem: str) -> RetentionPart:
    """Return what the report says of a part that could not be looked at."""
    return RetentionPart(name=part, items=0, size=None, names=(), problem=problem)
