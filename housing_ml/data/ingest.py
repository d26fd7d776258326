"""From a source to typed raw rows: checked against the contract, content-addressed, never changed.

Rows that break the contract are quarantined: set aside in a table of their own with the reason.
"""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from itertools import chain, islice
from reprlib import repr as short
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from housing_ml.data.census import wrong_unit
from housing_ml.data.checks import check
from housing_ml.data.contract import (
    CATEGORY,
    COLUMNS,
    IDENTITY,
    TARGET,
    ContractError,
    require_columns,
)
from housing_ml.data.source import read_source
from housing_ml.data.table_file import Table, read_rows
from housing_ml.data.values import to_floats
from housing_ml.records.ingestion import IngestResult, ViolationCount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from housing_ml.config.data import DataConfig
    from housing_ml.data.checks import Breach
    from housing_ml.data.csv_faults import Fault
    from housing_ml.storage.store import Store

_SHOWN = 3
"""Violations that an error quotes."""


def ingest(
    config: DataConfig, address: str, expected_sha256: str | None, store: Store
) -> IngestResult:
    """Read the source, check every row, and store what keeps the contract.

    Raises:
        SourceError: when the source cannot be read: see `source`.
        ContractError: when a column is missing, there are no rows, or too many break the contract.
    """
    content = read_source(address, expected_sha256)
    table = read_rows(address, content)
    try:
        return _store(table, config, store, address, sha256(content).hexdigest())
    except ContractError as error:
        raise ContractError(f"{address}: {error}") from None


def ingest_synthetic(config: DataConfig, store: Store) -> IngestResult:
    """Store the synthetic sample, tagged as such."""
    from housing_ml.data.synthetic import generate  # noqa: PLC0415 - real data do not need it

    frame = generate()
    digest = sha256(frame.to_csv(index=False).encode()).hexdigest()
    table = Table(frame, list(map(str, frame)), [], np.arange(len(frame)), pa.table({}), [])
    return _store(table, config, store, "synthetic", digest, synthetic=True)


def _store(  # noqa: PLR0913 - what is known of the source
    table: Table,
    config: DataConfig,
    store: Store,
    address: str,
    digest: str,
    *,
    synthetic: bool = False,
) -> IngestResult:
    columns = (*COLUMNS, TARGET)
    frame, faults = table.frame, table.faults
    require_columns(frame, columns)
    if frame.empty and not faults:
        raise ContractError("the table has no rows")
    breaches = check(frame, columns)
    broken = np.zeros(len(frame), dtype=np.bool_)
    for breach in breaches:
        broken[breach.rows] = True
    _stop_if_too_many(frame, broken, breaches, table, config)
    kept = _typed(frame.loc[~broken, list(columns)])
    unique = kept.drop_duplicates(list(IDENTITY), ignore_index=True)
    return IngestResult(
        data=store.put_frame(unique),
        quarantine=(
            store.put_frame(_quarantine(table, broken, breaches)) if breaches or faults else None
        ),
        violations=(*map(_count, breaches), *_fault_counts(faults)),
        repeated_rows=len(kept) - len(unique),
        source=address,
        source_sha256=digest,
        synthetic=synthetic,
        dialect="" if synthetic else table.dialect,
    )


def _stop_if_too_many(
    frame: pd.DataFrame,
    broken: np.ndarray[tuple[int], np.dtype[np.bool_]],
    breaches: Sequence[Breach],
    table: Table,
    config: DataConfig,
) -> None:
    bad, rows = int(broken.sum()) + len(table.faults), len(broken) + len(table.faults)
    if bad <= config.max_quarantined_share * rows and bad < rows:
        return
    counts = ", ".join(f"{breach.column} {len(breach.rows):,}" for breach in breaches)
    first = islice(chain.from_iterable(breach.violations() for breach in breaches), _SHOWN)
    shown = [
        *(f"line {fault.line} {fault.rule}" for fault in table.faults[:_SHOWN]),
        *(f"row {found.row}, {found.column}: {short(found.value)} {found.rule}" for found in first),
    ]
    unit = wrong_unit(frame)
    unread = f"lines that are no rows {len(table.faults):,}" if table.faults else ""
    raise ContractError(
        f"{bad:,} of {rows:,} rows ({bad / rows:.1%}) break the contract, and "
        f"data.max_quarantined_share is {config.max_quarantined_share:.1%}. By column: "
        f"{', '.join(filter(None, [counts, unread]))}. "
        f"First: {'; '.join(shown[:_SHOWN])}. {f'{unit}. ' if unit else ''}"
        "Mend the data, or raise that share"
    )


def _count(breach: Breach) -> ViolationCount:
    return ViolationCount(column=breach.column, rule=breach.rule, rows=len(breach.rows))


def _fault_counts(faults: Sequence[Fault]) -> list[ViolationCount]:
    counts = Counter(fault.rule for fault in faults)
    return [ViolationCount(column="", rule=rule, rows=rows) for rule, rows in counts.items()]


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return float64 columns and a text category."""
    columns = {
        name: frame[name].astype(str) if name == CATEGORY else to_floats(frame[name].array)[0]
        for name in frame.columns
    }
    return pd.DataFrame(columns).reset_index(drop=True)


def _quarantine(
    table: Table,
    broken: np.ndarray[tuple[int], np.dtype[np.bool_]],
    breaches: Sequence[Breach],
) -> pd.DataFrame:
    """Return the broken rows as text, with their row number in the source and the reasons.

    A row that cannot be read has no columns, and its line number and its start in the reasons.
    """
    reasons: dict[int, list[str]] = {}
    for breach in breaches:
        for row in breach.rows.tolist():
            reasons.setdefault(row, []).append(f"{breach.column} {breach.rule}")
    rows = np.flatnonzero(broken)
    text = table.frame.loc[broken, [*COLUMNS, TARGET]].astype(str)
    kept = text.assign(
        source_row=table.numbers[rows], reasons=["; ".join(reasons[row]) for row in rows.tolist()]
    )
    if not table.faults:
        return kept
    unread = pd.DataFrame(
        {
            **dict.fromkeys((*COLUMNS, TARGET), ""),
            "source_row": [fault.row for fault in table.faults],
            "reasons": [f"line {item.line} {item.rule}: {item.text}" for item in table.faults],
        }
    )
    return pd.concat([kept, unread], ignore_index=True).sort_values("source_row")
