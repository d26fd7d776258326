"""Evidently's page of a window: rows drawn from counts, and the page where it is installed."""

from __future__ import annotations

from datetime import timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import pytest

from housing_ml.bundle.reference import PRICE, bins_of, columns, describe, tally
from housing_ml.data.contract import CATEGORY, COLUMNS, to_matrix
from housing_ml.monitoring.analysis import analyse
from housing_ml.monitoring.distances import psi
from housing_ml.monitoring.evidently_page import evidently_page, rows
from tests.housing_ml.monitoring.test_analysis import CONFIG, FIRST, World, data, inflated

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from tests.housing_ml.monitoring.test_analysis import Data

__all__ = ["data"]


def test_rows_drawn_from_counts_are_distributed_as_the_counts_say(
    housing_frame: pd.DataFrame,
) -> None:
    raw = to_matrix(housing_frame)
    price = np.linspace(20_000, 500_000, len(raw))
    reference = describe(raw, price, price)
    seen = tally(reference, columns(raw[:7_000], price[:7_000]))

    drawn = rows(reference, seen)

    assert list(drawn) == [*COLUMNS, PRICE]
    codes = to_matrix(drawn[[*COLUMNS]])
    again = tally(reference, columns(codes, drawn[PRICE].to_numpy()))
    assert psi(seen[CATEGORY], again[CATEGORY]) < 0.01
    for name in set(seen) - {CATEGORY}:
        assert psi(bins_of(seen[name])[0], bins_of(again[name])[0]) < 0.05, name
    missing = drawn["total_bedrooms"].isna().mean()
    assert missing == pytest.approx(housing_frame["total_bedrooms"][:7_000].isna().mean(), abs=1e-3)


@pytest.mark.skipif(
    find_spec("evidently") is None, reason="needs Evidently: the extra `monitoring`"
)
@pytest.mark.filterwarnings("ignore")  # Evidently's, of what pandas 3 has deprecated
def test_evidently_tells_of_the_champions_last_window(tmp_path: Path, data: Data) -> None:
    world = World(tmp_path, data)
    world.day(0)
    assert evidently_page(analyse(world.storage, CONFIG, FIRST), CONFIG, world.storage) is None
    world.day(1, inflated)
    report = world.analyse(1)

    page = evidently_page(report, CONFIG, world.storage)

    assert report.windows[-1].start == FIRST + timedelta(days=1)
    assert page is not None
    text = page.decode()
    assert all(name in text for name in ("median_income", CATEGORY, PRICE))
