"""The search space of each model, declared once for every driver of a sweep.

    >>> print(SPACES["ridge"])
    ridge
      alpha  0.01 to 10000, logarithmic

A space need not name a parameter that a sweep keeps as it is: the number of boosted trees is the
price of a prediction, and with more of them any search would find a better and dearer model.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from housing_ml.config.choices import ModelName, Parameters

Value: TypeAlias = bool | int | float | str | None


class Range(BaseModel):
    """Numbers from `low` to `high`, both included; all of them, or the whole ones only."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["real", "integer"]
    low: float
    high: float
    log: bool = Field(default=False, description="Whether to search its logarithm.")

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if self.low >= self.high:
            raise ValueError(f"low {self.low:g} must be below high {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range must start above 0, not at {self.low:g}")
        if self.kind == "integer" and not (self.low.is_integer() and self.high.is_integer()):
            raise ValueError(f"low {self.low:g} and high {self.high:g} must be whole numbers")
        return self

    def __str__(self) -> str:
        notes = [", whole"] * (self.kind == "integer") + [", logarithmic"] * self.log
        return f"{self.low:g} to {self.high:g}{''.join(notes)}"

    def including(self, value: Value) -> Range | None:
        """Return the range widened to hold `value`, or None where it cannot hold it."""
        if not isinstance(value, int | float) or isinstance(value, bool):
            return None
        if (self.log and value <= 0) or (self.kind == "integer" and value != int(value)):
            return None
        limits = {"low": min(self.low, value), "high": max(self.high, value)}
        return self.model_copy(update=limits)


class Space(BaseModel):
    """What a sweep may turn of one model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: ModelName
    dimensions: dict[str, Range] = Field(min_length=1)

    def __str__(self) -> str:
        width = max(map(len, self.dimensions))
        lines = (f"  {name:{width}}  {dimension}" for name, dimension in self.dimensions.items())
        return "\n".join([self.model, *lines])

    def including(self, point: Parameters) -> Space:
        """Return the space widened to hold `point`, a value for each dimension.

        A value of another kind, such as the text "sqrt" in a range of numbers, stays as it is: its
        dimension is left out.
        """
        widened = {name: part.including(point[name]) for name, part in self.dimensions.items()}
        kept = {name: part for name, part in widened.items() if part is not None}
        return self.model_copy(update={"dimensions": kept})


def _real(low: float, high: float, *, log: bool = False) -> Range:
    return Range(kind="real", low=low, high=high, log=log)


def _whole(low: float, high: float, *, log: bool = False) -> Range:
    return Range(kind="integer", low=low, high=high, log=log)


_FOREST: dict[str, Range] = {
    "n_estimators": _whole(50, 200, log=True),
    "max_features": _real(0.1, 0.8),
    "min_samples_leaf": _whole(1, 10, log=True),
}

_DECLARED: dict[ModelName, dict[str, Range]] = {
    "random_forest": _FOREST,
    "extra_trees": _FOREST,
    "gradient_boosting": {
        "n_estimators": _whole(80, 300, log=True),
        "learning_rate": _real(0.03, 0.3, log=True),
        "max_depth": _whole(3, 8),
        "min_samples_leaf": _whole(3, 50, log=True),
        "max_features": _real(0.05, 0.5),
        "subsample": _real(0.4, 1.0),
    },
    "ridge": {"alpha": _real(0.01, 10_000, log=True)},
    "lasso": {"alpha": _real(0.1, 1_000, log=True)},
    "decision_tree": {
        "min_samples_leaf": _whole(5, 100, log=True),
        "max_features": _real(0.2, 1.0),
    },
    "histogram_gradient_boosting": {
        "learning_rate": _real(0.02, 0.06, log=True),
        "max_leaf_nodes": _whole(32, 56),
        "min_samples_leaf": _whole(3, 30, log=True),
        "l2_regularization": _real(0, 30),
        "max_features": _real(0.08, 0.4),
    },
}

SPACES: dict[ModelName, Space] = {
    model: Space(model=model, dimensions=dimensions) for model, dimensions in _DECLARED.items()
}
