"""What goes wrong with stored bytes."""

from __future__ import annotations

from housing_ml.errors import HousingError


class ReleaseError(HousingError, RuntimeError):
    """A release that cannot be read or published; the message says why."""


class ConflictError(ReleaseError):
    """Someone else changed the object first."""


class StorageError(HousingError, RuntimeError):
    """An object that is not there, or is not what its reference says."""
