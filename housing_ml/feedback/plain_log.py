"""Rows of the prediction log as one file in which an id is found without reading it all.

They lie in the order of their ids, in small row groups with statistics, so that at most one group
of a day may hold an id; and they are so plain that the service reads them without PyArrow.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from housing_ml.feedback.log_file import ID
from housing_ml.feedback.log_format import FORMAT

_GROUP_ROWS = 8192
_SAID = {"format": str(FORMAT.number), "needs": FORMAT.needs}


def plain(rows: pa.Table) -> bytes:
    """Return a Parquet file of the log's rows, each id once, in the order of the ids."""
    ids = rows.column(ID).to_pylist()
    first = {name: row for row, name in reversed(list(enumerate(ids)))}
    kept = rows.take([first[name] for name in sorted(first)])
    schema = pa.schema(
        [pa.field(field.name, field.type, nullable=False) for field in rows.schema],
        metadata=_SAID,
    )
    sink = pa.BufferOutputStream()
    pq.write_table(
        pa.table(kept.columns, schema=schema),
        sink,
        row_group_size=_GROUP_ROWS,
        compression="gzip",
        compression_level=1,
        use_dictionary=False,
        data_page_version="1.0",
        store_schema=False,
    )
    content: bytes = sink.getvalue().to_pybytes()
    return content


def as_plain(content: bytes) -> bytes:
    """Return a file of the log as `plain` writes it, in whatever way it is packed now."""
    return plain(pq.read_table(pa.BufferReader(content)))
