"""Where Prefect's tasks run: on a Dask cluster of many machines, where one is configured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from housing_ml.errors import HousingError

if TYPE_CHECKING:
    from prefect.task_runners import TaskRunner

LOCAL = "local"
"""In the place of a scheduler's address: a cluster on this machine, for as long as it is needed."""


class ClusterError(HousingError, RuntimeError):
    """No cluster can be used; the message says what to do."""


def dask_runner(scheduler: str, workers: int) -> TaskRunner[Any]:
    """Return what runs tasks on a Dask cluster, as a context manager inside a flow.

    Args:
        scheduler: address, such as "tcp://host:8786", or `LOCAL`.
        workers: processes of a local cluster, each with one thread.

    Raises:
        ClusterError: when the extra `dask` is not installed.
    """
    try:
        from prefect_dask.task_runners import DaskTaskRunner  # noqa: PLC0415 - an extra, slow
    except ImportError:
        raise ClusterError(
            "a Dask cluster needs the extra `dask`: pip install 'housing-ml[dask]'"
        ) from None
    if scheduler != LOCAL:
        return DaskTaskRunner(address=scheduler)
    local = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None}
    return DaskTaskRunner(cluster_kwargs=local)
