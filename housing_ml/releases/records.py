"""What is written down of releases: a model in a channel, the channels, and what was decided."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

import msgspec

from housing_ml.formats import Format, Stamp
from housing_ml.storage.errors import ReleaseError

if TYPE_CHECKING:
    from collections.abc import Mapping

Channel: TypeAlias = Literal["champion", "previous", "challenger", "canary", "shadow"]

Kind: TypeAlias = Literal[
    "promotion",
    "rejection",
    "question",
    "rollback",
    "shift accepted",
    "canary started",
    "canary stopped",
    "shadow started",
    "shadow stopped",
]


FORMAT = Format(1, needs="0.1.0")
"""Of the documents below."""

T = TypeVar("T")


def decode(name: str, content: bytes, kind: type[T]) -> T:
    """Return the document that was stored under `name`.

    Raises:
        ReleaseError: when a newer version wrote it, in a format that is not read here.
        msgspec.MsgspecError: when it is no such document.
    """
    if refusal := FORMAT.refusal(name, msgspec.json.decode(content, type=Stamp)):
        raise ReleaseError(refusal)
    return msgspec.json.decode(content, type=kind)


class TrainingData(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows a model was trained on."""

    digest: str
    rows: int
    synthetic: bool


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """A published model, as a channel serves it."""

    version: str
    bundle: str
    """Digest of the published bundle."""
    model: str
    metrics: dict[str, float]
    """On the holdout: rmse and mae in dollars; r2, mape, wmape and coverage as fractions."""
    data: TrainingData
    registered_name: str = "housing-price"
    """Name of the registered model that the version is of."""
    passed_gate: bool = True
    asks: bool = False
    """Whether the gate leaves it to a person."""
    signature: str | None = None
    """Ed25519 over the bundle's digest, in base64; none where no key is configured."""
    share: float | None = None
    """Of the requests, as a canary; none in the other channels."""
    watched: bool = False
    """Whether the services themselves promote or abort it, as a canary."""
    guard_hours: float = 0.0
    """How long after a promotion the services may take it back by themselves."""
    replaced: str | None = None
    """Digest of the bundle that it took the channel from."""
    moved: float | None = None
    """Share of the logged rows of the week before that it moves by more than a tenth."""
    shift: float | None = None
    """Mean natural logarithm by which it moves them."""
    apart: float | None = None
    """Mean distance of that logarithm from its mean; all three none where nothing was logged."""
    run_id: str | None = None
    promoted_at: str
    promoted_by: str
    reason: str
    format: int = FORMAT.number
    needs: str = FORMAT.needs


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was decided about a model, for the append-only history."""

    kind: Kind
    version: str
    bundle: str
    at: str
    by: str
    reason: str
    run_id: str | None = None
    evidence: dict[str, Any] = {}
    format: int = FORMAT.number
    needs: str = FORMAT.needs


def event(
    kind: Kind, release: Release, *, why: str, by: str, evidence: Mapping[str, Any] | None = None
) -> Event:
    """Return what was decided about a release just now, and why."""
    return Event(
        kind=kind,
        version=release.version,
        bundle=release.bundle,
        at=now(),
        by=by,
        reason=why,
        run_id=release.run_id,
        evidence=dict(evidence or {}),
    )


class Channels(msgspec.Struct, frozen=True, kw_only=True):
    """The document that services follow; `sequence` grows with every change."""

    format: int = FORMAT.number
    needs: str = FORMAT.needs
    sequence: int = 0
    updated_at: str = ""
    channels: dict[str, Release] = {}
    withdrawn: dict[str, str] = {}
    """Why bundles were rolled back, by digest: they are not promoted again by themselves."""
    event: Event | None = None
    """What made the document as it is; it comes here first, and then into the history."""
    signature: str | None = None
    """Ed25519 over sequence, channels, versions and bundles; none where no key is configured."""


def now() -> str:
    """Return the time in UTC, ISO 8601 to the microsecond, which sorts as text."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
