"""How the prediction log is written: what the service and its readers must agree on."""

from __future__ import annotations

from housing_ml.errors import HousingError
from housing_ml.formats import Format

FOLDER = "predictions"
"""Of the log in the release storage; a folder for each day in UTC lies in it."""

OUTPUTS = ("predicted_price", "lower", "upper")
"""Columns beside the contract's, in dollars."""

FORMAT = Format(1, needs="0.1.0")
"""Of the log's files, and of the segments that they are made of."""


class LogError(HousingError, RuntimeError):
    """A file of the log that cannot be read."""
