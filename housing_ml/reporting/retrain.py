"""What people read of a retrain: one summary in Markdown for the terminal, Prefect and MLflow.

Pure: records in, text out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from housing_ml.records.training import BLOCK_DEGREES
from housing_ml.reporting.equity import equity_rows
from housing_ml.reporting.gate import gate_lines
from housing_ml.reporting.markdown import (
    METRIC_TITLES,
    Row,
    amount,
    paragraphs,
    parameters_text,
    table,
)

if TYPE_CHECKING:
    from housing_ml.config.promotion import PromotionMode
    from housing_ml.records.evaluation import Evaluation
    from housing_ml.records.features import ClusterReport
    from housing_ml.records.gate import GateDecision
    from housing_ml.records.imputation import ImputationReport
    from housing_ml.records.retrain import RegisteredVersion, Stages
    from housing_ml.records.selection import CandidateScore, SelectionReport
    from housing_ml.records.sweep import SweepResult


SYNTHETIC_WARNING = (
    "**Trained on a synthetic sample, not on real data.** Use it to try the platform, not to price "
    "houses. It is never promoted over a model of real data."
)


def imputer_rows(report: ImputationReport) -> list[Row]:
    """Return the comparison of imputers on masked known values."""
    return [
        {
            "imputer": _marked(score.name, report.chosen),
            "RMSE in rooms": f"{score.rmse:.1f}",
            "spread over repeats": f"{score.rmse_std:.1f}",
        }
        for score in report.scores
    ]


def cluster_rows(report: ClusterReport) -> list[Row]:
    """Return the comparison of numbers of clusters."""
    return [
        {
            "clusters": _marked(str(score.clusters), str(report.chosen)),
            "CV wMAPE": amount("wmape", score.cv_wmape),
            "CV RMSE": amount("rmse", score.cv_rmse),
            "silhouette": _optional(score.silhouette),
            "Davies-Bouldin": _optional(score.davies_bouldin),
            "inertia": _optional(score.inertia),
        }
        for score in report.scores
    ]


def model_rows(report: SelectionReport) -> list[Row]:
    """Return the comparison of models, each with its best parameters, the best first."""
    best: dict[str, CandidateScore] = {}
    for score in report.candidates:
        best.setdefault(score.model, score)
    return [
        {
            "model": _marked(score.model, report.winner),
            "CV wMAPE": f"{score.validation.wmape:.2%} ± {score.validation_std.wmape:.2%}",
            "folds": f"{score.folds} of {report.folds}",
            "CV RMSE": amount("rmse", score.validation.rmse),
            "CV R2": amount("r2", score.validation.r2),
            "training RMSE": amount("rmse", score.train.rmse),
            "overfits": "yes" if score.overfitting else "no",
            "seconds": f"{score.seconds:.1f}",
        }
        for score in best.values()
    ]


def sweep_rows(result: SweepResult) -> list[Row]:
    """Return the trials, the best first; those without a wMAPE come last."""
    trials = sorted(result.trials, key=lambda trial: (trial.wmape is None, trial.wmape))
    return [
        {
            "trial": str(trial.number),
            "CV wMAPE": "" if trial.wmape is None else amount("wmape", trial.wmape),
            "state": trial.state,
            "parameters": parameters_text(trial.parameters),
            "seconds": f"{trial.seconds:.1f}",
        }
        for trial in trials
    ]


def holdout_rows(evaluation: Evaluation, level: float) -> list[Row]:
    """Return the figures on the holdout with their bootstrap intervals."""
    rows = [
        {
            "holdout": title,
            "value": amount(name, getattr(evaluation.metrics, name)),
            "interval": " to ".join(amount(name, end) for end in evaluation.intervals[name]),
        }
        for name, title in METRIC_TITLES.items()
    ]
    rows += [
        {
            "holdout": f"{METRIC_TITLES[name]} without the rows at the cap",
            "value": amount(name, getattr(evaluation.below_cap, name)),
            "interval": "",
        }
        for name in (METRIC_TITLES if evaluation.below_cap else ())
    ]
    others = {
        f"coverage of the {level:.0%} interval": f"{evaluation.coverage:.1%}",
        "mean width of it": amount("mae", evaluation.mean_width),
    }
    return rows + [
        {"holdout": title, "value": value, "interval": ""} for title, value in others.items()
    ]


def reach_rows(evaluation: Evaluation, blocked: float | None) -> list[Row]:
    """Return the error by distance to the training rows, and where whole blocks are left out."""
    rows = [
        {
            "nearest training row": item.name,
            "rows": f"{item.rows:,}",
            "wMAPE": amount("wmape", item.wmape),
            "interval": " to ".join(amount("wmape", end) for end in item.interval),
            "coverage": f"{item.coverage:.1%}",
        }
        for item in evaluation.reach
    ]
    if rows and blocked is not None:
        names = dict.fromkeys(rows[0], "")
        left_out = f"outside its block of {BLOCK_DEGREES} degrees, by cross-validation"
        rows.append(names | {"nearest training row": left_out, "wMAPE": amount("wmape", blocked)})
    return rows


def place_rows(stages: Stages) -> list[Row]:
    """Return the errors at places that training knows and at others, on the holdout and before."""
    sides = {
        "holdout": stages.evaluation.places,
        "training rows, out of fold": stages.training.places,
    }
    return [
        {
            "of": f"{name}, {kind}",
            "rows": f"{side.rows:,}",
            **{
                METRIC_TITLES[metric]: (
                    amount(metric, getattr(side.metrics, metric)) if side.metrics else ""
                )
                for metric in ("wmape", "rmse")
            },
        }
        for name, places in sides.items()
        for kind, side in (
            ("place has others in training", places.known),
            ("place has none in training", places.new),
        )
    ]


def comparisons(stages: Stages) -> dict[str, list[Row]]:
    """Return every table of what led to a model, by name."""
    level = stages.training.bundle.interval_level
    return {
        "imputers": imputer_rows(stages.imputation.report),
        "clusters": cluster_rows(stages.features.report),
        "models": model_rows(stages.selection.report),
        "holdout": holdout_rows(stages.evaluation.evaluation, level),
        "equity": equity_rows(stages.evaluation.evaluation.equity),
        "reach": reach_rows(stages.evaluation.evaluation, stages.training.blocked_wmape),
        "places": place_rows(stages),
    }


_LIMITS = (
    "**What these figures do not show**: how good it is on another table, in another year, or far "
    "from all training rows. `ocean_proximity` counts beside eight numbers: where it is unknown "
    "the price leans on the others."
)


def description(stages: Stages) -> str:
    """Return what a model is made of and how good it is, in Markdown."""
    tables = {name: table(rows) for name, rows in comparisons(stages).items()}
    raw, split = stages.ingestion, stages.split.report
    quarantined = raw.quarantine.rows if raw.quarantine else 0
    learned = f", with {stages.merge} from feedback" if stages.merge else ""
    parts = [
        SYNTHETIC_WARNING if raw.synthetic else "",
        (
            f"**Data**: {raw.data.rows:,} rows of {raw.source} ({quarantined:,} quarantined, "
            f"{raw.repeated_rows:,} repeated){learned}: {split.train_rows:,} for training, "
            f"{split.holdout_rows:,} held out; {split.measures}."
        ),
        (
            f"**Imputer**: {stages.imputation.report.chosen}; "
            f"**clusters**: {stages.features.report.chosen}; "
            f"**winner**: {stages.selection.report.winner}, by CV on the training rows."
        ),
        tables["models"],
        _sweep_line(stages.sweep.result),
        tables["holdout"],
        tables["equity"],
        tables["reach"],
        tables["places"],
        _LIMITS,
    ]
    return paragraphs(parts)


def summary(stages: Stages, decision: GateDecision, outcome: str, reports: str) -> str:
    """Return what a retrain did: data, comparisons, figures on the holdout, verdict, next step."""
    parts = [
        "# Retrain",
        description(stages),
        f"**Gate**: {decision}.",
        *gate_lines(decision),
        f"**Outcome**: {outcome}",
        f"**Figures**: {reports}",
        _next_step(decision),
    ]
    return paragraphs(parts)


def outcome(
    registered: RegisteredVersion, decision: GateDecision, mode: PromotionMode | None
) -> str:
    """Return in a sentence what became of the model."""
    if mode == "canary":
        return f"{registered} is a canary: the services promote or abort it, or a person does."
    if mode == "shadow":
        return (
            f"{registered} is the shadow: it answers nothing until "
            f"`housing promote {registered.version} --why REASON`."
        )
    if decision.promote:
        return f"{registered} is the champion, published for the service."
    if decision.ask:
        return (
            f"{registered} is a challenger and waits for a person; nothing in service changes "
            f"before `housing promote {registered.version} --why REASON`, or Prefect's form of "
            "`promote`."
        )
    return f"{registered} is a challenger; nothing in service changes."


def _next_step(decision: GateDecision) -> str:
    if decision.promote:
        return "**Next**: `make serve` and ask for a price, or `housing status`."
    if decision.ask:
        return "**Next**: look at the reasons, then promote it, or leave it."
    return "**Next**: `housing status` shows what is in service."


def _sweep_line(sweep: SweepResult) -> str:
    if sweep.best_wmape is None:
        return "**Sweep**: none; the selected parameters are used."
    finished = sum(trial.state == "complete" for trial in sweep.trials)
    return (
        f"**Sweep**: {len(sweep.trials)} trials ({finished} complete), "
        f"CV wMAPE {sweep.best_wmape:.2%} with {parameters_text(sweep.best_parameters)}; "
        f"{sweep.gained()}."
    )


def _marked(name: str, chosen: str) -> str:
    return f"**{name}**" if name == chosen else name


def _optional(value: float | None) -> str:
    return "" if value is None else f"{value:,.3g}"
