"""What a retrain costs on many times the rows, stage by stage.

    python benchmarks/growth.py [ROWS ...]

Each retrain has a home folder of its own, and jittered copies of the real rows in a Parquet file:
places by up to 0.02 degrees, amounts by up to 3 %. Seconds are those that the stages say; beside
them is the processor time, which a busy machine changes little. Memory is the largest sum of the
resident sets of the retrain's processes while the stage ran: so much of the run itself, of
Prefect's server, and of the processes that fit folds. Then the size of the bundle, and the
service's start and latency of one price with it. Defaults: 20640 and 206400.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np
import pandas as pd

from benchmarks.server import Server
from housing_ml.config.data import DataConfig
from housing_ml.data.contract import FIELDS, NUMERIC, TARGET
from housing_ml.data.source import locate, read_source
from housing_ml.data.table_file import read_table
from housing_ml.settings import Settings

_STAGE = re.compile(r"^(\w[\w ]*?) +(computed|failed) +([\d.]+) s")
_REQUESTS = 200
_LOOKS_SECONDS = 0.5
_TIMES = slice(11, 15)
"""Ticks in user and kernel mode, and those of children that have ended, after a process's name."""

_KINDS = {"loky": "folds", "prefect_server": "server", "": "run"}
"""What a process is for, by a word of its command."""


class Stage(NamedTuple):
    """What one stage took: seconds, those of processors, and bytes by kind of process at most."""

    name: str
    seconds: float
    worked: float
    largest: dict[str, int]


def jittered(frame: pd.DataFrame, rows: int) -> pd.DataFrame:
    """Return so many rows: the real ones, then copies of them that are moved a little."""
    copies = -(-rows // len(frame))
    many = pd.concat([frame] * copies, ignore_index=True).head(rows)
    random = np.random.default_rng(7)
    new = np.arange(rows) >= len(frame)
    for name in (*NUMERIC, TARGET):
        place = name in {"longitude", "latitude"}
        values = many[name].to_numpy(dtype=float)
        moved = (
            values + random.uniform(-0.02, 0.02, rows)
            if place
            else values * random.uniform(0.97, 1.03, rows)
        )
        moved = np.clip(moved, FIELDS[name].minimum, FIELDS[name].maximum)
        many[name] = np.where(new, moved if place else np.round(moved, 4), values)
    return many


def processes(root: int) -> list[tuple[str, int, str]]:
    """Return number, resident bytes and command of a process and of all its descendants."""
    command = ["ps", "-A", "-o", "pid=,ppid=,rss=,args="]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
    table = [line.split(maxsplit=3) for line in listed.splitlines()]
    family = {str(root)}
    while more := {pid for pid, parent, *_ in table if parent in family} - family:
        family |= more
    return [
        (pid, int(kilobytes) * 1024, arguments)
        for pid, _, kilobytes, arguments in table
        if pid in family
    ]


def memory(root: int) -> dict[str, int]:
    """Return the resident bytes of a process and of all its descendants, by what they are for."""
    found = dict.fromkeys(_KINDS.values(), 0)
    for _, resident, arguments in processes(root):
        found[next(kind for word, kind in _KINDS.items() if word in arguments)] += resident
    return found


def worked(root: int) -> float:
    """Return the processor seconds of a process, its descendants, and those that have ended."""
    ticks = 0
    for pid, *_ in processes(root):
        with suppress(OSError):
            fields = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[_TIMES]))
    return ticks / os.sysconf("SC_CLK_TCK")


def retrain(home: Path, data: Path) -> list[Stage]:
    """Run a whole retrain; return what each stage took."""
    environment = {**os.environ, "HOUSING_HOME": str(home), "HOUSING_DATA_URL": str(data)}
    environment |= {"WANDB_MODE": "offline", "PREFECT_API_URL": ""}
    command = [sys.executable, "-m", "housing_ml.cli", "retrain", "--as-job"]
    looks: list[dict[str, int]] = []
    stages, ended, before = [], threading.Event(), 0.0
    with subprocess.Popen(  # noqa: S603 - our own command
        command, env=environment, stderr=subprocess.PIPE, text=True
    ) as running:

        def look() -> None:
            while not ended.wait(_LOOKS_SECONDS):
                looks.append(memory(running.pid))

        threading.Thread(target=look, daemon=True).start()
        for line in running.stderr or ():
            print(line, end="", file=sys.stderr)
            if found := _STAGE.match(line):
                seen = [*looks, dict.fromkeys(_KINDS.values(), 0)]
                largest = max(seen, key=lambda look: sum(look.values()))
                now = worked(running.pid)
                stages.append(Stage(found[1], float(found[3]), now - before, largest))
                before = now
                looks.clear()
        ended.set()
    if running.returncode:
        raise SystemExit(f"the retrain ended with {running.returncode}")
    return stages


def processor_seconds() -> float:
    """Return the processor time of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def served(home: Path, row: dict[str, object]) -> tuple[float, float]:
    """Return the seconds until a service is ready, and its median milliseconds for one price."""
    places = {"HOUSING_HOME": str(home), "HOUSING_SERVE_PORT": "{port}"}
    started = time.perf_counter()
    with Server([sys.executable, "-m", "serve"], places) as server:
        ready = time.perf_counter() - started
        times = []
        with httpx.Client(base_url=server.url) as client:
            for _ in range(_REQUESTS):
                asked = time.perf_counter()
                client.post("/api/v1/predict", json={"instances": [row]}).raise_for_status()
                times.append(time.perf_counter() - asked)
    return ready, float(np.median(times)) * 1000


def main(sizes: list[int]) -> None:
    """Measure a retrain of each size and print a table."""
    source = locate(DataConfig(), Settings())
    frame = read_table(source.address, read_source(source.address, source.expected_sha256))
    row = frame.drop(columns=TARGET).iloc[0].to_dict()
    for rows in sizes:
        with tempfile.TemporaryDirectory() as folder:
            home, data = Path(folder, "home"), Path(folder, "rows.parquet")
            jittered(frame, rows).to_parquet(data, index=False)
            started, before = time.perf_counter(), processor_seconds()
            stages = retrain(home, data)
            seconds = time.perf_counter() - started
            worked = processor_seconds() - before
            bundles = (home / "storage" / "releases" / "bundles").rglob("*.*")
            size = sum(file.stat().st_size for file in bundles)
            ready, latency = served(home, row)
        print(
            f"\n{rows:,} rows: {seconds:.0f} s ({worked:.0f} s of processor time), "
            f"bundle {size / 1e6:.1f} MB, service ready in {ready:.1f} s, {latency:.2f} ms a price"
        )
        for name, took, of_processors, largest in stages:
            parts = ", ".join(f"{kind} {size / 1e9:.2f}" for kind, size in largest.items() if size)
            total = sum(largest.values()) / 1e9
            print(f"  {name:14} {took:8.1f} s {of_processors:8.1f} s {total:6.2f} GB ({parts})")


if __name__ == "__main__":
    main([int(text) for text in sys.argv[1:]] or [20_640, 206_400])
