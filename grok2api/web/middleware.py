"""What every request passes: its id, its log line and numbers, and what every answer carries."""

import secrets
import string

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from grok2api.dialects.rate_limits import anthropic_limit_headers, openai_limit_headers
from grok2api.domain.admission import Admission
from grok2api.domain.ids import ClientKeyId
from grok2api.error_kinds import LimitsLeft
from grok2api.telemetry.metrics import OTHER, ServedRequest
from grok2api.telemetry.trace_context import parse_traceparent
from grok2api.telemetry.tracing import RequestSpan, enter_request
from grok2api.web.facts import ANTHROPIC, KEY, RequestFacts
from grok2api.web.graphs import graphs_in
from grok2api.web.security_headers import FOR_ALL_ELSE, FOR_PAGES, POLICY
from grok2api.web.state import KEY as STATE_KEY, AppState
from grok2api.web.usage import CLIENT_CLOSED_REQUEST, describe_served, end_answer, settle_answer

log = structlog.get_logger(__name__)

SWITCHING_PROTOCOLS = 101
MAX_ID_LENGTH = 128
_ID_CHARACTERS = frozenset(string.ascii_letters + string.digits + "-_.:")
_WEBSOCKET = "WEBSOCKET"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", _WEBSOCKET})
_QUIET_ROUTES = frozenset({"/healthz", "/readyz", "/health", "/metrics", "/static"})


class RequestContext:
    """Gives a request its id, facts and log context, and every answer its security headers.

    It is the outermost layer of ours.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        with graphs_in(scope).use() as state:
            scope["state"][STATE_KEY] = state
            await self._serve_counted(state, scope, receive, send)

    async def _serve_counted(
        self, state: AppState, scope: Scope, receive: Receive, send: Send
    ) -> None:
        facts = RequestFacts(
            request_id=_request_id(scope),
            started_s=state.clock.monotonic_s(),
            client=state.proxies.client_in(scope),
            agent=_header(scope, b"user-agent"),
        )
        scope["state"][KEY] = facts
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=facts.request_id)
        _begin_trace(state, facts, scope)
        with state.drain.request():
            state.metrics.request_started()
            try:
                await self._app(scope, receive, _FinishingSend(send, facts, state, scope))
            finally:
                _record(state, facts, scope)


class _FinishingSend:
    """Adds what every answer carries, and remembers its status.

    A call of a client key ends before its client can know that the answer is over: else the next
    one might be refused because of it. An answer that is whole tells what is left after it, a
    stream what is left when it begins; other calls came and went since it was let in.
    """

    __slots__ = ("_facts", "_scope", "_send", "_state")

    def __init__(self, send: Send, facts: RequestFacts, state: AppState, scope: Scope) -> None:
        self._send = send
        self._state = state
        self._scope = scope
        self._facts = facts

    async def __call__(self, message: Message) -> None:
        kind = message["type"]
        if kind in {"http.response.start", "websocket.http.response.start"}:
            self._facts.status = message["status"]
            given = list(message.get("headers", ()))
            if self._facts.call_id and any(name == b"content-length" for name, _ in given):
                await self._settle()
            elif self._facts.admission is not None:
                await self._look(self._facts.admission)
            message = {**message, "headers": self._complete(given)}
        elif kind == "websocket.accept":
            self._facts.status = SWITCHING_PROTOCOLS
        elif kind == "http.response.body" and not message.get("more_body", False):
            await self._settle()
        await self._send(message)

    async def _settle(self) -> None:
        facts = self._facts
        if facts.call_id and not (facts.is_background or facts.is_recorded):
            served = _describe(self._state, facts, self._scope, facts.status)
            await settle_answer(self._state, facts, served)

    async def _look(self, admission: Admission) -> None:
        key_id = ClientKeyId(self._facts.key_id)
        self._facts.limits = await self._state.admissions.refresh(admission, key_id)

    def _complete(self, given: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        has_policy = any(name == POLICY for name, _ in given)
        # One id under two names: OpenAI's clients read the first, Anthropic's the second.
        request_id = self._facts.request_id.encode()
        told = () if self._facts.limits is None else self._tell_limits(self._facts.limits)
        return [
            *given,
            *(FOR_PAGES if has_policy else FOR_ALL_ELSE),
            (b"x-request-id", request_id),
            (b"request-id", request_id),
            *told,
        ]

    def _tell_limits(self, left: LimitsLeft) -> list[tuple[bytes, bytes]]:
        is_anthropic = self._facts.dialect == ANTHROPIC
        now_s = self._state.clock.now_s()
        told = anthropic_limit_headers(left, now_s) if is_anthropic else openai_limit_headers(left)
        return [(name.encode(), value.encode()) for name, value in told.items()]


def _request_id(scope: Scope) -> str:
    """Take the client's id if it is short and plain, else make one up."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given: str = value.decode("latin-1")
            if 1 <= len(given) <= MAX_ID_LENGTH and _ID_CHARACTERS.issuperset(given):
                return given
    return f"req_{secrets.token_hex(12)}"


