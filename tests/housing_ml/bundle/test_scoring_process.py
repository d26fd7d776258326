"""Scoring as a process: killed and run again, and given a line as large as a disk holds."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from housing_ml.bundle.manifest import Provenance
from housing_ml.config.choices import FeatureParameters
from housing_ml.config.modelling import TrainingConfig
from housing_ml.data.contract import TARGET, to_matrix
from housing_ml.modelling.training import train
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

_SCORE = """
import json, sys
from pathlib import Path
from housing_ml.bundle import table_chunks
from housing_ml.bundle.batch_scoring import score
from housing_ml.bundle.model import load_bundle

source, target, bundle, chunk_bytes = sys.argv[1:]
table_chunks.CHUNK_BYTES = int(chunk_bytes)
report = score(source, target, load_bundle(Path(bundle)))
(peak,) = [line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line]
print(json.dumps([report.rows, report.rejected, report.resumed, int(peak.split()[1]) / 1024]))
"""
_LINE_BYTES = 1024**3


def start(source: Path, target: Path, bundle: Path, chunk_bytes: int) -> subprocess.Popen[bytes]:
    given = (source, target, bundle, chunk_bytes)
    return subprocess.Popen([sys.executable, "-c", _SCORE, *map(str, given)], stdout=-1)


def result(process: subprocess.Popen[bytes]) -> list[float]:
    """Rows, those rejected, parts of an earlier run, and the most memory in MB."""
    output, _ = process.communicate()
    assert process.returncode == 0
    return list(json.loads(output))


@pytest.fixture(scope="module")
def bundle(housing_frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows, folder = housing_frame[::40], tmp_path_factory.mktemp("model") / "bundle"
    features = FeatureParameters(imputer="median", clusters=0)
    provenance = Provenance(data_digest="0" * 64, rows=len(rows), synthetic=False)
    prices = rows[TARGET].to_numpy()
    config = TrainingConfig(folds=2)
    train(to_matrix(rows), prices, features, "ridge", {}, config, provenance).bundle.save(folder)
    return folder


def parts(target: Path) -> dict[str, bytes]:
    return {item.name: item.read_bytes() for item in target.glob("*.csv")}


def test_a_run_that_was_killed_goes_on_and_writes_what_a_whole_run_does(
    housing_frame: pd.DataFrame, bundle: Path, tmp_path: Path
) -> None:
    source, target, whole = tmp_path / "rows.csv", tmp_path / "out", tmp_path / "whole"
    housing_frame.to_csv(source, index=False)

    process = start(source, target, bundle, 100_000)
    until(lambda: len(parts(target)) >= 3 or process.poll() is not None)
    process.kill()
    process.communicate()
    kept = parts(target)
    rows, rejected, resumed, _ = result(start(source, target, bundle, 100_000))
    result(start(source, whole, bundle, 100_000))

    assert (rows, rejected) == (len(housing_frame), 0)
    assert resumed == len(kept) >= 3
    assert parts(target) == parts(whole)
    assert not [item for item in target.iterdir() if item.name.startswith(".")]


def test_a_line_of_a_gigabyte_is_set_aside_in_little_memory(
    housing_frame: pd.DataFrame, bundle: Path, tmp_path: Path
) -> None:
    source, block = tmp_path / "rows.csv.zst", b"7" * 1024**2
    first, *rows = housing_frame[:20].to_csv(index=False).encode().splitlines(keepends=True)
    with pa.CompressedOutputStream(str(source), "zstd") as file:
        file.write(first + b"".join(rows[:10]))
        for _ in range(_LINE_BYTES // len(block)):
            file.write(block)
        file.write(b"\n" + b"".join(rows[10:]))

    rows_read, rejected, _, peak = result(start(source, tmp_path / "out", bundle, 8 * 1024**2))

    assert (rows_read, rejected) == (21, 1)
    assert peak < 400
    (errors,) = (tmp_path / "out" / "_errors").glob("*.csv")
    assert "is longer than 8,388,608 bytes" in errors.read_text()
