"""What every request passes: its id, its log line and numbers, its last safety net."""

import secrets
import string
from collections.abc import Iterable

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from grok2api.errors import GatewayError, InternalError, StoreUnavailableError
from grok2api.telemetry.metrics import OTHER, ServedRequest
from grok2api.web.errors import INTERNAL_MESSAGE, error_response
from grok2api.web.facts import KEY, RequestFacts, facts_in
from grok2api.web.graphs import graphs_in
from grok2api.web.presence import ClientLeftError
from grok2api.web.state import KEY as STATE_KEY, AppState

log = structlog.get_logger(__name__)

CLIENT_CLOSED_REQUEST = 499
"""Logged where the client left before the end; nothing with this status is ever sent."""
MAX_ID_LENGTH = 128
_ID_CHARACTERS = frozenset(string.ascii_letters + string.digits + "-_.:")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PROBES = frozenset({"/healthz", "/readyz", "/health", "/metrics"})
RETRY_AFTER_S = 1.0
_QUIET_ROUTES = _PROBES | {"/static"}

_SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


class RequestContext:
    """Gives a request its id, facts and log context, and answers what nobody else has.

    It is the outermost layer of ours. Errors that reach it before an answer has begun become a
    JSON error; the text of an unknown exception goes to the log only.
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
        facts = RequestFacts(request_id=_request_id(scope), started_s=state.clock.monotonic_s())
        scope["state"][KEY] = facts
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=facts.request_id)
        with state.drain.request():
            state.metrics.request_started()
            try:
                await self._serve(scope, receive, _FinishingSend(send, facts))
            finally:
                _record(state, facts, scope)

    async def _serve(self, scope: Scope, receive: Receive, send: "_FinishingSend") -> None:
        try:
            _check_settings(scope)
            await self._app(scope, receive, send)
        except ClientLeftError:
            facts_in(scope).is_client_gone = True
        except GatewayError as error:
            await _answer(error, scope, receive, send)
        except Exception as error:
            log.exception("request_crashed", exc_info=error)
            await _answer(InternalError(INTERNAL_MESSAGE), scope, receive, send)


def _check_settings(scope: Scope) -> None:
    """Refuse what would be served by a guess: the store has not told yet what is set."""
    if graphs_in(scope).is_unread and scope["path"].rstrip("/") not in _PROBES:
        raise StoreUnavailableError("The store cannot be reached.", retry_after_s=RETRY_AFTER_S)


async def _answer(error: GatewayError, scope: Scope, receive: Receive, send: Send) -> None:
    facts = facts_in(scope)
    response = error_response(error, facts)
    # Where an answer has begun, leaving it unfinished makes the server close the connection.
    if not facts.status and scope["type"] == "http":
        await response(scope, receive, send)


class _FinishingSend:
    """Adds what every answer carries, and remembers its status."""

    __slots__ = ("_facts", "_send")

    def __init__(self, send: Send, facts: RequestFacts) -> None:
        self._send = send
        self._facts = facts

    async def __call__(self, message: Message) -> None:
        if message["type"] in {"http.response.start", "websocket.http.response.start"}:
            self._facts.status = message["status"]
            message = {**message, "headers": self._complete(message.get("headers", ()))}
        await self._send(message)

    def _complete(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        complete = list(headers)
        present = {name for name, _ in complete}
        complete += [header for header in _SECURITY_HEADERS if header[0] not in present]
        # One id under two names: OpenAI's clients read the first, Anthropic's the second.
        request_id = self._facts.request_id.encode()
        complete += [(b"x-request-id", request_id), (b"request-id", request_id)]
        return complete


def _request_id(scope: Scope) -> str:
    """Take the client's id if it is short and plain, else make one up."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given: str = value.decode("latin-1")
            if 1 <= len(given) <= MAX_ID_LENGTH and _ID_CHARACTERS.issuperset(given):
                return given
    return f"req_{secrets.token_hex(12)}"


def _record(state: AppState, facts: RequestFacts, scope: Scope) -> None:
    ended_s = state.clock.monotonic_s()
    status = facts.status
    if facts.is_client_gone or not status:
        status = CLIENT_CLOSED_REQUEST
    route = facts.route or _route_of(scope)
    method = scope.get("method", "WEBSOCKET")
    served = ServedRequest(
        route=route,
        method=method if method in _METHODS or method == "WEBSOCKET" else OTHER,
        dialect=facts.dialect,
        model=facts.model,
        status=status,
        error=facts.error,
        duration_s=ended_s - facts.started_s,
        first_token_s=_since(facts.first_output_s, facts.started_s),
        input_tokens=facts.input_tokens,
        output_tokens=facts.output_tokens,
    )
    state.metrics.request_ended(served)
    if route in _QUIET_ROUTES and status < CLIENT_CLOSED_REQUEST:
        log.debug("request_served", route=route, status=status)
    else:
        _write_line(served, facts)


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


def _since(moment_s: float | None, started_s: float) -> float | None:
    return None if moment_s is None else moment_s - started_s


def _route_of(scope: Scope) -> str:
    """Return the template of the route that served, never the path as the client wrote it."""
    route = scope.get("route")
    path: str | None = getattr(route, "path", None)
    return path or "unmatched"
