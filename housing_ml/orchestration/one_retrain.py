"""One retrain at a time on a server, whichever deployment starts it."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from prefect import runtime
from prefect.concurrency.sync import concurrency

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

ONE_RETRAIN = "housing-retrain"
"""The server's limit that all retrains share: weekly, triggered, on Cloud Run."""
_LEASE_SECONDS = 60.0
"""After so long the place of a run that was killed is free again."""


def alone() -> AbstractContextManager[None]:
    """Wait until no other deployment's run trains; a person's own run asks nobody."""
    if runtime.deployment.id is None:
        return nullcontext()
    return concurrency(ONE_RETRAIN, occupy=1, lease_duration=_LEASE_SECONDS)
