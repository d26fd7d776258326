"""Record of the sweep."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from housing_ml.config.choices import ModelName, Parameters
from housing_ml.records.base import Record, Told

TrialOutcome = Literal["complete", "pruned", "failed"]


class Trial(BaseModel):
    """One set of parameters, tried."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    number: int = Field(ge=0, description="Its place in the study, counted from 0.")
    parameters: Parameters = Field(description="All parameters that were given to the model.")
    state: TrialOutcome
    wmape: float | None = Field(description="Mean over the folds; of complete trials only.")
    fold_wmapes: tuple[float, ...] = Field(description="By fold, as far as the trial went.")
    seconds: float = Field(ge=0)
    reason: str = Field(description="Why it failed; empty otherwise.")
    run: str = Field(default="", description="Its run in W&B, where the sweep is W&B's.")


class SweepResult(BaseModel):
    """The best parameters, and every trial that led to them."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    model: ModelName
    best_parameters: Parameters = Field(
        description="Of the best trial; the parameters to beat where it gained no more than chance."
    )
    best_wmape: float | None = Field(
        description="Theirs, cross-validated; none when nothing was tried."
    )
    gain: float | None = Field(
        default=None, description="wMAPE of the parameters to beat less that of the best trial."
    )
    gain_error: float | None = Field(
        default=None, description="Standard error of the gain, paired over the folds."
    )
    trials: tuple[Trial, ...] = Field(description="In the order of their numbers.")
    resumed: int = Field(ge=0, description="Trials that were in the study before.")
    driver: Literal["optuna", "wandb"] = Field(
        default="optuna", description="What proposed the trials."
    )
    study: str = Field(default="", description="Its name in the sweeps' database.")
    url: str = Field(default="", description="The sweep's page in W&B, where W&B drives it.")
    stopped: str = Field(default="", description="Why no further trial was started.")

    def gained(self) -> str:
        """Say what the search gained over the parameters to beat, in points of wMAPE."""
        if self.gain is None or self.gain_error is None:
            return "the search gained nothing"
        return f"the search gained {100 * self.gain:.2f} +- {100 * self.gain_error:.2f} points"


class SweepOutcome(Record):
    """The search for the winner's parameters."""

    result: SweepResult

    def __str__(self) -> str:
        """Say it for a person."""
        return (
            f"{len(self.result.trials)} trials, CV wMAPE {self.result.best_wmape:.2%}: "
            f"{self.result.gained()}"
            if self.result.best_wmape
            else "no trials"
        )

    def told(self) -> Told:
        """Tell the best parameters, their wMAPE, and the number of trials."""
        best = self.result.best_wmape
        scores = {} if best is None else {"best_cv_wmape": best}
        return Told(self.result.best_parameters, {"trials": len(self.result.trials)} | scores)
