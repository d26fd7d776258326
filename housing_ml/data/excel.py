"""The first sheet of an Excel file as CSV; openpyxl is an extra."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import date, datetime
from typing import Any

from housing_ml.data.source import SourceError


def as_csv(content: bytes) -> bytes:
    """Return the values of the first sheet, with those of formulas as they were last computed.

    Raises:
        SourceError: when it is no .xlsx file.
        ModuleNotFoundError: when openpyxl is not installed.
    """
    import openpyxl  # noqa: PLC0415 - an extra

    try:
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        rows = [[_text(value) for value in row] for row in book.worksheets[0].values]
    except (zipfile.BadZipFile, KeyError, IndexError, OSError, ValueError) as error:
        raise SourceError(f"is no sheet of Excel's .xlsx: {error}") from None
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    return written.getvalue().encode()


def _text(value: Any) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return "" if value is None else str(value)
