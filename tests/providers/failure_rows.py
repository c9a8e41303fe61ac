"""The decision table of upstream failures, as data.

`place` is section (2 status, 3 connection, 4 stream) and row. The simulator produces each row:
queue `directive` for all chat calls, and ask over each of `protocols`. A refusal that is queued
meets the WebSocket in its handshake.
"""

from msgspec import Struct

from grok2api.domain.account import Outcome
from grok2api.error_kinds import ErrorKind
from grok2api.errors import (
    AccountForbiddenError,
    AntiBotError,
    ContentRejectedError,
    CredentialRejectedError,
    EgressBlockedError,
    Scope,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRateLimitError,
    UpstreamRejectedError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from grok2api.providers.grok_web.options import ChatTransport

BOTH: tuple[ChatTransport, ...] = ("http", "websocket")
HTTP: tuple[ChatTransport, ...] = ("http",)
SOCKET: tuple[ChatTransport, ...] = ("websocket",)
DAY_S = 86_400.0


class Told(Struct, frozen=True):
    """What a client of the OpenAI dialect is told. `retry_after` is the header, or None."""

    status: int
    type: str
    code: str
    retry_after: str | None = None


class Meaning(Struct, frozen=True, kw_only=True):
    """What several rows have in common.

    `calls`: chat calls the upstream sees for one request when every account meets the failure, with
    three accounts and `retry.max_attempts` 3.
    """

    error: type[UpstreamError]
    kind: ErrorKind
    scope: Scope
    told: Told
    outcome: Outcome = Outcome.FAILED
    reason: str = ""
    cooldown_s: float = 0.0
    may_try_other: bool = True
    may_repeat_once: bool = False
    calls: int = 3


class FailureRow(Struct, frozen=True, kw_only=True):
    """One way to fail. `has_content`: the client had a part of the answer, so nothing is retried.

    `is_silent` rows end by a deadline of ours only.
    """

    place: str
    name: str
    directive: str
    means: Meaning
    protocols: tuple[ChatTransport, ...] = BOTH
    has_content: bool = False
    is_silent: bool = False

    @property
    def calls(self) -> int:
        return 1 if self.has_content else self.means.calls


_SERVER, _INVALID, _LIMIT = "server_error", "invalid_request_error", "rate_limit_error"

DEAD = Meaning(
    error=CredentialRejectedError,
    kind=ErrorKind.CREDENTIAL_REJECTED,
    scope=Scope.ACCOUNT,
    told=Told(502, _SERVER, "upstream_unauthorized"),
    outcome=Outcome.UNAUTHORIZED,
    reason="invalid_credentials",
)
UNCONFIRMED = Meaning(
    error=CredentialRejectedError,
    kind=ErrorKind.CREDENTIAL_REJECTED,
    scope=Scope.ACCOUNT,
    told=Told(502, _SERVER, "upstream_unauthorized"),
    outcome=Outcome.UNCONFIRMED,
    reason="unauthorized",
    cooldown_s=60.0,
)
BLOCKED = Meaning(
    error=AccountForbiddenError,
    kind=ErrorKind.ACCOUNT_FORBIDDEN,
    scope=Scope.ACCOUNT,
    told=Told(502, _SERVER, "upstream_forbidden"),
    outcome=Outcome.UNAUTHORIZED,
    reason="blocked",
)
DENIED = Meaning(
    error=AccountForbiddenError,
    kind=ErrorKind.ACCOUNT_FORBIDDEN,
    scope=Scope.ACCOUNT,
    told=Told(502, _SERVER, "upstream_forbidden"),
    outcome=Outcome.FORBIDDEN,
    reason="forbidden",
    cooldown_s=300.0,
)


def _limit(
    outcome: Outcome,
    reason: str,
    code: str,
    cooldown_s: float = 0.0,
    retry_after: str | None = None,
) -> Meaning:
    return Meaning(
        error=UpstreamRateLimitError,
        kind=ErrorKind.UPSTREAM_RATE_LIMIT,
        scope=Scope.ACCOUNT,
        told=Told(429, _LIMIT, code, retry_after),
        outcome=outcome,
        reason=reason,
        cooldown_s=cooldown_s,
    )


LIMITED = _limit(Outcome.RATE_LIMITED, "rate_limited", "rate_limit_exceeded")
LIMITED_7_S = _limit(
    Outcome.RATE_LIMITED, "rate_limited", "rate_limit_exceeded", 7.0, retry_after="7"
)
WINDOW_EMPTY = _limit(Outcome.WINDOW_EMPTY, "usage_limit", "usage_limit_reached")
WINDOW_EMPTY_90_S = _limit(
    Outcome.WINDOW_EMPTY, "usage_limit", "usage_limit_reached", 90.0, retry_after="90"
)
USED_UP = _limit(Outcome.USED_UP, "used_up", "insufficient_quota", DAY_S)
USED_UP_2_H = _limit(Outcome.USED_UP, "used_up", "insufficient_quota", 7200.0, retry_after="3600")


def _refused(status: int = 400, code: str = "upstream_rejected") -> Meaning:
    return Meaning(
        error=UpstreamRejectedError,
        kind=ErrorKind.UPSTREAM_REJECTED,
        scope=Scope.REQUEST,
        told=Told(status, _INVALID, code),
        may_try_other=False,
        calls=1,
    )


REFUSED = _refused()
PROMPT_TOO_LONG = _refused(code="context_length_exceeded")
MODERATED = Meaning(
    error=ContentRejectedError,
    kind=ErrorKind.CONTENT_REJECTED,
    scope=Scope.REQUEST,
    told=Told(400, _INVALID, "content_policy_violation"),
    may_try_other=False,
    calls=1,
)
ANTI_BOT = Meaning(
    error=AntiBotError,
    kind=ErrorKind.ANTI_BOT,
    scope=Scope.EGRESS,
    told=Told(502, _SERVER, "anti_bot_rejected"),
    may_repeat_once=True,
)
CHALLENGED = Meaning(
    error=EgressBlockedError,
    kind=ErrorKind.EGRESS_BLOCKED,
    scope=Scope.EGRESS,
    told=Told(502, _SERVER, "upstream_challenge"),
    may_repeat_once=True,
)
UNREACHED = Meaning(
    error=UpstreamUnavailableError,
    kind=ErrorKind.UPSTREAM_UNAVAILABLE,
    scope=Scope.EGRESS,
    told=Told(502, _SERVER, "upstream_network_error"),
    may_repeat_once=True,
)


def _trouble(code: str = "upstream_error", retry_after: str | None = None) -> Meaning:
    return Meaning(
        error=UpstreamUnavailableError,
        kind=ErrorKind.UPSTREAM_UNAVAILABLE,
        scope=Scope.UPSTREAM,
        told=Told(502, _SERVER, code, retry_after),
    )


TROUBLE = _trouble()
FINAL_TROUBLE = Meaning(
    error=UpstreamUnavailableError,
    kind=ErrorKind.UPSTREAM_UNAVAILABLE,
    scope=Scope.UPSTREAM,
    told=Told(502, _SERVER, "upstream_error"),
    may_try_other=False,
    calls=1,
)


def _odd(code: str, *, is_final: bool = False) -> Meaning:
    return Meaning(
        error=UpstreamProtocolError,
        kind=ErrorKind.UPSTREAM_PROTOCOL,
        scope=Scope.UPSTREAM,
        told=Told(502, _SERVER, code),
        may_try_other=not is_final,
        calls=1 if is_final else 3,
    )


def _silence(code: str) -> Meaning:
    return Meaning(
        error=UpstreamTimeoutError,
        kind=ErrorKind.UPSTREAM_TIMEOUT,
        scope=Scope.UPSTREAM,
        told=Told(504, _SERVER, code),
        calls=2,
    )


def _fault(place: str, fault: str, means: Meaning, extra: str = "", name: str = "") -> FailureRow:
    directive = f"fault={fault}; {extra}" if extra else f"fault={fault}"
    return FailureRow(place=place, name=name or fault, directive=directive, means=means)


def _raw(place: str, name: str, status: int, body: str, means: Meaning) -> FailureRow:
    quoted = body.replace("\\", "\\\\").replace('"', '\\"')
    kind = "" if body.startswith("{") else "; content_type=text/plain"
    directive = f'http={status}; body="{quoted}"{kind}'
    return FailureRow(place=place, name=name, directive=directive, means=means)


def _stream(
    place: str,
    name: str,
    directive: str,
    means: Meaning,
    protocols: tuple[ChatTransport, ...] = BOTH,
) -> FailureRow:
    return FailureRow(place=place, name=name, directive=directive, means=means, protocols=protocols)


STATUS_ROWS = (
    _fault("2.2", "bad_credentials", DEAD),
    _fault("2.2", "bad_credentials_400", DEAD),
    _fault("2.2", "bad_credentials_403", DEAD),
    _raw("2.2", "token_revoked", 401, '{"message":"Token revoked"}', DEAD),
    _raw("2.2", "email_domain", 403, '{"code":"unauthorized:email-domain-rejected"}', DEAD),
    _fault("2.3", "blocked", BLOCKED),
    _fault("2.3", "blocked_text", BLOCKED),
    _raw("2.3", "blocked_plain", 403, "User is blocked", BLOCKED),
    _fault("2.4", "unauthorized", UNCONFIRMED),
    _fault("2.4", "unauthorized_json", UNCONFIRMED),
    _fault("2.5", "payment_required", USED_UP),
    _fault("2.5", "payment_required", USED_UP_2_H, "retry_after=7200", "payment_required_2_h"),
    _fault("2.6", "moderated", MODERATED),
    _raw("2.6", "safety_check", 403, '{"error":{"type":"safety_check_type_x"}}', MODERATED),
    _raw("2.6", "guidelines", 403, '{"message":"Content violates usage guidelines"}', MODERATED),
    _fault("2.7", "invalid_argument", REFUSED),
    _raw("2.7", "zero_retention", 403, '{"error":"Not with Zero Data Retention."}', REFUSED),
    _fault("2.8", "anti_bot", ANTI_BOT),
    _raw("2.8", "bare_code_7", 403, '{"code":7,"message":"No.","details":[]}', ANTI_BOT),
    _fault("2.9", "access_denied", DENIED),
    _raw("2.9", "access_denied_exactly", 403, '{"error":"Access denied"}', DENIED),
    _fault("2.10", "entitlement", USED_UP),
    _fault("2.10", "entitlement", USED_UP_2_H, "retry_after=7200", "entitlement_2_h"),
    _raw("2.10", "spending_limit", 403, '{"code":"spending-limit"}', USED_UP),
    _raw("2.10", "forbidden_usage_limit", 403, '{"error":"Usage limit reached"}', USED_UP),
    _raw("2.10", "forbidden_quota", 403, '{"error":"Quota exceeded"}', USED_UP),
    _fault("2.11", "challenge", CHALLENGED),
    _fault("2.11", "html_403", CHALLENGED),
    _fault("2.11", "empty_403", CHALLENGED),
    _fault("2.12", "forbidden", _trouble("upstream_forbidden")),
    _raw("2.12", "forbidden_text", 403, "Go away.", CHALLENGED),
    _fault("2.14", "not_found", _odd("upstream_not_found", is_final=True)),
    _fault("2.15", "timeout", TROUBLE),
    _raw("2.15", "too_early", 425, "", TROUBLE),
    _stream("2.16", "too_large", "fault=too_large", PROMPT_TOO_LONG, ("http",)),
    # A handshake carries no prompt.
    _stream("2.16", "handshake_too_large", "fault=too_large", REFUSED, ("websocket",)),
    _fault("2.16", "unsupported", REFUSED),
    _fault("2.16", "unprocessable", REFUSED),
    _fault("2.18", "rate_limited", LIMITED),
    _fault("2.18", "rate_limited", LIMITED_7_S, "retry_after=7", "rate_limited_7_s"),
    _fault("2.18", "rate_limited_nested", LIMITED),
    _fault("2.18", "rate_limited_text", LIMITED),
    _fault("2.18", "rate_limited_empty", LIMITED),
    _fault("2.18", "rate_burst", LIMITED),
    _fault("2.18", "usage_limit", LIMITED),
    _fault("2.18", "rate_exhausted", WINDOW_EMPTY),
    _fault("2.18", "rate_exhausted", WINDOW_EMPTY_90_S, "retry_after=90", "rate_exhausted_90_s"),
    _fault("2.19", "no_retry", FINAL_TROUBLE),
    _fault("2.19", "unavailable", FINAL_TROUBLE, "should_retry=false", "unavailable_no_retry"),
    _fault("2.20", "server_error", TROUBLE),
    _fault("2.20", "bad_gateway", TROUBLE),
    _fault("2.20", "unavailable", TROUBLE),
    _fault("2.20", "unavailable", _trouble(retry_after="3"), "retry_after=3", "unavailable_3_s"),
    _fault("2.20", "gateway_timeout", TROUBLE),
    _fault("2.21", "redirect", UNCONFIRMED),
    _fault("2.21", "redirect_elsewhere", _odd("upstream_redirect")),
    _fault("2.22", "bad_request", REFUSED),
    _raw("2.22", "conflict", 409, "", _refused(409)),
    _raw("2.22", "gone", 410, '{"message":"Gone."}', _refused(410)),
)

CONNECTION_ROWS = (
    _fault("3.1", "reset", UNREACHED),
    _fault("3.1", "drop", UNREACHED),
    FailureRow(
        place="3.2",
        name="silent_headers",
        directive="stall_headers_ms=60000",
        means=_silence("upstream_header_timeout"),
        is_silent=True,
    ),
    FailureRow(
        place="3.3",
        name="silent_stream",
        directive="reasoning=none; stall_first_ms=60000",
        means=_silence("upstream_stream_idle_timeout"),
        is_silent=True,
    ),
    FailureRow(
        place="3.4",
        name="silent_after_content",
        directive="text=a b c; silence_after=1",
        means=_silence("upstream_stream_idle_timeout"),
        has_content=True,
        is_silent=True,
    ),
    FailureRow(
        place="3.4",
        name="reset_after_content",
        directive="text=a b c; reset_after=1; delay_ms=300",
        means=_trouble("upstream_stream_truncated"),
        has_content=True,
    ),
    _stream("3.5", "empty", "reasoning=none; close_after=0", _odd("upstream_stream_empty")),
    FailureRow(
        place="3.6",
        name="truncated",
        directive="text=a b c; end=truncate; after=1; delay_ms=300",
        means=_trouble("upstream_stream_truncated"),
        has_content=True,
    ),
    _stream(
        "3.7",
        "frame_too_large",
        "huge; reasoning=none; text=x",
        _odd("upstream_frame_too_large", is_final=True),
    ),
)

STREAM_ROWS = (
    _stream("4.1", "stream_anti_bot", "error=anti_bot", ANTI_BOT),
    _stream("4.1", "stream_anti_bot_word", "error=custom; code=anti_bot; message=no", ANTI_BOT),
    _stream("4.2", "stream_usage_limit", "error=usage_limit", WINDOW_EMPTY),
    _stream("4.2", "stream_usage_quota", "error=custom; message=Usage quota reached", WINDOW_EMPTY),
    _stream("4.2", "stream_card", "error=usage_limit; error_form=card", WINDOW_EMPTY),
    _stream("4.3", "stream_rate_limited", "error=rate_limited", LIMITED),
    _stream("4.3", "stream_rate_limit_text", "error=custom; message=Rate limit hit", LIMITED),
    _stream("4.4", "stream_dead", "error=bad_credentials", DEAD),
    _stream("4.4", "stream_blocked", "error=blocked", BLOCKED),
    _stream("4.4", "stream_unauthenticated", "error=unauthorized_json", UNCONFIRMED),
    _stream("4.5", "stream_errors", "error=server_error; error_form=stream_errors", TROUBLE),
    _stream("4.5", "stream_errors_rated", "error=rate_limited; error_form=stream_errors", LIMITED),
    _stream("4.6", "done_failed", "done=failed; reasoning=none; text=", TROUBLE, SOCKET),
    _stream("4.6", "done_incomplete", "done=incomplete; reasoning=none; text=", TROUBLE, SOCKET),
    _stream(
        "4.7",
        "session_ended",
        "reasoning=none; end=session_ended; after=0",
        _trouble("upstream_session_ended"),
        SOCKET,
    ),
    _stream(
        "4.8",
        "conversation_mismatch",
        "wrong_conversation",
        _odd("upstream_conversation_mismatch"),
        SOCKET,
    ),
    _stream("4.9", "stream_server_error", "error=server_error", TROUBLE),
    _stream("4.9", "stream_unknown", "error=custom; code=5; message=Odd", TROUBLE),
    _stream("4.9", "stream_moderated", "error=moderated", MODERATED),
)

ROWS = STATUS_ROWS + CONNECTION_ROWS + STREAM_ROWS
