"""Commands that use the champion: `predict`, `score` and `serve`."""
# ruff: noqa: PLC0415, T201 - keeps `housing --help` quick; a command prints

from __future__ import annotations

import os
import sys
from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations
from typing import TYPE_CHECKING

from housing_ml.commands.output import LEFT_OUT, CommandError, Flag, Json, print_json, show, warn
from housing_ml.settings import Settings

if TYPE_CHECKING:
    from housing_ml.bundle.model import Bundle, Prediction
    from housing_ml.data.table_file import Table

_QUOTED = 10
"""Violations that an error shows."""


def predict(file: Path, *, out: Path | None = None, as_json: Json = False) -> int:
    """Predict the price of each row of a CSV or Parquet file with the champion.

    Args:
        file: Block groups with the columns of the contract.
        out: CSV or Parquet file for the rows with their predictions; standard output if empty.
        as_json: Print the rows with their predictions as JSON instead.
    """
    from housing_ml.bundle.table_output import ENDINGS, priced_bytes, priced_frame

    if out is not None and out.suffix.lower() not in ENDINGS:
        raise CommandError(f"{out}: name a file that ends with {' or '.join(ENDINGS)}")
    bundle, table = _champion(), _read(file)
    if table.dialect:
        warn(f"{file}: read with {table.dialect}")
    prediction = _predict(bundle, table)
    if as_json:
        print(
            priced_frame(table, prediction, bundle.is_open(prediction)).to_json(
                orient="records", indent=2
            )
        )
        return 0
    ending = out.suffix.lower() if out else ".csv"
    content = priced_bytes(table, prediction, bundle.is_open(prediction), ending)
    try:
        if out is None:
            sys.stdout.buffer.write(content)
            sys.stdout.flush()
        else:
            out.write_bytes(content)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more to flush
    except OSError as error:
        raise CommandError(f"{out}: cannot be written: {error.strerror}") from None
    return 0


def score(source: str, target: str, *, verbose: Flag = False, as_json: Json = False) -> int:
    """Price files of any size with the champion, in constant memory; a stopped run goes on.

    Args:
        source: Path or gs:// address of a .csv, .csv.gz, .csv.zst, .tsv or .parquet file, or of a
            folder of them; exit code 4 says that it holds other files, which were left out.
        target: Folder for the results: a new one, or that of a run that was stopped.
        verbose: Show the libraries' own logs too.
        as_json: Print the report as JSON.
    """
    from flows.score import run_score
    from housing_ml.bundle.batch_scoring import left_out

    left = left_out(source)
    report = run_score(source, target, verbose=verbose)
    if as_json:
        print_json(report)
    else:
        show(
            f"{report.rows:,} rows in {report.seconds:.1f} s, of which {report.rejected:,} break "
            f"the contract and have no price: `{report.target}`"
        )
    for told in report.dialects[:_QUOTED]:
        warn(told)
    if left:
        warn(f"{len(left):,} files are no tables and were left out: {', '.join(left[:_QUOTED])}")
    return LEFT_OUT if left else 0


def serve(*, host: str | None = None, port: int | None = None, workers: int | None = None) -> int:
    """Start the service on the champion; what is not given comes from `HOUSING_SERVE_*`.

    Args:
        host: Address to listen on.
        port: Port to listen on.
        workers: Processes that answer requests.
    """
    from serve.server import main

    return main(host=host, port=port, workers=workers)


def no_champion() -> str:
    """Say where there is no champion, and what to type."""
    settings = Settings()
    place = settings.storage_block or settings.releases_path
    return f"there is no champion yet in {place}: type `housing retrain` or `make run`"


def _champion() -> Bundle:
    from housing_ml.bundle.model import Bundle
    from housing_ml.releases.channels import fetch_bundle, open_releases, read_channels

    settings = Settings()
    releases = open_releases(settings)
    channels, _ = read_channels(releases)
    champion = channels.channels.get("champion")
    if champion is None:
        raise CommandError(no_champion())
    files = fetch_bundle(releases, champion.bundle)
    return Bundle(files, same_code=settings.require_same_code)


def _predict(bundle: Bundle, table: Table) -> Prediction:
    """Return the rows' prices and intervals in dollars.

    Raises:
        ContractError: when a row breaks the contract, or cannot be read.
    """
    from housing_ml.data.checks import check
    from housing_ml.data.contract import COLUMNS, ContractError, require_columns, to_matrix

    frame = table.frame
    require_columns(frame, COLUMNS)
    found = [violation for breach in check(frame, COLUMNS) for violation in breach.violations()]
    lines = [
        *(f"line {fault.line} {fault.rule}" for fault in table.faults),
        *(
            f"row {table.numbers[item.row]}, {item.column}: {item.value!r} {item.rule}"
            for item in found
        ),
    ]
    if lines:
        shown = "\n".join(lines[:_QUOTED])
        raise ContractError(
            f"{len(lines):,} values break the contract:\n{shown}\n"
            "mend them; or `housing score` prices the other rows, and sets these aside"
        )
    return bundle.predict_matrix(to_matrix(frame))


def _read(file: Path) -> Table:
    from housing_ml.data.source import read_source
    from housing_ml.data.table_file import read_rows

    return read_rows(str(file), read_source(str(file), None))
