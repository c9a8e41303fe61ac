"""Spans by way of OpenTelemetry; imported only where an endpoint is set."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from grok2api.telemetry.trace_context import TraceParent
from grok2api.telemetry.tracing import Attributes, Span, Tracing

_EXPORT_TIMEOUT_S: Final = 5
_REQUEST: Final = "request"


class _OtelSpan:
    """One span."""

    __slots__ = ("_span",)

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def set(self, attributes: Attributes) -> None:
        self._span.set_attributes(dict(attributes))

    def end(self, error: str = "") -> None:
        if error:
            self._span.set_attribute("error.type", error)
            self._span.set_status(trace.Status(trace.StatusCode.ERROR))
        self._span.end()


class _OtelRequestSpan(_OtelSpan):
    """The span of a request."""

    __slots__ = ("_context", "_tracer", "span_id", "trace_id")

    def __init__(self, tracer: trace.Tracer, span: trace.Span) -> None:
        super().__init__(span)
        self._tracer = tracer
        # Handed over, not made the current one: streams run and end in tasks of their own.
        self._context = trace.set_span_in_context(span, Context())
        ids = span.get_span_context()
        self.trace_id = trace.format_trace_id(ids.trace_id)
        self.span_id = trace.format_span_id(ids.span_id)

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def child(self, name: str, attributes: Attributes, *, is_call: bool) -> Span:
        kind = trace.SpanKind.CLIENT if is_call else trace.SpanKind.INTERNAL
        span = self._tracer.start_span(name, self._context, kind, dict(attributes))
        return _OtelSpan(span)


class _OtelTracing:
    """Begins the spans of requests."""

    __slots__ = ("_tracer",)

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer

    def begin_request(self, parent: TraceParent | None, state: str) -> _OtelRequestSpan:
        above = Context() if parent is None else _above(parent, state)
        span = self._tracer.start_span(_REQUEST, above, trace.SpanKind.SERVER)
        return _OtelRequestSpan(self._tracer, span)


@asynccontextmanager
async def open_collector(endpoint: str) -> AsyncIterator[Tracing]:
    """Send spans to the collector at `endpoint`, from a thread; what is left goes at the end.

    A collector that does not answer loses spans and nothing else.
    """
    provider = TracerProvider(
        resource=Resource.create(
            {"service.name": "grok2api", "service.version": version("grok2api")}
        ),
        shutdown_on_exit=False,
    )
    exporter = OTLPSpanExporter(
        endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=_EXPORT_TIMEOUT_S
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield _OtelTracing(provider.get_tracer("grok2api", version("grok2api")))
    finally:
        await asyncio.to_thread(provider.shutdown)


def _above(parent: TraceParent, state: str) -> Context:
    ids = trace.SpanContext(
        trace_id=int(parent.trace_id, 16),
        span_id=int(parent.span_id, 16),
        is_remote=True,
        trace_flags=trace.TraceFlags(int(parent.is_sampled)),
        trace_state=trace.TraceState.from_header([state]) if state else trace.TraceState(),
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(ids), Context())
