"""Where Prefect's tasks run: on a Dask cluster of many machines, where one is configured."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from housing_ml.errors import HousingError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefect.task_runners import TaskRunner

LOCAL = "local"
"""In the place of a scheduler's address: a cluster on this machine, for as long as it is needed."""


class ClusterError(HousingError, RuntimeError):
    """No cluster can be used; the message says what to do."""


@contextmanager
def dask_runner(scheduler: str, workers: int) -> Iterator[TaskRunner[Any]]:
    """Yield what runs the tasks of the current flow run on a Dask cluster.

    Args:
        scheduler: address, such as "tcp://host:8786", or `LOCAL`.
        workers: processes of a local cluster, each with one thread.

    Raises:
        ClusterError: when the extra `dask` is not installed, or no scheduler answers.
    """
    try:
        from prefect_dask.task_runners import DaskTaskRunner  # noqa: PLC0415 - an extra, slow
    except ImportError:
        raise ClusterError(
            "a Dask cluster needs the extra `dask`: pip install 'housing-ml[dask]'"
        ) from None
    local = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None}
    runner = (
        DaskTaskRunner(cluster_kwargs=local)
        if scheduler == LOCAL
        else DaskTaskRunner(address=scheduler)
    )
    with runner:
        try:
            _ = runner.client  # connects
        except (OSError, ValueError) as error:
            raise ClusterError(
                f"HOUSING_DASK_SCHEDULER: no scheduler of Dask answers at {scheduler}: {error}"
            ) from error
        yield runner
