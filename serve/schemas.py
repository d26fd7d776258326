"""What the API takes and answers. Every bound of a block group comes from the contract."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from housing_ml.data.contract import BlockGroup
from housing_ml.feedback.lookup import LoggedPrediction

MAX_INSTANCES = 1000
MAX_EXPLAINED = 10

_Why = Annotated[str, Meta(min_length=1, max_length=500, description="Reason, for the history.")]


class PredictionRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Block groups to price."""

    instances: Annotated[
        list[BlockGroup],
        Meta(min_length=1, max_length=MAX_INSTANCES, description="1 to 1,000 block groups."),
    ]


class ExplanationRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Block groups whose prices are to be explained."""

    instances: Annotated[
        list[BlockGroup],
        Meta(min_length=1, max_length=MAX_EXPLAINED, description="1 to 10 block groups."),
    ]


class PredictionInterval(msgspec.Struct, frozen=True, gc=False):
    """Bounds that hold the true price in a share `level` of such block groups."""

    lower: Annotated[float, Meta(description="Dollars.")]
    upper: Annotated[float, Meta(description="Dollars.")]
    level: Annotated[float, Meta(description="Share of true prices inside, such as 0.9.")]


class PredictedPrice(msgspec.Struct, frozen=True, gc=False):
    """The price of one block group."""

    prediction_id: Annotated[str, Meta(description="Names this prediction in the log.")]
    predicted_price: Annotated[
        float, Meta(description="Dollars, clipped to the prices that the training data reach.")
    ]
    prediction_interval: PredictionInterval
    warnings: Annotated[
        list[str],
        Meta(description="Inputs beyond what training saw, alone or together: less certain."),
    ]
    at_least: Annotated[
        bool,
        Meta(
            description="Read the price as this or more: the interval reaches the highest price "
            "of the training data, which stands for all above it."
        ),
    ]


class PredictionResponse(msgspec.Struct, frozen=True):
    """One prediction per instance, in the order of the request, all by one model."""

    predictions: list[PredictedPrice]
    model_version: str
    channel: str


class Comparable(msgspec.Struct, frozen=True):
    """A block group of the training data whose price a prediction leans on."""

    longitude: Annotated[float, Meta(description="Degrees.")]
    latitude: Annotated[float, Meta(description="Degrees.")]
    price: Annotated[float, Meta(description="Dollars.")]
    kilometres: Annotated[float, Meta(description="Distance from the instance.")]
    median_income: Annotated[float, Meta(description="Tens of thousands of dollars a year.")]
    housing_median_age: Annotated[float, Meta(description="Years.")]


class Explanation(msgspec.Struct, frozen=True):
    """Why one price is what it is: `base_price` and all contributions sum to it."""

    predicted_price: Annotated[float, Meta(description="Dollars.")]
    base_price: Annotated[float, Meta(description="Mean price of the reference block groups.")]
    contributions: Annotated[
        dict[str, float], Meta(description="Dollars that each group of features adds or takes.")
    ]
    comparables: Annotated[
        list[Comparable], Meta(description="Training rows that count most, the best first.")
    ]


class ExplanationResponse(msgspec.Struct, frozen=True):
    """One explanation per instance, in the order of the request."""

    explanations: list[Explanation]
    model_version: str
    channel: str


class PastPrediction(LoggedPrediction, frozen=True, kw_only=True):
    """What was asked and said, and why: explained by the version that said it.

    Without reasons its model is no longer kept, or not read by this version of the service.
    """

    at_least: Annotated[
        bool | None, Meta(description="Whether the price was to be read as this or more.")
    ]
    base_price: Annotated[
        float | None, Meta(description="Mean price of the reference block groups.")
    ]
    contributions: Annotated[
        dict[str, float] | None,
        Meta(description="Dollars that each group of features adds or takes."),
    ]
    comparables: Annotated[
        list[Comparable] | None, Meta(description="Training rows that count most, the best first.")
    ]


class ModelResponse(msgspec.Struct, frozen=True):
    """The model that answers now, and where it came from."""

    model_version: str
    channel: str
    bundle_digest: Annotated[str, Meta(description="SHA-256 of the bundle's manifest.")]
    metrics: dict[str, float]
    data_digest: Annotated[str, Meta(description="SHA-256 of the training data.")]
    synthetic: Annotated[bool, Meta(description="Trained on the generated sample.")]
    feature_fingerprint: str
    loaded_at: Annotated[str, Meta(description="Time in UTC, ISO 8601.")]
    loaded_from: Annotated[str, Meta(description="The release storage, or the local last good.")]


class FeedbackReceipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """So many actual prices are on disk."""

    received: int
    refused: Annotated[
        list[FieldError] | None, Meta(description="Prices that were not taken; null: none.")
    ] = None


class RollbackRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which release to go back to, and why."""

    why: _Why
    to: Annotated[
        str | None,
        Meta(
            description="Version, or start of the bundle's digest. Null: what the champion took "
            "the place of; sent twice without an Idempotency-Key, it goes back by two releases."
        ),
    ] = None


class PromotionRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which release is to be the champion, and why."""

    why: _Why
    version: Annotated[
        str,
        Meta(
            min_length=1,
            description="Version, or start of the bundle's digest; `canary` for the one on "
            "probation. It passed the gate, or the gate asks a person.",
        ),
    ]


class AbortRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which probation is to end, and why."""

    why: _Why
    probation: Literal["canary", "shadow"] = "canary"
    bundle_digest: Annotated[
        str | None, Meta(description="End that of this bundle only. Null: whichever runs.")
    ] = None
    withdraw: Annotated[
        bool, Meta(description="Keep the release from being promoted by a retrain.")
    ] = False


class DecisionResponse(msgspec.Struct, frozen=True):
    """The release that it was about; every service follows within seconds."""

    model_version: str
    bundle_digest: str
    by: Annotated[str, Meta(description="Name of the operator's key, as the history has it.")]
    at: Annotated[str, Meta(description="Time in UTC, ISO 8601.")]


class FieldError(msgspec.Struct, frozen=True):
    """One field that breaks one rule."""

    path: Annotated[str, Meta(examples=["instances[0].longitude"])]
    value: Annotated[Any, Meta(description="What was sent, shortened when it is long.")]
    rule: Annotated[str, Meta(examples=["must be a number from -124.5 to -114.1 degrees"])]


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error, as RFC 9457 describes problem details."""

    title: str
    status: int
    detail: str
    request_id: str
    type: str = "about:blank"
    errors: Annotated[
        list[FieldError] | None, Meta(description="The first hundred of the offending fields.")
    ] = None
    errors_omitted: Annotated[
        int, Meta(description="Offending fields beyond those that are listed.")
    ] = 0


class Alive(msgspec.Struct, frozen=True):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Ready(msgspec.Struct, frozen=True):
    """A model has proved itself and answers."""

    model_version: str
    channel: str
    status: Literal["ready"] = "ready"


class Dependency(msgspec.Struct, frozen=True):
    """One thing that the service uses, as it was when it was last used."""

    state: Literal["ok", "degraded"]
    detail: str
    milliseconds: Annotated[
        float | None, Meta(description="How long its last use took; null before the first.")
    ] = None


class DeepHealth(msgspec.Struct, frozen=True):
    """Every dependency; degraded is not down."""

    status: Literal["ok", "degraded"]
    dependencies: dict[str, Dependency]


class Announcement(msgspec.Struct, frozen=True):
    """An announced release will be looked for at once."""

    status: Literal["checking"] = "checking"
