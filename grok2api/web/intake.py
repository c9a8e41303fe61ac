"""What happens to a request before the router sees it: its path, its body, its origin."""

import asyncio
import re

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from grok2api.errors import BodyTooLargeError, PermissionDeniedError, RequestTimeoutError
from grok2api.web.errors import answer_error
from grok2api.web.facts import ANTHROPIC, facts_in
from grok2api.web.state import state_in

BYTES_PER_MB = 1024 * 1024
_MANY_SLASHES = re.compile("//+")
_API_ROOTS = frozenset({"chat", "files", "images", "messages", "models", "responses", "videos"})
_MESSAGES = "/v1/messages"
_CORS_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_CORS_MAX_AGE_S = 600
_LIMIT_WORDS = ("limit", "remaining", "reset")
_CORS_EXPOSED = (
    *("x-request-id", "request-id", "retry-after", "retry-after-ms", "x-should-retry"),
    *("x-ignored-parameters", "x-grok2api-warning", "x-grok2api-mode", "www-authenticate"),
    "openai-poll-after-ms",
    *(f"x-ratelimit-{what}-{of}" for what in _LIMIT_WORDS for of in ("requests", "tokens")),
    *(f"anthropic-ratelimit-{of}-{what}" for of in ("requests", "tokens") for what in _LIMIT_WORDS),
)


class CanonicalPath:
    """Lets people paste our address with or without /v1, twice, or with a slash at the end.

    Only `scope["path"]` is ever looked at for routing and for permissions, and this is the only
    place that changes it. No redirects: clients drop their key on them, or turn POST into GET.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            scope["path"] = canonical_path(scope["path"])
            if _is_anthropic(scope):
                # Known from here on, so that a refusal of any layer has the right form.
                facts_in(scope).dialect = ANTHROPIC
        await self._app(scope, receive, send)


def _is_anthropic(scope: Scope) -> bool:
    """Tell by the path; where two APIs share it, by the header that Anthropic's clients send."""
    path: str = scope["path"]
    is_messages = path == _MESSAGES or path.startswith(f"{_MESSAGES}/")
    return is_messages or any(name == b"anthropic-version" for name, _ in scope["headers"])


def canonical_path(path: str) -> str:
    """Return the path of our table that `path` means, or `path` itself."""
    trimmed = "/" + _MANY_SLASHES.sub("/", path.strip("/"))
    while trimmed.startswith("/v1/v1/") or trimmed == "/v1/v1":
        trimmed = trimmed[len("/v1") :]
    if trimmed == "/v1":
        return "/"
    if trimmed.split("/", 2)[1] in _API_ROOTS:
        return "/v1" + trimmed
    return trimmed


class BodyLimit:
    """Bounds the size of a request body, and the pauses in it.

    Both limits act where the body is read, so a request that is refused for another reason, such
    as a missing key, is refused without reading it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        security = state_in(scope).settings.security
        limited = _LimitedReceive(
            receive,
            declared_bytes=_declared_bytes(scope),
            max_bytes=security.max_body_mb * BYTES_PER_MB,
            idle_s=security.body_idle_timeout_s,
        )
        await self._app(scope, limited, send)


class _LimitedReceive:
    __slots__ = ("_declared_bytes", "_idle_s", "_is_done", "_max_bytes", "_receive", "_seen_bytes")

    def __init__(
        self, receive: Receive, *, declared_bytes: int, max_bytes: int, idle_s: float
    ) -> None:
        self._receive = receive
        self._declared_bytes = declared_bytes
        self._max_bytes = max_bytes
        self._idle_s = idle_s
        self._seen_bytes = 0
        self._is_done = False

    async def __call__(self) -> Message:
        if self._is_done:
            return await self._receive()
        if self._declared_bytes > self._max_bytes:
            raise self._too_large()
        try:
            async with asyncio.timeout(self._idle_s):
                message = await self._receive()
        except TimeoutError:
            raise RequestTimeoutError(
                f"The rest of the request body did not come within {self._idle_s:g} seconds.",
                code="request_timeout",
            ) from None
        if message["type"] == "http.request":
            self._seen_bytes += len(message.get("body", b""))
            self._is_done = not message.get("more_body", False)
            if self._seen_bytes > self._max_bytes:
                raise self._too_large()
        return message

    def _too_large(self) -> BodyTooLargeError:
        megabytes = self._max_bytes // BYTES_PER_MB
        return BodyTooLargeError(
            f"The request body is larger than {megabytes} MB, which is the most this server takes.",
            code="request_too_large",
        )


def _declared_bytes(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0


class CrossOrigin:
    """Answers pages of the origins the operator lists; does nothing where none is listed.

    A page of any other origin gets no WebSocket either: browsers let every page ask for one. Who
    sends no Origin is no browser.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._open_to: dict[tuple[str, ...], CORSMiddleware] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        origins = state_in(scope).settings.security.cors_origins
        if scope["type"] == "websocket" and not _may_connect(scope, origins):
            error = PermissionDeniedError(
                "Pages of this origin may not connect.", code="origin_not_allowed"
            )
            await answer_error(error, scope, receive, send)
        elif scope["type"] == "websocket" or not origins:
            await self._app(scope, receive, send)
        else:
            if origins not in self._open_to:
                self._open_to = {origins: self._cors(origins)}
            await self._open_to[origins](scope, receive, send)

    def _cors(self, origins: tuple[str, ...]) -> CORSMiddleware:
        # Keys travel in headers we name by hand, never in cookies: no credentials.
        return CORSMiddleware(
            self._app,
            allow_origins=origins,
            allow_methods=_CORS_METHODS,
            allow_headers=("*",),
            expose_headers=_CORS_EXPOSED,
            allow_credentials=False,
            max_age=_CORS_MAX_AGE_S,
        )


def _may_connect(scope: Scope, origins: tuple[str, ...]) -> bool:
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    if origin is None or origin in origins or "*" in origins:
        return True
    scheme = "https" if scope["scheme"] == "wss" else "http"
    return origin == f"{scheme}://{headers.get('host', '')}"
