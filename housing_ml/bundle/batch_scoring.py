"""Pricing files of any size: CSV or Parquet, local or `gs://`, in constant memory, resumable.

A source is a file or a folder of files. The target is a folder: each part of it holds the rows of
one chunk, in their order and with all their columns, and the price and its interval beside them.

    target/_job.json                   what was asked; a resumed run must ask the same
    target/<file>-00000.parquet        rows with predicted_price, lower, upper in dollars; at_least
    target/_errors/<file>-00000.parquet.csv   what is wrong: row, column, value, rule, line

A row that breaks the contract keeps its place in the part and has no price; a line of a CSV file
that is no row is in `_errors` alone. A part appears as a whole or not at all, so that a run that
was stopped goes on where it stopped.
"""

from __future__ import annotations

import csv
import io
import posixpath
import time
from itertools import chain
from operator import add, itemgetter
from typing import TYPE_CHECKING, Any, cast

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.fs import FileType

from housing_ml.bundle.overlap import overlapping
from housing_ml.bundle.table_chunks import RESULTS_MARK, listing, locate, read, read_chunks, write
from housing_ml.bundle.table_output import RESULTS
from housing_ml.data.checks import check
from housing_ml.data.columns import known_names
from housing_ml.data.contract import CATEGORY, COLUMNS, ContractError, require_columns, to_matrix
from housing_ml.data.csv_table import EmptyFileError
from housing_ml.data.values import BLANKS, MISSING
from housing_ml.errors import HousingError
from housing_ml.progress import advance, steps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from housing_ml.bundle.model import Bundle
    from housing_ml.bundle.table_chunks import Chunk
    from housing_ml.data.checks import Breach

SUFFIXES = (".csv", ".csv.gz", ".csv.zst", ".tsv", ".parquet")
"""Endings of the files that are read, in any case."""

_SHOWN = 5
"""Files that an error names."""

_CHUNKS_AT_ONCE = 2
"""One is read, checked or written while the trees price the other."""


class ScoreError(HousingError, RuntimeError):
    """A source or target that cannot be used; the message says why and what to do."""


class Job(msgspec.Struct, frozen=True):
    """What a target holds the results of."""

    bundle: str
    """Digest of the bundle."""
    files: dict[str, int]
    """Size in bytes of each source file, by its address."""


class ScoreReport(msgspec.Struct, frozen=True):
    """How many rows were read, how many have no price, and how many parts hold them."""

    target: str
    rows: int = 0
    rejected: int = 0
    parts: int = 0
    resumed: int = 0
    """Parts that an earlier run had finished."""
    seconds: float = 0.0
    dialects: tuple[str, ...] = ()
    """Files that are no usual CSV, with how each was read."""

    def __add__(self, other: ScoreReport) -> ScoreReport:
        """Return the report of both; the seconds are added up too."""
        mine, theirs = msgspec.structs.astuple(self)[1:], msgspec.structs.astuple(other)[1:]
        return ScoreReport(self.target, *map(add, mine, theirs))


def score(source: str, target: str, bundle: Bundle) -> ScoreReport:
    """Price every row of `source` and write the results to the folder `target`.

    Args:
        source: a .csv, .csv.gz, .csv.zst, .tsv or .parquet file, or a folder of them, with its
            sub-folders; a path or a gs:// address.
        target: a new folder, or that of a run of the same source and bundle that was stopped.
        bundle: the model.

    Raises:
        ScoreError: when the source cannot be read, or the target holds something else.
        ContractError: when a file lacks a column.
    """
    started = time.perf_counter()
    report = ScoreReport(target)
    files = claim(source, target, bundle.digest)
    for file in steps(files, "file", [*files.values()]):
        report += score_file(file, source, target, bundle)
    return msgspec.structs.replace(report, seconds=time.perf_counter() - started)


def claim(source: str, target: str, bundle_digest: str) -> dict[str, int]:
    """Make `target` the place of this job's results.

    Returns:
        The sizes in bytes of the source's files, by their addresses.

    Raises:
        ScoreError: when there are none, or the target holds the results of another job.
    """
    files, _ = _source_files(source)
    job = Job(bundle_digest, files)
    try:
        system, folder = locate(target)
        path = posixpath.join(folder, RESULTS_MARK)
        found = read(system, path)
        system.create_dir(posixpath.join(folder, "_errors"), recursive=True)
        if found is None:
            if any(True for _ in listing(system, folder)):
                raise ScoreError(f"{target}: holds other files: name a new folder")
            write(system, path, msgspec.json.encode(job))
        elif msgspec.json.decode(found, type=Job) != job:
            raise ScoreError(
                f"{target}: holds the results of another source or model: name a new folder"
            )
    except (OSError, msgspec.MsgspecError) as error:
        raise ScoreError(f"{target}: cannot be used: {error}") from error
    return files


