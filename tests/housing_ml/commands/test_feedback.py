"""A person looks at the prices that were set aside, and says which of them are learnt."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from housing_ml import cli
from housing_ml.data.contract import TARGET, to_matrix
from housing_ml.feedback.actual_prices import Batch, Feedback
from housing_ml.feedback.labelled_rows import labelled_rows
from housing_ml.releases.channels import open_releases
from housing_ml.settings import Settings
from serve.prediction_log import parquet
from serve.prediction_log.segments import Entry, to_columns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

    from housing_ml.storage.versioned import ReleaseStorage

pytestmark = pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens")
"""It takes `main` for a test's mistake."""


@pytest.fixture
def storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, housing_frame: pd.DataFrame
) -> ReleaseStorage:
    """Three priced rows, of which two are said to cost far more."""
    monkeypatch.setenv("HOUSING_HOME", str(tmp_path))
    found = open_releases(Settings())
    moment = datetime.now(UTC) - timedelta(hours=1)
    rows = housing_frame[:3]
    price = np.full((3, 3), [200_000.0, 150_000.0, 250_000.0])
    numbers = np.column_stack([to_matrix(rows), price]).tobytes()
    entry = Entry(moment.timestamp(), "1", "champion", ["a", "b", "c"], numbers)
    day = f"date={moment.date()}"
    found.write(f"predictions/{day}/1.parquet", parquet.encode(to_columns([entry])))
    items = (Feedback("a", 210_000.0), Feedback("b", 2_100_000.0), Feedback("c", 2_200_000.0))
    batch = Batch(moment.timestamp(), items, "agency")
    found.write(f"feedback/{day}/1.json", msgspec.json.encode(batch))
    return found


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Type a command; return what it printed, or its complaint."""

    def typed(*words: str) -> str:
        monkeypatch.setattr("sys.argv", ["housing", *words])
        with pytest.raises(SystemExit):
            cli.main()
        printed = capsys.readouterr()
        return printed.out + printed.err

    return typed


def learnt(storage: ReleaseStorage) -> list[float]:
    return sorted(labelled_rows(storage, 7, datetime.now(UTC))[TARGET].tolist())


def test_a_price_that_is_far_off_waits_until_a_person_decides(
    storage: ReleaseStorage, run: Callable[..., str]
) -> None:
    assert learnt(storage) == [210_000.0]
    waiting = {row["prediction_id"]: row for row in json.loads(run("feedback", "review", "--json"))}
    assert set(waiting) == {"b", "c"}
    assert waiting["b"]["sender"] == "agency"
    assert "2,100,000" in run("feedback", "review")

    assert "1 prices accepted" in run("feedback", "accept", "b", "--why", "a palace, seen")
    assert "1 prices refused" in run("feedback", "refuse", "c", "--why", "a zero too many")

    assert "0 prices wait" in run("feedback", "review")
    assert learnt(storage) == [210_000.0, 2_100_000.0]


def test_a_decision_needs_a_reason(storage: ReleaseStorage, run: Callable[..., str]) -> None:
    assert "why" in run("feedback", "accept", "b")
    assert learnt(storage) == [210_000.0]
