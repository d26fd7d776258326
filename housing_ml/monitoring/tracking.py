"""A report as a run of MLflow and of Weights & Biases. Neither is needed: what fails is said."""
# ruff: noqa: PLC0415 - both take seconds to import

from __future__ import annotations

from typing import TYPE_CHECKING

from housing_ml.monitoring.summary import headline
from housing_ml.orchestration.wandb_run import wandb_run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from housing_ml.config.monitoring import Tracker
    from housing_ml.monitoring.analysis import MonitorReport
    from housing_ml.settings import Settings

EXPERIMENT = "monitoring"


def figures_of(report: MonitorReport) -> dict[str, float]:
    """Return the report's numbers by name: the champion's last window, and the live error."""
    windows = [item for item in report.windows if item.version == report.champion]
    found = {"predictions": float(report.predictions), "labelled": float(report.labelled)}
    for item in windows[-1].columns if windows else ():
        found[f"psi.{item.name}"] = item.psi
        found[f"missing.{item.name}"] = item.missing
        found[f"outside.{item.name}"] = item.outside
        if item.distance is not None:
            found[f"distance.{item.name}"] = item.distance
    overall = report.performance[0] if report.performance else None
    if overall and overall.foreseen:
        found["foreseen.wmape"] = overall.foreseen.value
    estimates = overall.estimates if overall else None
    for name in type(estimates).model_fields if estimates else ():
        found[f"live.{name}"] = getattr(estimates, name).value
    return found | {"alarms": float(len(report.alarms))}


def track(
    report: MonitorReport, page: bytes, trackers: Sequence[Tracker], settings: Settings
) -> list[str]:
    """Log the report's numbers and page; return what went wrong, in sentences."""
    problems = []
    for name in trackers:
        try:
            _TRACKERS[name](report, page, settings)
        except Exception as error:  # noqa: BLE001 - the report matters more than its copies
            problems.append(f"{name} did not take the report: {error}")
    return problems


def _to_mlflow(report: MonitorReport, page: bytes, settings: Settings) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(settings.tracking_uri)
    found = client.get_experiment_by_name(EXPERIMENT)
    location = settings.artifacts_path.as_uri()
    experiment = (
        found.experiment_id
        if found
        else client.create_experiment(
            EXPERIMENT, artifact_location=None if settings.mlflow_tracking_uri else location
        )
    )
    tags = {"champion": report.champion or "", "alert": str(report.alert)}
    run = client.create_run(experiment, tags=tags, run_name=f"monitor {report.at:%Y-%m-%d %H:%M}")
    for name, value in figures_of(report).items():
        client.log_metric(run.info.run_id, name, value)
    client.log_text(run.info.run_id, page.decode(), "report.html")
    client.set_terminated(run.info.run_id)


def _to_wandb(report: MonitorReport, page: bytes, settings: Settings) -> None:
    import wandb

    with wandb_run(settings, job_type=EXPERIMENT) as run:
        run.log({**figures_of(report), "report": wandb.Html(page.decode(), inject=False)})
        if report.alert:
            run.alert(title="Housing monitor", text=headline(report))


_TRACKERS: dict[Tracker, Callable[[MonitorReport, bytes, Settings], None]] = {
    "mlflow": _to_mlflow,
    "wandb": _to_wandb,
}
