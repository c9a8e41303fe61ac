"""The error table: what each kind of error is in each dialect; and how bad bodies are described."""

import math
import re

import msgspec
from msgspec import Struct

from grok2api.error_kinds import ErrorKind
from grok2api.errors import (
    GatewayError,
    InvalidRequestError,
    RequestError,
    UpstreamError,
    UpstreamRejectedError,
)
from grok2api.wire.anthropic.errors import AnthropicError, AnthropicErrorBody
from grok2api.wire.openai.errors import ErrorBody, ErrorObject

MAX_RETRY_AFTER_S = 3600
"""More is told of a client's own limits only: that others come free earlier is a matter of luck."""
LONGEST_WORTHWHILE_WAIT_S = 60
"""A client library that slept longer inside one call would seem to hang; its user should decide."""

_INVALID = "invalid_request_error"
_SERVER = "server_error"
_LIMIT = "rate_limit_error"
_API = "api_error"
_OVERLOADED = "overloaded_error"

# Statuses that would say something else here: about the client's key, or about its own body.
_NOT_PASSED_ON = frozenset({401, 403, 413, 415, 422})

_EXIT_HINT = " The operator should check proxy, browser profile and clearance cookies."
_LOG_HINT = " The operator finds the cause in the log under request {request_id}."


class _Row(Struct, frozen=True):
    """One kind in the OpenAI dialect.

    `code` is used where the error has none of its own. `is_exhausted` says that this gateway has
    already tried what a repetition could try. `message` replaces one that is not for clients;
    `hint` is added to it.
    """

    status: int
    type: str
    code: str | None = None
    is_exhausted: bool = False
    retry_after_s: float | None = None
    message: str = ""
    hint: str = ""


_OPENAI: dict[ErrorKind, _Row] = {
    ErrorKind.INVALID_REQUEST: _Row(400, _INVALID),
    ErrorKind.AUTHENTICATION: _Row(401, "authentication_error", "invalid_api_key"),
    ErrorKind.PERMISSION_DENIED: _Row(403, "permission_error", "permission_denied"),
    ErrorKind.NOT_FOUND: _Row(404, "not_found_error", "not_found"),
    ErrorKind.CONFLICT: _Row(409, _INVALID, "conflict"),
    ErrorKind.METHOD_NOT_ALLOWED: _Row(405, _INVALID, "method_not_allowed"),
    ErrorKind.MODEL_NOT_FOUND: _Row(404, _INVALID, "model_not_found"),
    # Without a time to wait for, no repetition helps: the request needs more than the whole limit.
    ErrorKind.RATE_LIMIT_EXCEEDED: _Row(429, _LIMIT, "rate_limit_exceeded", is_exhausted=True),
    ErrorKind.REQUEST_TIMEOUT: _Row(408, _INVALID, "request_timeout"),
    ErrorKind.BODY_TOO_LARGE: _Row(413, _INVALID, "request_too_large"),
    ErrorKind.NO_ACCOUNT_AVAILABLE: _Row(503, _SERVER, "no_account_available", is_exhausted=True),
    ErrorKind.UPSTREAM_REJECTED: _Row(400, _INVALID, "upstream_rejected", is_exhausted=True),
    ErrorKind.CONTENT_REJECTED: _Row(400, _INVALID, "content_policy_violation"),
    ErrorKind.UPSTREAM_RATE_LIMIT: _Row(429, _LIMIT, "rate_limit_exceeded", is_exhausted=True),
    # An account's 401 or 403 must not look like one of the client's own key.
    ErrorKind.CREDENTIAL_REJECTED: _Row(502, _SERVER, "upstream_unauthorized", is_exhausted=True),
    ErrorKind.ACCOUNT_FORBIDDEN: _Row(502, _SERVER, "upstream_forbidden", is_exhausted=True),
    ErrorKind.EGRESS_BLOCKED: _Row(
        502, _SERVER, "upstream_blocked", is_exhausted=True, hint=_EXIT_HINT
    ),
    ErrorKind.ANTI_BOT: _Row(502, _SERVER, "anti_bot_rejected", is_exhausted=True, hint=_EXIT_HINT),
    ErrorKind.UPSTREAM_TIMEOUT: _Row(504, _SERVER, "upstream_timeout", is_exhausted=True),
    ErrorKind.UPSTREAM_UNAVAILABLE: _Row(502, _SERVER, "upstream_unavailable", is_exhausted=True),
    ErrorKind.UPSTREAM_PROTOCOL: _Row(502, _SERVER, "upstream_error", is_exhausted=True),
    ErrorKind.STORE_UNAVAILABLE: _Row(503, _SERVER, "store_unavailable", retry_after_s=2),
    ErrorKind.MEDIA_STORE: _Row(503, _SERVER, "media_store_unavailable", retry_after_s=30),
    ErrorKind.SHUTTING_DOWN: _Row(503, _SERVER, "shutting_down", retry_after_s=1),
    ErrorKind.INTERNAL: _Row(500, _SERVER, "internal_error", hint=_LOG_HINT),
    # The message of a settings error names files and keys of the operator's.
    ErrorKind.SETTINGS: _Row(
        500,
        _SERVER,
        "internal_error",
        message="The gateway is not set up correctly.",
        hint=_LOG_HINT,
    ),
}


