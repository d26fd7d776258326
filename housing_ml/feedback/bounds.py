"""Which prices are learnt by themselves, which wait for a person, and how many of one sender count.

Pure: from numbers to verdicts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from housing_ml.feedback.actual_prices import Batch

    Vector = NDArray[np.float64]

_DAY_SECONDS = 86_400


def is_far(actual: Vector, lower: Vector, upper: Vector, factor: float) -> NDArray[np.bool_]:
    """Tell which prices lie beyond a prediction's interval by more than a factor, (rows,).

    Such a price is more likely one in another unit, or one that somebody made up, than one that the
    model missed.
    """
    return (actual * factor < lower) | (actual > upper * factor)


def capped(batches: Iterable[Batch], per_day: int) -> Iterator[Batch]:
    """Yield the batches without what a sender sent beyond the first `per_day` prices of a day."""
    taken: dict[tuple[str, int], int] = {}
    for batch in sorted(batches, key=lambda item: item.received):
        key = (batch.sender, int(batch.received // _DAY_SECONDS))
        room = per_day - taken.get(key, 0)
        taken[key] = taken.get(key, 0) + len(batch.items)
        if room >= len(batch.items):
            yield batch
        elif room > 0:
            yield msgspec.structs.replace(batch, items=batch.items[:room])
