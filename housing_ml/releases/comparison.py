"""Two published releases side by side, on the held-out rows that both have predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from housing_ml.modelling.metrics import Bootstrap, metrics, paired_bootstrap, paired_intervals
from housing_ml.records.base import Record
from housing_ml.records.metrics import Interval, Metrics, PairedDifference
from housing_ml.releases.channels import find_release
from housing_ml.releases.predictions import published_predictions
from housing_ml.storage.errors import ReleaseError

if TYPE_CHECKING:
    import pandas as pd

    from housing_ml.releases.records import Release
    from housing_ml.storage.versioned import ReleaseStorage


class Side(Record):
    """One of the two."""

    version: str
    bundle: str
    model: str
    metrics: Metrics = Field(description="On the common rows.")


class Comparison(Record):
    """The first release against the second; below 0 the first has the smaller figure."""

    rows: int = Field(description="Held-out rows that both have predicted.")
    first: Side
    second: Side
    intervals: dict[str, Interval] = Field(
        description="Paired bootstrap interval of each metric of the first less the second's."
    )
    wmape: PairedDifference

    def __str__(self) -> str:
        """Say which is better, if chance leaves that open or not."""
        low, high = self.wmape.interval
        first, second = f"version {self.first.version}", f"version {self.second.version}"
        if high < 0:
            return f"{first} is better than {second}"
        if low > 0:
            return f"{first} is worse than {second}"
        return f"chance explains the difference of {first} and {second}"


def compare_releases(
    storage: ReleaseStorage, first: str, second: str, bootstrap: Bootstrap | None = None
) -> Comparison:
    """Compare two releases, each named by channel, version or start of its digest.

    Raises:
        ReleaseError: when one is not known, or they share no held-out row.
    """
    resampling = bootstrap or Bootstrap()
    releases = find_release(storage, first), find_release(storage, second)
    ours, theirs = (_predictions(storage, release) for release in releases)
    rows = ours.merge(theirs[["identity", "predicted"]], on="identity", suffixes=("", "_second"))
    if rows.empty:
        raise ReleaseError(
            f"versions {releases[0].version} and {releases[1].version} were judged on other rows: "
            "another source or split; they cannot be compared"
        )
    actual = rows["actual"].to_numpy()
    prices = rows["predicted"].to_numpy(), rows["predicted_second"].to_numpy()
    sides = [
        Side(
            version=release.version,
            bundle=release.bundle,
            model=release.model,
            metrics=metrics(actual, price),
        )
        for release, price in zip(releases, prices, strict=True)
    ]
    return Comparison(
        rows=len(rows),
        first=sides[0],
        second=sides[1],
        intervals=paired_intervals(actual, *prices, resampling),
        wmape=paired_bootstrap(actual, *prices, resampling),
    )


def _predictions(storage: ReleaseStorage, release: Release) -> pd.DataFrame:
    found = published_predictions(storage, release.bundle)
    if found is None:
        raise ReleaseError(f"the predictions of version {release.version} were never published")
    return found
