"""Commands for a person who looks at prices that were set aside."""
# ruff: noqa: PLC0415, T201 - keeps `housing --help` quick; a command prints

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts import App

from housing_ml.commands.output import Json, Why, person, show, show_rows
from housing_ml.settings import Settings

if TYPE_CHECKING:
    from housing_ml.feedback.review import Verdict

_SHOWN = 50

feedback = App(name="feedback", help="Look at actual prices that are too far off to be learnt.")


@feedback.command(name="review")
def review(*, days: int = 365, as_json: Json = False) -> int:
    """List prices far beyond what their prediction allowed, with who sent them.

    Args:
        days: Of so many last days.
        as_json: Print all of them as JSON.
    """
    from datetime import UTC, datetime

    from housing_ml.feedback.labelled_rows import read_labelled
    from housing_ml.releases.channels import open_releases

    found = read_labelled(open_releases(Settings()), days, datetime.now(UTC)).set_aside
    if as_json:
        print(found.to_json(orient="records"))
        return 0
    rows = [
        {
            "prediction": str(row["prediction_id"]),
            "sender": str(row["sender"]) or "anyone",
            "price": f"{row['median_house_value']:,.0f}",
            "predicted": f"{row['predicted_price']:,.0f}",
            "allowed": f"{row['lower']:,.0f} to {row['upper']:,.0f}",
            "place": f"{row['latitude']:.2f}, {row['longitude']:.2f}",
        }
        for row in found.head(_SHOWN).to_dict("records")
    ]
    if rows:
        show_rows(rows)
    show(f"{len(found):,} prices wait. `housing feedback accept` or `refuse` them by prediction.")
    return 0


@feedback.command(name="accept")
def accept(*predictions: str, why: Why) -> int:
    """Let prices be learnt, as if a second sender had said the same.

    Args:
        predictions: Ids of the predictions.
        why: Reason, for the record.
    """
    return _decide(predictions, "accepted", why)


@feedback.command(name="refuse")
def refuse(*predictions: str, why: Why) -> int:
    """Leave prices out for ever.

    Args:
        predictions: Ids of the predictions.
        why: Reason, for the record.
    """
    return _decide(predictions, "refused", why)


def _decide(predictions: tuple[str, ...], verdict: Verdict, why: str) -> int:
    from housing_ml.feedback.review import decide
    from housing_ml.releases.channels import open_releases

    decide(open_releases(Settings()), predictions, verdict, why=why, by=person())
    show(f"{len(predictions):,} prices {verdict}.")
    return 0