def _header(scope: Scope, wanted: bytes) -> str:
    for name, value in scope["headers"]:
        if name == wanted:
            found: bytes = value
            return found.decode("latin-1")
    return ""


def _begin_trace(state: AppState, facts: RequestFacts, scope: Scope) -> None:
    """Let the log lines of this request name its trace, and its spans belong to it."""
    headers = dict(scope["headers"])
    given = headers.get(b"traceparent")
    parent = parse_traceparent(given.decode("latin-1")) if given else None
    if state.tracing is not None:
        tracestate = headers.get(b"tracestate", b"").decode("latin-1")
        facts.span = state.tracing.begin_request(parent, tracestate if parent else "")
    enter_request(facts.span)
    if (ids := facts.span or parent) is not None:
        structlog.contextvars.bind_contextvars(trace_id=ids.trace_id, span_id=ids.span_id)


def _end_trace(span: RequestSpan, served: ServedRequest, facts: RequestFacts) -> None:
    span.rename(f"{served.method} {served.route}")
    attributes: dict[str, str | int | float | bool] = {
        "http.request.method": served.method,
        "http.route": served.route,
        "http.response.status_code": served.status,
        "grok2api.request_id": facts.request_id,
    }
    if served.model:
        attributes |= {
            "gen_ai.request.model": served.model,
            "gen_ai.usage.input_tokens": served.input_tokens,
            "gen_ai.usage.output_tokens": served.output_tokens,
        }
    span.set(attributes)
    span.end(served.error)


def _record(state: AppState, facts: RequestFacts, scope: Scope) -> None:
    status = facts.status
    if facts.is_client_gone or not status:
        status = CLIENT_CLOSED_REQUEST
    served = _describe(state, facts, scope, status)
    state.metrics.request_ended(served)
    if not facts.is_background:
        end_answer(state, facts, served)
    if facts.span is not None:
        _end_trace(facts.span, served, facts)
    if served.route in _QUIET_ROUTES and status < CLIENT_CLOSED_REQUEST:
        log.debug("request_served", route=served.route, status=status)
    else:
        _write_line(served, facts)


def _describe(state: AppState, facts: RequestFacts, scope: Scope, status: int) -> ServedRequest:
    route, method = _route_of(scope, facts), _method_of(scope)
    return describe_served(state, facts, route=route, method=method, status=status)


_SHORT_S = 0.05
"""A lease that comes this fast was not waited for."""


def _write_line(served: ServedRequest, facts: RequestFacts) -> None:
    line: dict[str, object] = {
        "method": served.method,
        "route": served.route,
        "status": served.status,
        "stream": facts.is_stream,
        "duration_ms": round(served.duration_s * 1000, 1),
        "model": facts.requested_model[:80],
        "key_id": facts.key_id,
        "affinity": facts.affinity,
        "account": facts.account,
        "mode": facts.mode,
        "waited_ms": round(facts.waited_s * 1000) if facts.waited_s >= _SHORT_S else 0,
        "attempts": facts.attempts,
        "input_tokens": facts.input_tokens,
        "output_tokens": facts.output_tokens,
        "error_type": facts.error,
        "detail": facts.detail,
    }
    if served.first_token_s is not None:
        line["ttft_ms"] = round(served.first_token_s * 1000, 1)
    log.info("request_served", **{name: value for name, value in line.items() if value})


def _route_of(scope: Scope, facts: RequestFacts) -> str:
    """Return the template of the route that served, never the path as the client wrote it."""
    path: str | None = getattr(scope.get("route"), "path", None)
    return facts.route or path or "unmatched"


def _method_of(scope: Scope) -> str:
    method: str = scope.get("method", _WEBSOCKET)
    return method if method in _METHODS else OTHER
