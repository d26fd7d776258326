"""One reading of missing values and numbers for all doors."""

from __future__ import annotations

import json
import re
from pathlib import Path

from housing_ml.data.values import MISSING, NUMBER

PAGE = Path(__file__).parents[3] / "serve" / "pages" / "files.js"


def test_the_page_reads_cells_as_the_files_are_read() -> None:
    page = PAGE.read_text(encoding="utf-8")
    listed = re.search(r"const MISSING = new Set\((\[.*?\])\)", page, re.DOTALL)

    assert listed
    assert set(json.loads(listed[1])) == MISSING
    assert f"const NUMBER = /^{NUMBER}$/;" in page
