"""The proof of a bundle: golden rows that it must repeat, whichever code made it.

An edit of the feature code that changes no price leaves every bundle as good as it was. So the text
of the code does not decide: it tells what is to be said of a bundle, and whom to suspect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from housing_ml.bundle.manifest import BundleError

if TYPE_CHECKING:
    from housing_ml.data.contract import Matrix

TOLERANCE = 1e-9
"""Largest relative difference from a golden price. Trees repeat it bit for bit; a linear model's
sum may end in other last bits on another processor."""

Vector: TypeAlias = NDArray[np.float64]


class Prediction(NamedTuple):
    """Dollars, float64 (rows,): the price and its interval; lower <= price <= upper."""

    price: Vector
    lower: Vector
    upper: Vector


class Golden(NamedTuple):
    """Raw rows, float64 (rows, 9), with what scikit-learn predicted for them in training."""

    raw: Matrix
    price: Vector
    lower: Vector
    upper: Vector

    def require_rows(self) -> None:
        """Raise BundleError where there are none."""
        if not len(self.raw):
            raise BundleError(
                "golden.safetensors: holds no rows, so that nothing proves the bundle"
            )


class FeatureCode(NamedTuple):
    """Fingerprints of the feature code: that which made a bundle, and that which runs here."""

    made: str
    here: str

    @property
    def is_the_same(self) -> bool:
        """Whether both are one text."""
        return self.made == self.here

    @property
    def difference(self) -> str:
        """What there is to say where they differ."""
        return (
            f"feature_fingerprint: the features were computed by other code ({self.made[:12]}) "
            f"than runs here ({self.here[:12]})"
        )

    def note(self, golden: Golden) -> str:
        """Return what people are told of a bundle that has proved itself; empty of the same."""
        if self.is_the_same:
            return ""
        return f"made by other feature code; {len(golden.raw):,} golden rows repeated"

    def require_the_same(self) -> None:
        """Raise BundleError where they differ."""
        if not self.is_the_same:
            raise BundleError(
                f"{self.difference}: serve with the code that trained, or train again"
            )

    def explain(self, error: Exception) -> str:
        """Return an error's text, with the other code as its likely cause."""
        return f"{error}" if self.is_the_same else f"{error} ({self.difference})"


def check_golden(replayed: Prediction, golden: Golden, code: FeatureCode) -> None:
    """Raise BundleError when one price of one golden row was not repeated."""
    for name, values in replayed._asdict().items():
        expected = getattr(golden, name)
        if values.shape != expected.shape:
            raise BundleError(f"golden.safetensors: {name} is not one number for each row")
        wrong = ~np.isclose(values, expected, rtol=TOLERANCE, atol=0)
        if wrong.any():
            row = int(wrong.argmax())
            machine = "the libraries or the machine compute otherwise"
            suspect = machine if code.is_the_same else f"{code.difference}, or {machine}"
            raise BundleError(
                f"golden row {row}: {name} is {values[row]:.6f} dollars here, but was "
                f"{expected[row]:.6f} in training: {suspect}; do not serve this bundle here"
            )
