"""A table with prices beside its rows, in the form that a person asked for."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from housing_ml.data.csv_table import CsvReader, priced_rows

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from housing_ml.bundle.model import Prediction
    from housing_ml.data.table_file import Table

PRICES = ("predicted_price", "lower", "upper")
AT_LEAST = "at_least"
"""Column that says whether a price is to be read as "this or more"."""
RESULTS = (*PRICES, AT_LEAST)
ENDINGS = (".csv", ".parquet")


def priced_bytes(
    table: Table, prediction: Prediction, at_least: NDArray[np.bool_], ending: str
) -> bytes:
    """Return the file of that ending; CSV rows stay byte for byte, Parquet columns keep their type.

    Args:
        table: the rows, all with a price.
        prediction: their prices and intervals in dollars.
        at_least: which prices are "this or more", (rows,).
        ending: one of `ENDINGS`.
    """
    added = [*(pa.array(values.round(2)) for values in prediction), pa.array(at_least)]
    if ending == ".csv" and isinstance(table.content, CsvReader):
        return priced_rows(table.content, table.raw, RESULTS, added)
    if ending == ".csv":
        return priced_frame(table, prediction, at_least).to_csv(index=False).encode()
    found = table.content
    if isinstance(found, CsvReader):
        found = pa.Table.from_pandas(_as_named(table), preserve_index=False)
    for name, column in zip(RESULTS, added, strict=True):
        found = found.append_column(name, column)
    sink = io.BytesIO()
    pq.write_table(found, sink)
    return sink.getvalue()


def priced_frame(table: Table, prediction: Prediction, at_least: NDArray[np.bool_]) -> pd.DataFrame:
    """Return the rows with their prices, to the cent, and which are "this or more"."""
    columns = (*(values.round(2) for values in prediction), at_least)
    return _as_named(table).assign(**dict(zip(RESULTS, columns, strict=True)))


def _as_named(table: Table) -> pd.DataFrame:
    """Return the frame with the names that the file has."""
    return table.frame.set_axis(table.names, axis=1)
