"""A table with prices beside its rows, in the form that a person asked for."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from housing_ml.data.csv_table import CsvReader, priced_rows

if TYPE_CHECKING:
    import pandas as pd

    from housing_ml.bundle.model import Prediction
    from housing_ml.data.table_file import Table

PRICES = ("predicted_price", "lower", "upper")
ENDINGS = (".csv", ".parquet")


def priced_bytes(table: Table, prediction: Prediction, ending: str) -> bytes:
    """Return the file of that ending; CSV rows stay byte for byte, Parquet columns keep their type.

    Args:
        table: the rows, all with a price.
        prediction: their prices and intervals in dollars.
        ending: one of `ENDINGS`.
    """
    added = [pa.array(values.round(2)) for values in prediction]
    if ending == ".csv" and isinstance(table.content, CsvReader):
        return priced_rows(table.content, table.raw, PRICES, added)
    if ending == ".csv":
        return priced_frame(table, prediction).to_csv(index=False).encode()
    found = table.content
    if isinstance(found, CsvReader):
        found = pa.Table.from_pandas(_as_named(table), preserve_index=False)
    for name, column in zip(PRICES, added, strict=True):
        found = found.append_column(name, column)
    sink = io.BytesIO()
    pq.write_table(found, sink)
    return sink.getvalue()


def priced_frame(table: Table, prediction: Prediction) -> pd.DataFrame:
    """Return the rows with their prices, to the cent."""
    columns = (values.round(2) for values in prediction)
    return _as_named(table).assign(**dict(zip(PRICES, columns, strict=True)))


def _as_named(table: Table) -> pd.DataFrame:
    """Return the frame with the names that the file has."""
    return table.frame.set_axis(table.names, axis=1)