def left_out(source: str) -> tuple[str, ...]:
    """Return the files of a folder that `score` does not read, by name.

    Raises:
        ScoreError: when there are none that it reads.
    """
    return _source_files(source)[1]


def score_file(file: str, source: str, target: str, bundle: Bundle) -> ScoreReport:
    """Price the rows of one file of `source` into parts of `target`, which `claim` has prepared.

    A file in a sub-folder has its parts in the same one, so that the keys of partitions come along.

    Raises:
        ScoreError: when the file cannot be read, or a part cannot be written.
        ContractError: when the file lacks a column.
    """
    started = time.perf_counter()
    system, folder = locate(target)
    report = ScoreReport(target)

    inner = posixpath.dirname(file.removeprefix(f"{source.rstrip('/')}/")) if file != source else ""
    for path in (inner, posixpath.join("_errors", inner)):
        system.create_dir(posixpath.join(folder, path), recursive=True)

    dialects: set[str] = set()

    def price(job: tuple[_Part, Chunk]) -> ScoreReport:
        dialects.add(job[1].dialect)
        found = _resume(*job) or _score_chunk(*job, bundle)
        advance(job[1].behind, found.rows)
        return found

    try:
        for done in overlapping(price, _jobs(file, system, folder, inner), _CHUNKS_AT_ONCE):
            report += done
    except EmptyFileError as error:
        raise ScoreError(f"{file}: cannot be scored: {error}") from None
    except ContractError as error:
        raise ContractError(f"{file}: {error}") from None
    except (OSError, pa.ArrowException) as error:
        raise ScoreError(f"{file}: cannot be scored: {error}") from error
    told = tuple(f"{file}: read with {dialect}" for dialect in dialects if dialect)
    return msgspec.structs.replace(report, seconds=time.perf_counter() - started, dialects=told)


class _Part(msgspec.Struct, frozen=True):
    """Where one chunk's results go."""

    system: Any
    folder: str
    name: str

    @property
    def path(self) -> str:
        return posixpath.join(self.folder, self.name)

    @property
    def errors(self) -> str:
        return posixpath.join(self.folder, "_errors", f"{self.name}.csv")


def _jobs(file: str, system: Any, folder: str, inner: str) -> Iterator[tuple[_Part, Chunk]]:
    stem, ending = _part_name(posixpath.join(inner, posixpath.basename(file)))
    for index, chunk in enumerate(_chunks(file)):
        yield _Part(system, folder, f"{stem}-{index:05d}{ending}"), chunk


def _part_name(name: str) -> tuple[str, str]:
    """Return what a part's name begins with and its ending: CSV text is written as it is.

    >>> _part_name("county=LA/B.CSV.gz")
    ('county=LA/B', '.csv')
    """
    ending = next(ending for ending in SUFFIXES if name.lower().endswith(ending))
    return name[: -len(ending)], "." + ending.split(".")[1]


def _score_chunk(part: _Part, chunk: Chunk, bundle: Bundle) -> ScoreReport:
    require_columns(cast("Any", known_names(chunk.names)), COLUMNS)
    frame = {name: _values(name, chunk.columns[name]) for name in COLUMNS}
    breaches = check(frame, COLUMNS)
    kept = np.ones(len(chunk.numbers), dtype=np.bool_)
    for breach in breaches:
        kept[breach.rows] = False
    if breaches:
        frame = {name: values[kept] for name, values in frame.items()}
    prediction = bundle.predict_matrix(to_matrix(frame))
    if breaches or chunk.faults:
        write(part.system, part.errors, _errors_csv(breaches, chunk))
    columns = [_dollars(values, kept) for values in prediction]
    columns.append(_flags(bundle.is_open(prediction), kept))
    write(part.system, part.path, chunk.encode(RESULTS, columns))
    aside = len(chunk.faults)
    return ScoreReport("", rows=len(kept) + aside, rejected=int((~kept).sum()) + aside, parts=1)


def _resume(part: _Part, chunk: Chunk) -> ScoreReport | None:
    """Return the report of a chunk whose part is there already."""
    if part.system.get_file_info(part.path).type is FileType.NotFound:
        return None
    errors = read(part.system, part.errors)
    rejected = 0
    if errors is not None:
        rows = csv.DictReader(errors.decode().splitlines(keepends=True))
        rejected = len({row["row"] for row in rows})
    found = len(chunk.numbers) + len(chunk.faults)
    return ScoreReport("", rows=found, rejected=rejected, parts=1, resumed=1)


