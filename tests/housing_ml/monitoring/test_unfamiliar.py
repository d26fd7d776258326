"""The monitor shows how much of the traffic lies where the model knows little."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from housing_ml.monitoring.summary import summary
from tests.housing_ml.monitored_service import MonitoredService

if TYPE_CHECKING:
    from pathlib import Path

    from housing_ml.data.contract import Matrix
    from tests.housing_ml.conftest import CaliforniaModel
    from tests.housing_ml.monitored_service import Vector


def to_nevada(raw: Matrix, actual: Vector, price: Vector) -> tuple[Matrix, Vector]:
    """Move every other row to where nobody was asked in 1990."""
    del price
    raw[::2, 0], raw[::2, 1] = -115.5, 39.0
    return raw, actual


def test_the_share_of_unfamiliar_rows_is_shown_by_window(
    tmp_path: Path, california: CaliforniaModel
) -> None:
    service = MonitoredService(tmp_path, california.bundle, california.holdout)
    for week, fault in enumerate((None, None, to_nevada, None)):
        service.week(week, california.holdout, fault=fault)
    report = service.monitor(3)

    shares = [window.unfamiliar for window in report.windows]
    assert all(share is not None for share in shares)
    assert max(shares[:-1]) < 0.01
    assert shares[-1] == pytest.approx(0.5, abs=0.01)
    assert f"{shares[-1]:.1%} of the last window's rows lie far from every" in summary(report)
