"""Spans of what is done for a request; without an endpoint nothing is made and nothing imported."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from importlib import import_module
from typing import Final, Protocol

import structlog

from grok2api.telemetry.trace_context import TraceParent

log = structlog.get_logger(__name__)

Attributes = Mapping[str, str | int | float | bool]
PROVIDER: Final = "x_ai"
_COLLECTOR: Final = "grok2api.telemetry.otel"


class Span(Protocol):
    """Something that takes time. `end` says how it went; "" is well, else a word for the error."""

    def set(self, attributes: Attributes) -> None: ...

    def end(self, error: str = "") -> None: ...


class RequestSpan(Span, Protocol):
    """The span of a whole request; `child` begins one below it, for an own or another service."""

    trace_id: str
    span_id: str

    def rename(self, name: str) -> None: ...

    def child(self, name: str, attributes: Attributes, *, is_call: bool) -> Span: ...


class Tracing(Protocol):
    """Begins the spans of requests."""

    def begin_request(self, parent: TraceParent | None, state: str) -> RequestSpan: ...


class _NoSpan:
    """What is not traced."""

    __slots__ = ()

    def set(self, attributes: Attributes) -> None:
        return

    def end(self, error: str = "") -> None:
        return


NO_SPAN: Final[Span] = _NoSpan()
_current: ContextVar[RequestSpan | None] = ContextVar("request_span", default=None)


def enter_request(span: RequestSpan | None) -> None:
    """Let the spans that this task and its children begin from now on be below `span`."""
    _current.set(span)


def begin_span(name: str, attributes: Attributes, *, is_call: bool = False) -> Span:
    """Begin a span of the request that is being served, if it is traced; its owner ends it.

    `is_call` says that another service is asked. Attributes hold no secret, no prompt, no answer.
    """
    request = _current.get()
    return NO_SPAN if request is None else request.child(name, attributes, is_call=is_call)


def open_tracing(endpoint: str) -> AbstractAsyncContextManager[Tracing] | None:
    """Return what sends spans to an OTLP collector; it is to be opened once per process.

    None where `endpoint` is "", or where the extra `tracing` is not installed.
    """
    if not endpoint:
        return None
    try:
        # Not at the top: it costs time and memory, and needs what is not always installed.
        collector = import_module(_COLLECTOR)
    except ModuleNotFoundError:
        log.warning("tracing_unavailable", hint="pip install '.[tracing]'")
        return None
    opened: AbstractAsyncContextManager[Tracing] = collector.open_collector(endpoint)
    return opened