def _values(name: str, column: pa.Array) -> NDArray[Any]:
    """Return a column as numpy holds it; numbers written as text become float64 where all are."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        column = column.cast(pa.string())
    if pa.types.is_string(column.type):
        if name == CATEGORY:
            return _shared_texts(column.dictionary_encode())
        if (floats := _floats(column)) is not None:
            return floats
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return values


def _floats(column: pa.StringArray) -> NDArray[np.float64] | None:
    """Return text as float64 (rows,), NaN for what is missing; None where Arrow cannot tell.

    Arrow knows the numbers of the contract's grammar, and a few words besides.
    """
    blank = pc.is_in(
        pc.utf8_lower(pc.utf8_trim(column, characters=BLANKS)), value_set=pa.array(MISSING)
    )
    try:
        numbers = pc.if_else(blank, None, column).cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    if not pc.all(pc.is_finite(numbers)).as_py() and numbers.null_count < len(numbers):
        return None  # such as "inf" or 1e999
    floats: NDArray[np.float64] = numbers.to_numpy(zero_copy_only=False)
    return floats


def _shared_texts(column: pa.DictionaryArray) -> NDArray[Any]:
    """Return texts and None, (rows,); a text is one object for all rows: quick to make and find."""
    texts = [*column.dictionary.to_pylist(), None]
    numbers = column.indices.fill_null(len(texts) - 1).to_numpy()
    values: NDArray[Any] = np.array(texts, dtype=object)[numbers]
    return values


def _dollars(values: NDArray[np.float64], kept: NDArray[np.bool_]) -> pa.Array:
    """Return prices to the cent, (rows,), null where a row was not kept."""
    column = np.zeros(len(kept))
    column[kept] = values.round(2)
    return pa.array(column, mask=~kept)


def _flags(values: NDArray[np.bool_], kept: NDArray[np.bool_]) -> pa.Array:
    """Return whether each price is "this or more", (rows,), null where a row was not kept."""
    column = np.zeros(len(kept), dtype=np.bool_)
    column[kept] = values
    return pa.array(column, mask=~kept)


def _errors_csv(breaches: list[Breach], chunk: Chunk) -> bytes:
    """Return what is wrong, by row: its number, the column, the value, the rule, the line."""
    lines = chunk.lines
    found: list[tuple[int, str, str, str, int | str]] = [
        (
            int(chunk.numbers[item.row]),
            item.column,
            str(item.value),
            item.rule,
            "" if lines is None else int(lines[item.row]),
        )
        for item in chain.from_iterable(breach.violations() for breach in breaches)
    ]
    found += [(fault.row, "", fault.text, fault.rule, fault.line) for fault in chunk.faults]
    found.sort(key=itemgetter(0))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("row", "column", "value", "rule", "line"))
    writer.writerows(found)
    return text.getvalue().encode(errors="replace")


def _chunks(file: str) -> Iterator[Chunk]:
    """Yield the file's rows.

    Raises:
        ContractError: when a column would be there twice in the results.
    """
    for chunk in read_chunks(file):
        taken = [name for name in chunk.names if name in RESULTS]
        if taken:
            raise ContractError(f"column {taken[0]} is there twice, or is a result's: rename it")
        yield chunk


def _source_files(source: str) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return the sizes of the source's files by address, by name, and the files that are left out.

    Of a folder these are the files in it and in its sub-folders.
    """
    try:
        system, path = locate(source)
        info = system.get_file_info(path)
        if info.type is FileType.Directory:
            found = {
                f"{source.rstrip('/')}/{posixpath.relpath(item.path, path)}": item.size
                for item in listing(system, path, recursive=True)
            }
        else:
            found = {source: info.size} if info.type is FileType.File else {}
    except (OSError, pa.ArrowException) as error:
        raise ScoreError(f"{source}: cannot be read: {error}") from error
    files = {name: size for name, size in sorted(found.items()) if _is_read(name)}
    left_out = tuple(sorted(set(found) - set(files)))
    if not files:
        there = f"; it holds {', '.join(left_out[:_SHOWN])}" if left_out else ""
        raise ScoreError(
            f"{source}: needs to be a .csv, .csv.gz, .csv.zst, .tsv or .parquet file, or a folder "
            f"of them{there}"
        )
    parts = [_part_name(name) for name in files]
    for name, part in zip(files, parts, strict=True):
        if parts.count(part) > 1:
            raise ScoreError(f"{name}: another file would have parts of the same names: rename it")
    return files, left_out


def _is_read(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)
