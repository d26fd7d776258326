"""Traces of callers go through the service, and a collector gets what is recorded."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.serve.conftest import Service

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00"


class Collector(ThreadingHTTPServer):
    """Takes spans as OpenTelemetry's collector does, on loopback."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.spans: list[Any] = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def named(self, name: str) -> Any:
        return next((span for span in list(self.spans) if span.name == name), None)


class Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") is None and self.path == "/v1/traces":
            sent = ExportTraceServiceRequest.FromString(content)
            for resource in sent.resource_spans:
                for scope in resource.scope_spans:
                    self.server.spans += scope.spans
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def test_a_callers_trace_is_returned_and_stands_in_the_log(start: Callable[..., Service]) -> None:
    service = start()
    answer = service.client.get("/health/live", headers={"traceparent": SAMPLED})
    assert answer.headers["traceparent"] == SAMPLED
    service.client.post("/api/v1/predict", content=b"{", headers={"traceparent": UNSAMPLED})
    until(lambda: '"trace_id"' in service.output)  # the answer is sent first
    lines = [json.loads(line) for line in service.output.splitlines() if '"trace_id"' in line]
    assert [line["trace_id"] for line in lines] == [TRACE]
    assert lines[0]["route"] == "/api/v1/predict"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        SAMPLED.upper(),
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE[:-1]}g-{SPAN}-01",
    ],
)
def test_what_is_no_trace_is_ignored(service: Service, header: str) -> None:
    answer = service.client.get("/health/live", headers={"traceparent": header})
    assert answer.status_code == 200
    assert "traceparent" not in answer.headers


def test_a_request_and_its_steps_and_a_load_go_to_the_collector(
    start: Callable[..., Service], collector: Collector, instances: list[dict[str, Any]]
) -> None:
    service = start(otlp_endpoint=collector.url, trace_share=0)
    answer = service.predict(instances[:1], headers={"traceparent": SAMPLED})
    unsampled = service.predict(instances[:1], headers={"traceparent": UNSAMPLED})
    given = answer.json()["predictions"][0]["prediction_id"]
    price = {"instances": [{"prediction_id": given, "actual_price": 200_000}]}
    kept = service.client.post("/api/v1/feedback", json=price, headers={"traceparent": SAMPLED})
    assert kept.status_code == 202
    service.predict(instances[:1])
    until(lambda: collector.named("POST /api/v1/feedback"))
    service.stop()

    _, trace, span, flags = answer.headers["traceparent"].split("-")
    assert (trace, flags) == (TRACE, "01")
    assert unsampled.headers["traceparent"] == UNSAMPLED
    (request,) = [span for span in collector.spans if span.name == "POST /api/v1/predict"]
    assert (request.trace_id.hex(), request.span_id.hex()) == (TRACE, span)
    assert request.parent_span_id.hex() == SPAN
    for name in ("parse", "price"):
        step = collector.named(name)
        assert (step.trace_id.hex(), step.parent_span_id.hex()) == (TRACE, span)
        assert request.start_time_unix_nano <= step.start_time_unix_nano
        assert step.end_time_unix_nano <= request.end_time_unix_nano
    load = collector.named("load")
    parents = {span.parent_span_id for span in collector.spans if span.name == "storage"}
    assert {load.span_id, collector.named("POST /api/v1/feedback").span_id} <= parents


def test_a_share_of_what_has_no_trace_is_recorded_under_a_new_one(
    start: Callable[..., Service], collector: Collector
) -> None:
    service = start(otlp_endpoint=collector.url, trace_share=1)
    named = service.client.get("/api/v1/model").headers["traceparent"]
    until(lambda: collector.named("GET /api/v1/model"))
    assert collector.named("GET /api/v1/model").trace_id.hex() == named.split("-")[1]
    assert not collector.named("GET /api/v1/model").parent_span_id


def test_a_collector_that_is_away_costs_no_answer(
    start: Callable[..., Service], instances: list[dict[str, Any]]
) -> None:
    service = start(otlp_endpoint="http://127.0.0.1:9", trace_share=1)
    assert service.predict(instances[:1]).status_code == 200
