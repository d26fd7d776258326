"""The page of a scoring run and that of a clean-up begin with a sentence and a picture."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from flows import scored
from housing_ml.bundle.batch_scoring import ScoreReport
from housing_ml.records.retention import RetentionPart, RetentionReport
from housing_ml.releases.records import Release, TrainingData, now
from housing_ml.retention import summary as cleared

if TYPE_CHECKING:
    from collections.abc import Callable

PNG = b"\x89PNG"


@pytest.fixture
def release() -> Release:
    return Release(
        version="7",
        bundle="b" * 64,
        model="ridge",
        metrics={},
        data=TrainingData(digest="d" * 64, rows=1, synthetic=False),
        promoted_at=now(),
        promoted_by="test",
        reason="test",
    )


def test_a_scoring_run_says_how_many_rows_were_priced_by_which_version(release: Release) -> None:
    files = {f"county={'$x|y$' * 20}/{number}.csv": number for number in range(30)}
    reports = {
        file: ScoreReport("out", rows=10 * size, rejected=size, parts=1)
        for file, size in files.items()
    }
    whole = sum(reports.values(), ScoreReport("out"))
    said = scored.summary(reports, whole)

    assert scored.sentence(whole, release) == (
        "3,915 of 4,350 rows were priced by housing-price 7; "
        "435 were set aside, each with its reason."
    )
    assert scored.sentence(ScoreReport("out", rows=3), release).endswith("none was set aside.")
    assert scored.picture(reports).startswith(PNG)
    assert said.count("| 1 |") == 20
    assert "/29.csv | 290 | 29 | 1 |" in said
    assert "and 10 files of fewer rows" in said
    assert scored.picture({"empty.csv": ScoreReport("out")}).startswith(PNG)


@pytest.mark.parametrize(
    ("deleted", "items", "problem", "said"),
    [
        (False, 0, None, lambda said: said == "Nothing is older than it may be."),
        (False, 0, "no answer", lambda said: said.endswith("may be; not looked at: reports.")),
        (True, 2, None, lambda said: said.startswith("2 things of 3.0 MB deleted: no channel")),
        (False, 2, None, lambda said: "nothing was deleted, for nobody asked" in said),
    ],
)
def test_a_clean_up_says_what_went_or_may_go_and_why(
    *, deleted: bool, items: int, problem: str | None, said: Callable[[str], bool]
) -> None:
    part = RetentionPart(
        name="reports", items=items, size=1_500_000 * items, names=(), problem=problem
    )
    report = RetentionReport(at=datetime.now(UTC), deleted=deleted, parts=(part,))

    assert said(cleared.sentence(report))
    assert cleared.picture(report).startswith(PNG)
