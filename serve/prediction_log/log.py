"""Every prediction, off the response path: a bounded queue, local segments, Parquet in storage.

`offer` costs a microsecond and never waits. One thread moves the queue to a segment every flush
interval, so that `kill -9` loses at most that; when the disk is full they wait in the queue.
Another moves finished segments to storage, also those of a process that died, and tries again
later when storage is out.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog

from housing_ml.feedback.log_format import FOLDER, FORMAT
from serve.prediction_log import parquet
from serve.prediction_log.segments import (
    SUFFIX,
    Entry,
    FinishedSegment,
    SegmentError,
    SegmentWriter,
    read_entries,
    to_columns,
)
from serve.schemas import Dependency

if TYPE_CHECKING:
    from pathlib import Path

    from serve.settings import Settings
    from serve.telemetry.metrics import Metrics

_SEGMENT_BYTES = 2 * 2**20
"""A segment is in memory as a whole, several times over, while it becomes Parquet."""
_SHIP_SECONDS = 5.0

_SAID = {"format": str(FORMAT.number), "needs": FORMAT.needs}

Put = Callable[[str, bytes], Any]
"""Stores bytes under a name; raises when it cannot."""

logger = structlog.get_logger(__name__)


class PredictionLog:
    """The queue, the segments and the two threads of one worker."""

    def __init__(
        self,
        settings: Settings,
        put: Put,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._folder = settings.state / "log"
        self._put = put
        self._metrics = metrics
        self._queue: deque[Entry] = deque()
        self._waiting = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._segment: SegmentWriter | None = None
        self._write_error: str | None = None
        self._ship_error: str | None = None
        self._writer = threading.Thread(target=self._write, name="prediction-log", daemon=True)
        self._shipper = threading.Thread(target=self._ship, name="log-shipper", daemon=True)

    def start(self) -> None:
        """Start the threads."""
        self._writer.start()
        self._shipper.start()

    def stop(self, patience: float = 5.0) -> None:
        """Flush the queue to disk, move what is finished to storage within `patience` seconds."""
        self._stop.set()
        self._writer.join()
        self._shipper.join(patience)

    def dependency(self) -> Dependency:
        """Return how the log is: degraded while it cannot write or cannot move segments."""
        error = self._write_error or self._ship_error
        detail = f"{self._waiting} of {self._settings.log_queue} wait in the queue"
        return Dependency("degraded" if error else "ok", error or detail)

    def offer(self, entry: Entry) -> None:
        """Queue an entry, or count its predictions as not logged when the queue is full."""
        rows = len(entry.ids)
        with self._lock:
            if self._waiting + rows <= self._settings.log_queue:
                self._waiting += rows
                self._queue.append(entry)
                return
        self._metrics.not_logged("queue_full", rows)

    def _write(self) -> None:
        while not self._stop.wait(self._settings.log_flush_seconds):
            self._flush()
        self._flush()
        self._close_segment()
        if self._waiting:
            self._metrics.not_logged("disk", self._waiting)

    def _flush(self) -> None:
        entries = list(self._queue)  # only this thread takes entries out
        if entries and self._append(entries):
            with self._lock:
                for entry in entries:
                    self._queue.popleft()
                    self._waiting -= len(entry.ids)
        self._metrics.log_depth.set(self._waiting)
        segment = self._segment
        if segment and (
            segment.size >= _SEGMENT_BYTES
            or time.monotonic() - segment.opened >= self._settings.log_segment_seconds
        ):
            self._close_segment()

    def _append(self, entries: list[Entry]) -> bool:
        try:
            self._segment = self._segment or SegmentWriter(self._folder)
            self._segment.append(entries)
        except OSError as error:
            if self._write_error is None:
                logger.error("prediction_log_failing", error=str(error))  # noqa: TRY400 - once, no trace
            self._write_error = str(error)
            return False
        if self._write_error is not None:
            logger.info("prediction_log_recovered")
        self._write_error = None
        return True

    def _close_segment(self) -> None:
        if self._segment:
            self._segment.close()
            self._segment = None

    def _ship(self) -> None:
        while not self._stop.wait(_SHIP_SECONDS):
            self._ship_finished()
        self._writer.join()
        self._ship_finished()

    def _ship_finished(self) -> None:
        left = None
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            try:
                self._ship_one(path)
            except SegmentError as error:  # it stays for the version that reads it
                left = str(error)
            except Exception as error:  # noqa: BLE001 - storage may fail in any way
                self._metrics.log_shipments.labels("failed").inc()
                self._ship_error = f"storage: {error}"
                logger.warning("prediction_log_not_shipped", segment=path.name, error=str(error))
                return
        if left and self._ship_error != left:
            logger.warning("prediction_log_not_shipped", error=left)
        self._ship_error = left

    def _ship_one(self, path: Path) -> None:
        with FinishedSegment(path) as file:
            if file is None:
                return
            if entries := list(read_entries(file)):
                day = f"{path.name[:4]}-{path.name[4:6]}-{path.name[6:8]}"
                name = f"{FOLDER}/date={day}/{path.stem}.parquet"
                self._put(name, parquet.encode(to_columns(entries), _SAID))
                self._metrics.log_shipments.labels("done").inc()
            path.unlink()
