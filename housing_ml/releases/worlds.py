"""A source held against the champion's, before it is split: the run stops where it is another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from housing_ml.bundle.reference import REFERENCE, read_reference
from housing_ml.data.census import implausible
from housing_ml.data.world_check import shifts
from housing_ml.errors import HousingError
from housing_ml.records.world import WorldResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from housing_ml.data.world_record import World
    from housing_ml.records.gate import Baseline
    from housing_ml.records.world import Shift
    from housing_ml.storage.versioned import ReleaseStorage


class WorldError(HousingError, ValueError):
    """A source that is not of the champion's world; the message says in which columns."""


def known_world(releases: ReleaseStorage, champion: Baseline | None) -> World | None:
    """Return the source that the champion was made of; None where nothing is known of one."""
    if champion is None or champion.synthetic:
        return None
    found = releases.read(f"bundles/{champion.bundle}/{REFERENCE}")
    return read_reference(found.content).source if found else None


def check_world(
    frame: pd.DataFrame, world: World | None, of: str, accepted: Mapping[str, str]
) -> WorldResult:
    """Return what a person accepted of the differences.

    Args:
        frame: the source's rows.
        world: what they are held against; None: the published census.
        of: what that is of, in words.
        accepted: reasons by column.

    Raises:
        WorldError: when the rows differ in another column.
    """
    found = implausible(frame) if world is None else shifts(world, frame)
    refused = [shift for shift in found if not accepted.keys() & {*shift.columns}]
    if refused:
        raise WorldError(_message(refused, of))
    return WorldResult(accepted=tuple(f"{shift} ({_reason(shift, accepted)})" for shift in found))


def _reason(shift: Shift, accepted: Mapping[str, str]) -> str:
    return next(accepted[name] for name in shift.columns if name in accepted)


def _message(shifts: list[Shift], of: str) -> str:
    columns = dict.fromkeys(shift.columns[0] for shift in shifts)
    switches = " ".join(f"--set data.accept_shift.{name}=WHY" for name in columns)
    return (
        f"the source is not like {of}, and nothing was trained. {'; '.join(map(str, shifts))}. "
        f"Mend the source; or, if this is meant, accept it with the reason: {switches}"
    )
