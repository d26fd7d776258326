"""The model card: what a model is made of and for, how good it is where, and what it is not for.

Its parts are those of Mitchell et al., Model Cards for Model Reporting, 2019. Pure: records in,
text out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from housing_ml.records.training import BLOCK_DEGREES
from housing_ml.reporting.equity import equity_rows
from housing_ml.reporting.markdown import amount, paragraphs, table
from housing_ml.reporting.retrain import (
    SYNTHETIC_WARNING,
    holdout_rows,
    reach_rows,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from housing_ml.records.evaluation import Evaluation, EvaluationResult
    from housing_ml.records.training import TrainingResult
    from housing_ml.reporting.markdown import Row

_USE = """## Intended use

To estimate the median value of the owner-occupied houses of a Californian block group of the
census of 1990, with an interval, for people who know what a block group is: to study, to teach,
and to try the upkeep of a served model.

Not for the price of a single house, for a place outside California, for today's dollars, or as
the only ground of a tax, a loan or an insurance. Nothing here knows a house's state, its owner,
or the law."""

_DATA = """## Data

Trained on {rows:,} block groups, digest `{digest}`: place, age of the houses, rooms, bedrooms,
people, households, median income, nearness of the ocean. Where no other table was given they are
those of California in the census of 1990 (Pace and Barry, Sparse Spatial Autoregressions, 1997),
whose prices end at 500,001 dollars, for "this or more": no price of the model goes beyond it, and
where its interval ends there the true one may. Whole places were held out, and neither choice nor
fit has seen them."""

_EQUITY = """## Fair to assess by

Of the International Association of Assessing Officers: COD is the mean distance of the ratios of
predicted to actual price from their median (at most 15 %), PRD above 1.03 or PRB below -0.05
means that cheap homes are priced too high beside dear ones. A ratio is odd that lies more than
three interquartile ranges beyond the quartiles of its part."""

_LIMITS = """## Limits

It is least sure where the tables above are: far from its training rows, in the segments with the
largest error, at both ends of the price. The service warns of a row that lies beyond what
training saw. It knows neighbours' prices: where many of them are wrong, so is it."""


def model_card(trained: TrainingResult, evaluated: EvaluationResult) -> str:
    """Return the card of a trained model, in Markdown, without what was decided about it."""
    bundle, found = trained.bundle, evaluated.evaluation
    importance = [
        {"input": item.name, "wMAPE rises by": amount("wmape", item.increase)}
        for item in evaluated.importances
    ]
    parts = [
        f"# Model card: `{bundle.model}`, bundle `{bundle.digest[:12]}`",
        SYNTHETIC_WARNING if bundle.synthetic else "",
        _USE,
        _DATA.format(rows=bundle.rows, digest=bundle.data_digest[:12]),
        "## How good it is\n\nOn rows that were held out, with bootstrap intervals:",
        table(holdout_rows(found, bundle.interval_level)),
        "## By distance to the training rows",
        table(reach_rows(found, trained.blocked_wmape)) or _blocked(trained),
        "## By segment",
        table(segment_rows(found)),
        _EQUITY,
        table(equity_rows(found.equity)),
        "## What it leans on\n\nThe error on held-out rows when an input is shuffled:",
        table(importance),
        _LIMITS,
    ]
    return paragraphs(parts)


def with_decisions(card: str, decisions: Sequence[Row]) -> str:
    """Return a card with what was decided about its model, the latest first."""
    decided = table(decisions) or "Nothing was decided yet."
    return paragraphs([card, "## Decisions", decided])


def segment_rows(evaluation: Evaluation) -> list[Row]:
    """Return the error of each part of the held-out rows."""
    return [
        {
            "by": item.kind,
            "segment": item.name,
            "rows": f"{item.rows:,}",
            "wMAPE": amount("wmape", item.metrics.wmape),
            "interval": " to ".join(amount("wmape", end) for end in item.wmape_interval),
            "mean of predicted less actual": amount("mae", item.bias),
            "coverage": f"{item.coverage:.1%}",
        }
        for item in evaluation.slices
    ]


def _blocked(trained: TrainingResult) -> str:
    if trained.blocked_wmape is None:
        return "Not known."
    error = amount("wmape", trained.blocked_wmape)
    return f"wMAPE {error} outside its block of {BLOCK_DEGREES} degrees."
