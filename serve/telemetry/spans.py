"""Spans for OpenTelemetry: a request or a load of a model, and its steps, to an OTLP endpoint."""

from __future__ import annotations

import random
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    TraceFlags,
    set_span_in_context,
)

from housing_ml import __version__
from serve.telemetry.traces import Parent, recording

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from opentelemetry.context import Context


class Telemetry:
    """Records what callers record, and a share of what has no caller's trace.

    Args:
        endpoint: base address of a collector, such as `http://127.0.0.1:4318`.
        share: of the requests without a `traceparent`, from 0 to 1.
    """

    def __init__(self, endpoint: str, share: float) -> None:
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
        named = Resource.create({"service.name": "housing", "service.version": __version__})
        self._provider = TracerProvider(sampler=ALWAYS_ON, resource=named)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("housing", __version__)
        self._share = share

    def request(self, method: str, parent: Parent | None) -> _Recorder | None:
        """Return what records a request; none when it is not to be."""
        sampled = parent.sampled if parent else random.random() < self._share  # noqa: S311
        if not sampled:
            return None
        context = _context(parent) if parent else None
        span = self._tracer.start_span(method, context, kind=SpanKind.SERVER)
        span.set_attribute("http.request.method", method)
        return _Recorder(self, span)

    @contextmanager
    def load(self) -> Iterator[object]:
        """Record the load of a model, as long as the block."""
        recorder = _Recorder(self, self._tracer.start_span("load"))
        token = recording.set(recorder)
        try:
            yield recorder
        finally:
            recording.reset(token)
            recorder.span.end()

    def step(self, name: str, context: Context) -> AbstractContextManager[object]:
        """Record a step, as long as the block."""
        return self._tracer.start_as_current_span(name, context)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


class _Recorder:
    def __init__(self, telemetry: Telemetry, span: Span) -> None:
        self.span = span
        self._telemetry = telemetry
        self._inside = set_span_in_context(span)

    @property
    def traceparent(self) -> bytes:
        found = self.span.get_span_context()
        return f"00-{found.trace_id:032x}-{found.span_id:016x}-01".encode()

    def step(self, name: str) -> AbstractContextManager[object]:
        return self._telemetry.step(name, self._inside)

    def answered(self, route: str, status: int) -> None:
        self.span.update_name(f"{self.span.name} {route}")  # type: ignore[attr-defined]
        self.span.set_attribute("http.route", route)
        self.span.set_attribute("http.response.status_code", status)
        self.span.end()


def _context(parent: Parent) -> Context:
    remote = SpanContext(
        int(parent.trace, 16),
        int(parent.span, 16),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
    return set_span_in_context(NonRecordingSpan(remote))