# Status and type in the Anthropic dialect; all else is as in the table above.
_ANTHROPIC: dict[ErrorKind, tuple[int, str]] = {
    ErrorKind.INVALID_REQUEST: (400, _INVALID),
    ErrorKind.AUTHENTICATION: (401, "authentication_error"),
    ErrorKind.PERMISSION_DENIED: (403, "permission_error"),
    ErrorKind.NOT_FOUND: (404, "not_found_error"),
    ErrorKind.CONFLICT: (409, _INVALID),
    ErrorKind.METHOD_NOT_ALLOWED: (405, _INVALID),
    ErrorKind.MODEL_NOT_FOUND: (404, "not_found_error"),
    ErrorKind.RATE_LIMIT_EXCEEDED: (429, _LIMIT),
    ErrorKind.REQUEST_TIMEOUT: (408, _INVALID),
    ErrorKind.BODY_TOO_LARGE: (413, "request_too_large"),
    ErrorKind.NO_ACCOUNT_AVAILABLE: (529, _OVERLOADED),
    ErrorKind.UPSTREAM_REJECTED: (400, _INVALID),
    ErrorKind.CONTENT_REJECTED: (400, _INVALID),
    ErrorKind.UPSTREAM_RATE_LIMIT: (429, _LIMIT),
    ErrorKind.CREDENTIAL_REJECTED: (502, _API),
    ErrorKind.ACCOUNT_FORBIDDEN: (502, _API),
    ErrorKind.EGRESS_BLOCKED: (502, _API),
    ErrorKind.ANTI_BOT: (502, _API),
    ErrorKind.UPSTREAM_TIMEOUT: (504, "timeout_error"),
    ErrorKind.UPSTREAM_UNAVAILABLE: (502, _API),
    ErrorKind.UPSTREAM_PROTOCOL: (502, _API),
    ErrorKind.STORE_UNAVAILABLE: (503, _API),
    ErrorKind.MEDIA_STORE: (503, _API),
    ErrorKind.SHUTTING_DOWN: (529, _OVERLOADED),
    ErrorKind.INTERNAL: (500, _API),
    ErrorKind.SETTINGS: (500, _API),
}


