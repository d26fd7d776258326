"""The command that answers "why did we say that on Tuesday?"."""
# ruff: noqa: PLC0415 - keeps `housing --help` quick

from __future__ import annotations

from datetime import date  # noqa: TC003 - the command line reads it
from typing import TYPE_CHECKING, Any

from housing_ml.commands.output import CommandError, Json, print_json, show, show_rows
from housing_ml.settings import Settings

if TYPE_CHECKING:
    from housing_ml.bundle.model import Bundle
    from housing_ml.feedback.lookup import LoggedPrediction
    from housing_ml.storage.versioned import ReleaseStorage


def prediction(prediction_id: str, *, day: date | None = None, as_json: Json = False) -> int:
    """Show a logged prediction: what was asked, said and why, and what the house really cost.

    Args:
        prediction_id: Id that the service gave with the price.
        day: Day in UTC on which it was made, where that is known: a year of log takes longer.
        as_json: Print all of it as JSON.
    """
    from housing_ml.feedback.lookup import find_prediction
    from housing_ml.releases.channels import open_releases

    storage = open_releases(Settings())
    found = find_prediction(storage, prediction_id, day)
    if found is None:
        where = f"on {day}" if day else "in the log"
        raise CommandError(
            f"there is no prediction {prediction_id} {where}: the service writes a price down "
            "within a minute, and `housing retention` removes old ones"
        )
    bundle = _bundle(storage, found.model_version)
    why = _why(bundle, found) if bundle else {}
    if as_json:
        print_json(found.model_dump(mode="json") | why)
    else:
        _show(found, why)
    return 0


def _bundle(storage: ReleaseStorage, version: str) -> Bundle | None:
    """Return the model that gave the price, if it is still kept and served by this code."""
    from housing_ml.bundle.manifest import BundleError
    from housing_ml.bundle.model import Bundle
    from housing_ml.releases.channels import fetch_bundle, find_release
    from housing_ml.storage.errors import ReleaseError

    try:
        return Bundle(fetch_bundle(storage, find_release(storage, version).bundle))
    except (BundleError, ReleaseError):
        return None


def _why(bundle: Bundle, found: LoggedPrediction) -> dict[str, Any]:
    import msgspec
    import pandas as pd

    from housing_ml.data.contract import to_matrix
    from serve.models.explanation import explained

    (why,) = explained(bundle, to_matrix(pd.DataFrame([found.row])))
    said: dict[str, Any] = msgspec.to_builtins(why)
    del said["predicted_price"]  # the one that was logged is shown
    return said


def _show(found: LoggedPrediction, why: dict[str, Any]) -> None:
    actual = "not known" if found.actual_price is None else f"{found.actual_price:,.0f} $"
    show(
        f"Version {found.model_version} ({found.channel}) said **{found.predicted_price:,.0f} $** "
        f"({found.lower:,.0f} to {found.upper:,.0f}) at {found.at:%Y-%m-%d %H:%M:%S} UTC. "
        f"Actual price: {actual}."
    )
    show_rows([{"column": name, "value": str(value)} for name, value in found.row.items()])
    if not why:
        show("Its model is no longer kept, or not of this code: there are no reasons to show.")
        return
    reasons = [{"because of": "the reference", "dollars": f"{why['base_price']:,.0f}"}]
    reasons += [
        {"because of": name, "dollars": f"{value:+,.0f}"}
        for name, value in why["contributions"].items()
    ]
    show_rows(reasons)
    show_rows(
        [
            {
                "comparable": f"{one['latitude']:.2f}, {one['longitude']:.2f}",
                "price": f"{one['price']:,.0f} $",
                "away": f"{one['kilometres']:.1f} km",
            }
            for one in why["comparables"]
        ]
    )
