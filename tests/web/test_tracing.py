"""Which trace a request belongs to: in its log lines, and at a collector."""

import importlib
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from grok2api.domain.ids import AccountId
from grok2api.telemetry.tracing import open_tracing
from tests.web.conftest import (
    API_KEY,
    MODEL,
    SESSION,
    Edge,
    EdgeMaker,
    port_of,
    question,
    run_server,
)

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


def lines_of(log_output: io.StringIO) -> list[dict[str, Any]]:
    rows = [msgspec.json.decode(line) for line in log_output.getvalue().splitlines()]
    return [row for row in rows if row["msg"] == "request_served"]


async def test_the_trace_of_the_client_is_in_the_log(log_output: io.StringIO, edge: Edge) -> None:
    await edge.client.get("/v1/models", headers={"traceparent": PARENT})
    await edge.client.get("/v1/models", headers={"traceparent": "nonsense"})
    await edge.client.get("/v1/models")

    [known, wrong, none] = lines_of(log_output)
    assert (known["trace_id"], known["span_id"]) == (TRACE, SPAN)
    assert not {"trace_id", "span_id"} & (wrong.keys() | none.keys())


@dataclass
class Collector:
    """Takes spans as an OTLP collector does."""

    bodies: list[bytes] = field(default_factory=list)
    url: str = ""

    async def take(self, request: Request) -> Response:
        self.bodies.append(await request.body())
        return Response(b"", media_type="application/x-protobuf")


@asynccontextmanager
async def open_stub() -> AsyncIterator[Collector]:
    collector = Collector()
    app = Starlette(routes=[Route("/v1/traces", collector.take, methods=["POST"])])
    async with run_server(app) as server:
        collector.url = f"http://127.0.0.1:{port_of(server)}"
        yield collector


def decode_spans(bodies: list[bytes]) -> list[dict[str, Any]]:
    """Return the spans as plain facts."""
    service = importlib.import_module("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    found = []
    for body in bodies:
        request = service.ExportTraceServiceRequest()
        request.ParseFromString(body)
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                found += [
                    {
                        "name": span.name,
                        "trace": span.trace_id.hex(),
                        "id": span.span_id.hex(),
                        "parent": span.parent_span_id.hex(),
                        "kind": span.kind,
                        "facts": {a.key: _plain(a.value) for a in span.attributes},
                        "is_error": span.status.code == 2,
                    }
                    for span in scope.spans
                ]
    return found


def _plain(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with open_stub() as stub:
        yield stub


@asynccontextmanager
async def traced(make_edge: EdgeMaker, url: str) -> AsyncIterator[Edge]:
    opened = open_tracing(url)
    assert opened is not None, "The extra 'tracing' is part of 'test': make installs it."
    async with opened as tracing, make_edge(tracing=tracing) as edge:
        yield edge


async def test_a_collector_gets_the_spans_of_a_request(
    make_edge: EdgeMaker, collector: Collector, log_output: io.StringIO
) -> None:
    async with traced(make_edge, collector.url) as edge:
        await edge.client.post(
            "/v1/chat/completions",
            json=question(stream=True),
            headers={"traceparent": PARENT, "tracestate": "a=b"},
        )

    spans = decode_spans(collector.bodies)
    by_name = {span["name"]: span for span in spans}
    request = by_name["POST /v1/chat/completions"]
    attempt = by_name[f"chat {MODEL}"]
    [line] = lines_of(log_output)
    assert set(by_name) == {request["name"], attempt["name"], "admission", "acquire"}
    assert {span["trace"] for span in spans} == {TRACE}
    assert request["parent"] == SPAN
    assert {span["parent"] for span in spans if span is not request} == {request["id"]}
    assert (line["trace_id"], line["span_id"]) == (TRACE, request["id"])
    assert request["facts"]["http.response.status_code"] == 200
    assert request["facts"]["http.route"] == "/v1/chat/completions"
    assert request["facts"]["gen_ai.usage.output_tokens"] > 0
    assert attempt["facts"]["gen_ai.operation.name"] == "chat"
    assert attempt["facts"]["gen_ai.request.model"] == MODEL
    assert attempt["facts"]["grok2api.outcome"] == "ok"
    assert not any(span["is_error"] for span in spans)


async def test_what_fails_is_marked_and_says_no_secret(
    make_edge: EdgeMaker, collector: Collector
) -> None:
    async with traced(make_edge, collector.url) as edge:
        await edge.client.post(
            "/v1/chat/completions", json=question(), headers={"authorization": "Bearer wrong-key"}
        )
        await edge.store.remove(AccountId("acc_1"))
        messages = [{"role": "user", "content": "planted-prompt-text"}]
        await edge.client.post("/v1/chat/completions", json=question(messages=messages))

    spans = decode_spans(collector.bodies)
    failed = {span["name"]: span["facts"]["error.type"] for span in spans if span["is_error"]}
    assert failed["admission"] == "authentication"
    assert failed["acquire"] == "no_account_available"
    assert len({span["trace"] for span in spans}) == 2
    for planted in (API_KEY, SESSION, "wrong-key", "planted-prompt-text"):
        assert planted.encode() not in b"".join(collector.bodies)


async def test_a_collector_that_is_away_costs_no_request(make_edge: EdgeMaker) -> None:
    async with traced(make_edge, "http://127.0.0.1:9") as edge:
        answers = [(await edge.client.get("/v1/models")).status_code for _ in range(5)]

    assert answers == [200] * 5