class RenderedError(Struct, frozen=True):
    """An error answer, ready to be sent. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def openai_status(kind: ErrorKind) -> int:
    """Return the HTTP status of `kind` on OpenAI routes."""
    return _OPENAI[kind].status


def render_openai_error(error: GatewayError, request_id: str) -> RenderedError:
    """Return `error` as the OpenAI API would answer it."""
    row = _OPENAI[error.kind]
    own_code = error.code if isinstance(error, RequestError | UpstreamError) else None
    body = ErrorBody(
        ErrorObject(
            message=_message(error, row, request_id),
            type=row.type,
            param=error.param if isinstance(error, RequestError) else None,
            code=own_code or row.code,
        )
    )
    status = _status(error, row.status)
    return RenderedError(status, _headers(error, row), msgspec.json.encode(body))


def render_anthropic_error(error: GatewayError, request_id: str) -> RenderedError:
    """Return `error` as the Anthropic API would answer it."""
    row, (status, kind) = _OPENAI[error.kind], _ANTHROPIC[error.kind]
    message = _message(error, row, request_id)
    param = error.param if isinstance(error, RequestError) else None
    if param and param not in message:
        # This API has no other place for the field at fault.
        message = f"{param}: {message}"
    body = AnthropicErrorBody(AnthropicError(kind, message), request_id)
    return RenderedError(_status(error, status), _headers(error, row), msgspec.json.encode(body))


def _message(error: GatewayError, row: _Row, request_id: str) -> str:
    return (row.message or error.message) + row.hint.format(request_id=request_id)


def _status(error: GatewayError, usual: int) -> int:
    """Return the upstream's own status where it finds the request at fault in its own way."""
    if not isinstance(error, UpstreamRejectedError) or error.status in _NOT_PASSED_ON:
        return usual
    return error.status or usual


def _headers(error: GatewayError, row: _Row) -> dict[str, str]:
    headers = {"content-type": "application/json"}
    if error.kind is ErrorKind.AUTHENTICATION:
        headers["www-authenticate"] = "Bearer"
    known_s = row.retry_after_s if error.retry_after_s is None else error.retry_after_s
    if known_s is not None:
        is_own = error.kind is ErrorKind.RATE_LIMIT_EXCEEDED
        wait_s = max(known_s, 0.0) if is_own else min(max(known_s, 0.0), MAX_RETRY_AFTER_S)
        headers["retry-after"] = str(math.ceil(wait_s))
        headers["retry-after-ms"] = str(math.ceil(wait_s * 1000))
    is_hopeless = row.is_exhausted and known_s is None
    if is_hopeless or (known_s is not None and known_s > LONGEST_WORTHWHILE_WAIT_S):
        headers["x-should-retry"] = "false"
    return headers


_PLACE = re.compile(r" - at `(?:key in )?\$(?P<path>.*)`$")
_MISSING = re.compile(r"^Object missing required field `(?P<name>.+)`$")
_UNKNOWN = re.compile(r"^Object contains unknown field `(?P<name>.+)`$", re.DOTALL)
_LONGEST_NAME = 64


def parse_problem(
    problem: msgspec.DecodeError | RecursionError | UnicodeDecodeError, at: str = ""
) -> InvalidRequestError:
    """Describe why a body could not be decoded, in the client's own field names.

    `at` is the path of what was decoded, when that is a part of the body only.
    """
    if not isinstance(problem, msgspec.ValidationError):
        why = (
            "it is nested too deeply"
            if isinstance(problem, RecursionError)
            else "it is not UTF-8"
            if isinstance(problem, UnicodeDecodeError)
            else str(problem).removeprefix("JSON is malformed: ").lower()
        )
        return InvalidRequestError(f"The request body is not valid JSON: {why}.", param=at or None)
    text, path = str(problem), ""
    if place := _PLACE.search(text):
        text, path = text[: place.start()], place["path"]
    if missing := _MISSING.match(text):
        param = _join(_join(at, path), "." + missing["name"])
        return InvalidRequestError(
            f"Missing required parameter: '{param}'.",
            param=param,
            code="missing_required_parameter",
        )
    if unknown := _UNKNOWN.match(text):
        param = _join(_join(at, path), "." + unknown["name"][:_LONGEST_NAME])
        return InvalidRequestError(
            f"Unknown parameter: '{param}'.", param=param, code="unknown_parameter"
        )
    param = _join(at, path)
    return InvalidRequestError(
        f"Invalid value for '{param or 'body'}': {text[:1].lower()}{text[1:]}.",
        param=param or None,
        code="invalid_value",
    )


def _join(base: str, path: str) -> str:
    return (base + path).lstrip(".")
