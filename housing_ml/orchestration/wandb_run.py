"""Runs in Weights & Biases: online with an account, else offline for a later `wandb sync`.

Nobody needs them at run time: what goes wrong is said, and what was computed stays.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Iterator

    from housing_ml.settings import Settings

ANSWER_SECONDS = 30.0
"""How long W&B may take to open a sweep or to propose a trial."""

_FINISH_SECONDS = 5


def wandb_mode() -> str:
    """Return where runs go: as `WANDB_MODE` says, else online with an account, offline without."""
    return os.environ.get("WANDB_MODE") or (
        "online" if os.environ.get("WANDB_API_KEY") else "offline"
    )


@contextmanager
def wandb_run(
    settings: Settings, *, offline: bool = False, live: bool = False, **about: Any
) -> Iterator[Any]:
    """Yield a run of the project, which ends with the block.

    What the service does not take is recorded offline.

    Args:
        settings: the home folder keeps offline runs.
        offline: do not ask the service.
        live: send what is logged each second.
        about: what `wandb.init` takes, such as `name`, `job_type`, `group` and `config`.
    """
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb  # noqa: PLC0415 - takes a second

    folder = settings.home.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {
        "mode": "offline" if offline else wandb_mode(),
        "console": "off",
        "silent": True,
        "disable_git": True,
        "disable_code": True,
        "init_timeout": 20,
        "finish_timeout": _FINISH_SECONDS,
        "x_disable_stats": True,
        "x_disable_machine_info": True,
        "x_save_requirements": False,
        "disable_job_creation": True,
    }
    if live:
        options["x_file_stream_transmit_interval"] = 1

    def start() -> Any:
        return wandb.init(
            project=os.environ.get("WANDB_PROJECT", "housing"),
            dir=str(folder),
            reinit="create_new",  # the only one that threads can share
            settings=wandb.Settings(**options),
            **about,
        )

    try:
        run = start()
    except Exception:  # noqa: BLE001 - the client raises anything
        options["mode"] = "offline"
        about["id"] = f"{about.get('id', uuid4().hex)}-offline"  # the client holds on to the other
        run = start()
    try:
        yield run
    finally:
        run.finish()


def unsent(settings: Settings) -> str | None:
    """Say where runs wait that the service should have taken."""
    if wandb_mode() != "online":
        return None
    return (
        f"Weights & Biases does not answer: `wandb sync {settings.home}/wandb/offline-*` sends it"
    )
