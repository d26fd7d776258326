"""What a bundle says of itself: its model, its origin, what training saw, and its digests.

The manifest is JSON in one canonical form without a time stamp: the same content has the same
bytes and so the same digest. Its seal is the digest of all else in it, so that no byte of it can
change unnoticed.
"""

from __future__ import annotations

import hashlib

import msgspec

from housing_ml.errors import HousingError
from housing_ml.formats import Format, Stamp

MANIFEST = "manifest.json"
FORMAT = Format(1, needs="0.2.0")
"""Of the bundle's layout."""


class BundleError(HousingError, RuntimeError):
    """A bundle that cannot be trusted, or cannot be read or written; the message says why."""


class Provenance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which data made a model; `rows` counts the training rows."""

    data_digest: str
    rows: int
    synthetic: bool


class Interval(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The prediction interval: price + lower * spread to price + upper * spread.

    `level` is the coverage aimed at, as a fraction; `lower` is at most 0, `upper` at least 0.
    """

    level: float
    lower: float
    upper: float


class PriceRange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lowest and highest price of the training rows, in dollars."""

    minimum: float
    maximum: float


class ColumnRange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What training saw of a numeric column, in the column's unit."""

    name: str
    minimum: float
    maximum: float
    missing_share: float


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything about a bundle but its arrays; `files` holds the other files' SHA-256."""

    format: int = FORMAT.number
    needs: str | msgspec.UnsetType = msgspec.UNSET
    """Oldest version of the software that reads it; 0.1 did not say."""
    model: str
    parameters: dict[str, bool | int | float | str | None]
    imputer: str
    clusters: int
    seed: int
    feature_names: tuple[str, ...]
    feature_fingerprint: str
    provenance: Provenance
    interval: Interval
    price_range: PriceRange
    columns: tuple[ColumnRange, ...]
    categories: tuple[str, ...]
    libraries: dict[str, str]
    files: dict[str, str] = {}
    seal: str = ""

    def to_json(self) -> bytes:
        """Return the canonical bytes."""
        return msgspec.json.format(msgspec.json.encode(self, order="deterministic"), indent=2)

    def sealed(self, files: dict[str, str]) -> Manifest:
        """Return the manifest with the digests of the other files and its seal."""
        complete = msgspec.structs.replace(self, files=files, seal="")
        return msgspec.structs.replace(complete, seal=sha256(complete.to_json()))


class _Stamp(Stamp):
    format: int  # every manifest has one


def newer_format(content: bytes) -> str:
    """Return why a manifest of a newer format is not read; empty of any other, whatever is in it.

    A newer format is looked for before anything else: what is not known here may look damaged.
    """
    try:
        found = msgspec.json.decode(content, type=_Stamp)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    return FORMAT.refusal(MANIFEST, found)


def read_manifest(content: bytes) -> Manifest:
    """Decode and check a manifest.

    Raises:
        BundleError: when it is no manifest, of another format, or was changed after it was made.
    """
    if refusal := newer_format(content):
        raise BundleError(refusal)
    try:
        version = msgspec.json.decode(content, type=_Stamp).format
        if version < 1:
            raise BundleError(
                f"{MANIFEST}: format {version}, but this code reads format {FORMAT.number}: "
                "train again with this code, or serve with the code that trained"
            )
        manifest = msgspec.json.decode(content, type=Manifest)
    except msgspec.MsgspecError as error:
        raise BundleError(f"{MANIFEST}: {error}") from error
    except UnicodeDecodeError as error:
        raise BundleError(f"{MANIFEST}: not UTF-8: {error.reason}") from error
    if manifest.sealed(manifest.files) != manifest or manifest.to_json() != content:
        raise BundleError(f"{MANIFEST}: its seal does not match: it was changed or damaged")
    return manifest


def sha256(content: bytes) -> str:
    """Return the SHA-256 of `content` in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
