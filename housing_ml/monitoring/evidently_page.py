"""The last window as a report of Evidently, where that is installed; our own page needs nothing.

Evidently wants rows, and the monitor keeps counts: rows are drawn from the counts, column by
column, at the bins' upper edges. Each column has its distribution; columns together mean nothing.

Source: Evidently's `DataDriftPreset`, version 0.7.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from housing_ml.bundle.reference import bins_of
from housing_ml.data.contract import CATEGORIES, CATEGORY
from housing_ml.monitoring.models import Models
from housing_ml.monitoring.state import read_state

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from housing_ml.bundle.reference import Counts, Reference, Tally
    from housing_ml.config.monitoring import MonitorConfig
    from housing_ml.monitoring.analysis import MonitorReport
    from housing_ml.storage.versioned import ReleaseStorage

_ROWS = 5000


def evidently_page(
    report: MonitorReport, config: MonitorConfig, storage: ReleaseStorage
) -> bytes | None:
    """Return the champion's last finished window as Evidently's page of HTML.

    None without Evidently, or without a window.
    """
    judged = [item for item in report.windows if item.version == report.champion]
    if not judged or find_spec("evidently") is None:
        return None
    state, _ = read_state(storage, config.window_minutes)
    last = (judged[-1].start, judged[-1].version)
    window = next(item for item in state.windows if (item.start, item.version) == last)
    reference = Models(storage).reference(window.bundle)
    if reference is None:
        return None
    seen = window.tally()
    before = {name: counts for name, counts in reference.tally().items() if name in seen}
    return _page(rows(reference, before), rows(reference, seen))


def rows(reference: Reference, tally: Tally) -> pd.DataFrame:
    """Return as many rows as Evidently needs, whose columns are distributed as the counts say."""
    random = np.random.default_rng(0)  # sorted columns would look like trends
    return pd.DataFrame(
        {
            name: random.permutation(_drawn(*_values(reference, name, counts)))
            for name, counts in tally.items()
        }
    )


def _values(reference: Reference, name: str, counts: Counts) -> tuple[NDArray[Any], Counts]:
    """Return the values that a column's counts are of, and how many there are of each."""
    if name == CATEGORY:
        return np.array([*CATEGORIES, "unknown"], dtype=object), counts
    bins, missing, _ = bins_of(counts)
    edges = reference.grids[name].edges
    beyond = np.nextafter(edges[-1], np.inf)
    return np.array([*edges, beyond, np.nan]), np.append(bins, missing)


def _drawn(values: NDArray[Any], counts: Counts) -> NDArray[Any]:
    """Return values at evenly spaced ranks."""
    ranks = (np.arange(_ROWS) + 0.5) / _ROWS * counts.sum()
    drawn: NDArray[Any] = values[np.searchsorted(np.cumsum(counts), ranks, side="right")]
    return drawn


def _page(before: pd.DataFrame, seen: pd.DataFrame) -> bytes:
    _restore_what_pandas_removed()
    from evidently import DataDefinition, Dataset, Report  # noqa: PLC0415 - may not be there
    from evidently.presets import DataDriftPreset  # noqa: PLC0415

    numeric = [name for name in before if name != CATEGORY]
    columns = DataDefinition(numerical_columns=numeric, categorical_columns=[CATEGORY])
    sides = [Dataset.from_pandas(side, data_definition=columns) for side in (seen, before)]
    text: str = Report([DataDriftPreset()]).run(*sides).get_html_str(as_iframe=False)
    return text.encode()


def _restore_what_pandas_removed() -> None:
    """Let Evidently 0.7.23 import a function that pandas 3 has lost, and that is not used here."""
    common: Any = import_module("pandas.core.dtypes.common")
    if not hasattr(common, "infer_dtype_from_object"):
        common.infer_dtype_from_object = lambda dtype: np.dtype(dtype).type
