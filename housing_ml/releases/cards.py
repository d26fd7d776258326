"""A release's model card, published beside it, with what was decided about it since."""

from __future__ import annotations

from typing import TYPE_CHECKING

from housing_ml.releases.channels import history
from housing_ml.releases.tables import history_rows
from housing_ml.reporting.card import with_decisions
from housing_ml.reporting.markdown import amount, paragraphs, table

if TYPE_CHECKING:
    from housing_ml.releases.records import Release
    from housing_ml.storage.versioned import ReleaseStorage


def card_name(digest: str) -> str:
    """Return the name in the releases of a bundle's model card."""
    return f"cards/{digest}.md"


def card_of(storage: ReleaseStorage, release: Release) -> str:
    """Return the release's card with its decisions; of version 0.1 no more than its figures."""
    found = storage.read(card_name(release.bundle))
    card = found.content.decode() if found else _of_release(release)
    decided = [item for item in history(storage) if item.bundle == release.bundle]
    return with_decisions(card, history_rows(decided))


def _of_release(release: Release) -> str:
    figures = [
        {"holdout": name, "value": amount(name, value)} for name, value in release.metrics.items()
    ]
    return paragraphs(
        [
            f"# Model card: `{release.model}`, bundle `{release.bundle[:12]}`",
            "The version of the software that trained it wrote no card. These are its figures.",
            f"Trained on {release.data.rows:,} rows, digest `{release.data.digest[:12]}`.",
            table(figures),
        ]
    )
