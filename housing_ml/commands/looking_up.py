"""Commands that answer "why did we say that on Tuesday?", and "what is this model?"."""
# ruff: noqa: PLC0415 - keeps `housing --help` quick

from __future__ import annotations

from datetime import date  # noqa: TC003 - the command line reads it
from pathlib import Path  # noqa: TC003 - the same
from typing import TYPE_CHECKING

from housing_ml.commands.output import CommandError, Json, print_json, show, show_rows
from housing_ml.settings import Settings

if TYPE_CHECKING:
    from serve.schemas import PastPrediction


def prediction(prediction_id: str, *, day: date | None = None, as_json: Json = False) -> int:
    """Show a logged prediction: what was asked, said and why, and what the house really cost.

    Args:
        prediction_id: Id that the service gave with the price.
        day: Day in UTC on which it was made, where that is known: a year of log takes longer.
        as_json: Print all of it as JSON.
    """
    from msgspec import to_builtins

    from housing_ml.feedback.lookup import find_prediction
    from housing_ml.feedback.plain_log import as_plain
    from housing_ml.releases.channels import open_releases
    from serve.models.past import with_reasons

    storage = open_releases(Settings())
    found = find_prediction(storage, prediction_id, day, as_plain=as_plain)
    if found is None:
        where = f"on {day}" if day else "in the log"
        raise CommandError(
            f"there is no prediction {prediction_id} {where}: the service puts prices there "
            "within minutes, and `housing retention` removes old ones"
        )
    past = with_reasons(storage, found)
    if as_json:
        print_json(to_builtins(past))
    else:
        _show(past)
    return 0


def card(release: str = "champion", *, out: Path | None = None) -> int:
    """Show a release's model card: data, use, limits, figures by segment, and what was decided.

    Args:
        release: Channel, version or start of the bundle's digest.
        out: Markdown file to write it into; standard output if empty.
    """
    from housing_ml.releases.cards import card_of
    from housing_ml.releases.channels import find_release, open_releases
    from housing_ml.storage.atomic import write_atomically

    storage = open_releases(Settings())
    text = card_of(storage, find_release(storage, release))
    if out is None:
        show(text)
    else:
        write_atomically(out, text.encode())
    return 0


def _show(found: PastPrediction) -> None:
    actual = "not known" if found.actual_price is None else f"{found.actual_price:,.0f} $"
    more = " or more" if found.at_least else ""
    show(
        f"Version {found.model_version} ({found.channel}) said **{found.predicted_price:,.0f} $**"
        f"{more} ({found.lower:,.0f} to {found.upper:,.0f}{more}) at {found.at:%Y-%m-%d %H:%M:%S} "
        f"UTC. Actual price: {actual}."
    )
    show_rows([{"column": name, "value": str(value)} for name, value in found.row.items()])
    if found.base_price is None or found.contributions is None or found.comparables is None:
        show("Its model is no longer kept, or not of this code: there are no reasons to show.")
        return
    reasons = [{"because of": "the reference", "dollars": f"{found.base_price:,.0f}"}]
    reasons += [
        {"because of": name, "dollars": f"{value:+,.0f}"}
        for name, value in found.contributions.items()
    ]
    show_rows(reasons)
    show_rows(
        [
            {
                "comparable": f"{one.latitude:.2f}, {one.longitude:.2f}",
                "price": f"{one.price:,.0f} $",
                "away": f"{one.kilometres:.1f} km",
            }
            for one in found.comparables
        ]
    )
