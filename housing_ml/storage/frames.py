"""A table as bytes: Parquet, the same bytes for the same table."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def to_parquet(frame: pd.DataFrame) -> bytes:
    """Return a table as Parquet without its index."""
    import pyarrow as pa  # noqa: PLC0415 - a service that reads bundles needs no pyarrow
    import pyarrow.parquet as pq  # noqa: PLC0415 - the same

    buffer = io.BytesIO()
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def from_parquet(content: bytes) -> pd.DataFrame:
    """Return the table."""
    import pandas as pd  # noqa: PLC0415 - a service that reads bundles needs no pandas

    return pd.read_parquet(io.BytesIO(content))
