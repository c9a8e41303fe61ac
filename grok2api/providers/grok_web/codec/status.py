"""What a refused request or handshake means: status, structured fields, documented words.

The rules stand in order; the first that fits decides. Two of them are finer than the status alone
would allow: a block is told before a dead session, since its marker belongs to both, and a
permission that is denied with a reason is told by that reason before its bare code 7, which the
anti-bot rule shares.
"""

import math
from email.utils import parsedate_to_datetime
from typing import Final

from grok2api.domain.upstream import UpstreamStatus
from grok2api.errors import UpstreamError, UpstreamProtocolError, UpstreamRejectedError
from grok2api.providers.grok_web.codec import refusal
from grok2api.providers.grok_web.codec.failure import (
    PERMISSION_DENIED,
    Failure,
    decode_json,
    parse_body,
)
from grok2api.providers.grok_web.codec.loose import as_mapping
from grok2api.providers.grok_web.codec.redact import redact

MAX_BODY_BYTES = 64 * 1024
MAX_RETRY_AFTER_S = 7 * 86_400.0

_CHALLENGE = (b"just a moment", b"challenge-platform", b"__cf_chl", b"cf-chl-")
_INVALID = ("invalid_argument", "invalid_parameter", "invalid_request", "bad_request")
_INVALID_CODES: Final = frozenset({"3"})
_RETENTION = ("zero data retention", "zero-data-retention")
_NO_ACCESS = "access to the chat endpoint is denied"
_USED_UP = ("quota", "usage limit", "out of credits", "spending-limit", "free-usage-exhausted")
_SIGN_IN = ("sign-in", "signin", "sign_in", "login", "accounts.x.ai")
_TOLD_HEADERS = ("server", "cf-ray", "x-request-id", "x-xai-request-id")


def check_status(answer: UpstreamStatus, *, now_s: float) -> None:
    """Raise what `answer` means unless it is a success.

    Args:
        answer: status, headers and the head of the body.
        now_s: seconds since epoch, for a `Retry-After` that names a date.

    Raises:
        UpstreamError: the upstream refused.
    """
    if not 200 <= answer.status <= 299:  # noqa: PLR2004 - the success statuses
        raise classify_status(answer, now_s=now_s)


def classify_status(answer: UpstreamStatus, *, now_s: float) -> UpstreamError:
    """Return the error that a status other than success stands for."""
    body = answer.body[:MAX_BODY_BYTES]
    kind = classify_body(body)
    failure = Failure(is_json=False) if kind in {"html", "challenge"} else parse_body(body)
    detail = _describe(answer, failure, kind)
    after_s = parse_retry_after(answer.headers, now_s=now_s)
    status = answer.status
    if status in {400, 401, 403}:
        found = _about_session(status, failure, detail)
        if found is not None:
            return found
    match status:
        case 401:
            error = refusal.dead_session(is_confirmed=False, status=status, detail=detail)
        case _ if kind == "challenge":
            error = refusal.egress_blocked(status=status, detail=detail)
        case 402:
            error = refusal.used_up(status=status, detail=detail, after_s=after_s)
        case 403:
            error = _classify_forbidden(failure, kind, detail, after_s)
        case 429:
            error = _classify_limit(body, detail, after_s)
        case _:
            error = _classify_other(answer, failure, detail, after_s)
    return error


def classify_body(body: bytes) -> str:
    """Return what a body is: `challenge`, `empty`, `json`, `html`, `text` or `binary`."""
    text = body.strip().lower()
    if any(marker in text for marker in _CHALLENGE):
        return "challenge"
    if not text:
        return "empty"
    if text.startswith((b"<!doctype html", b"<html")):
        return "html"
    if parse_body(body).is_json:
        return "json"
    return "binary" if b"\x00" in text else "text"


def parse_retry_after(headers: dict[str, str], *, now_s: float) -> float | None:
    """Return the seconds to wait that a `Retry-After` asks for, or None."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - now_s
        except (ValueError, OverflowError, OSError):
            return None
    if not math.isfinite(seconds):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)


def _about_session(status: int, failure: Failure, detail: str) -> UpstreamError | None:
    if failure.is_blocked:
        return refusal.blocked_account(status=status, detail=detail)
    if failure.is_dead_session:
        return refusal.dead_session(
            is_confirmed=failure.confirms_dead_session(status), status=status, detail=detail
        )
    return None


def _classify_forbidden(
    failure: Failure, kind: str, detail: str, after_s: float | None
) -> UpstreamError:
    error: UpstreamError
    is_json = kind == "json"
    if is_json and failure.is_moderated:
        error = refusal.content_rejected(status=403, detail=detail)
    elif is_json and _is_invalid(failure):
        error = _rejected(403, detail)
    elif is_json and failure.is_anti_bot:
        error = refusal.anti_bot(status=403, detail=detail)
    elif _is_denied(failure):
        error = refusal.not_entitled(status=403, detail=detail)
    elif failure.mentions(*_USED_UP):
        error = refusal.used_up(status=403, detail=detail, after_s=after_s)
    elif is_json and failure.code == PERMISSION_DENIED:
        error = refusal.anti_bot(status=403, detail=detail)
    elif is_json:
        error = refusal.unavailable(status=403, detail=detail, code="upstream_forbidden")
    else:
        error = refusal.egress_blocked(status=403, detail=detail)
    return error


def _is_denied(failure: Failure) -> bool:
    return failure.mentions(_NO_ACCESS) or failure.message.strip(" .!").lower() == "access denied"


def _is_invalid(failure: Failure) -> bool:
    words = f"{failure.code} {failure.type}".lower().replace("-", "_")
    is_code = failure.code in _INVALID_CODES or any(word in words for word in _INVALID)
    return is_code or failure.mentions(*_RETENTION)


def _classify_limit(body: bytes, detail: str, after_s: float | None) -> UpstreamError:
    if _left_queries(body) == 0:
        return refusal.usage_limit(status=429, detail=detail, after_s=after_s)
    return refusal.rate_limit(status=429, detail=detail, after_s=after_s)


def _left_queries(body: bytes) -> int | None:
    root = as_mapping(decode_json(body))
    for name in ("remainingQueries", "remainingTokens"):
        left = root.get(name)
        if isinstance(left, int) and not isinstance(left, bool):
            return left
    return None


def _classify_other(
    answer: UpstreamStatus, failure: Failure, detail: str, after_s: float | None
) -> UpstreamError:
    status = answer.status
    error: UpstreamError
    if status == 400 and failure.is_moderated:  # noqa: PLR2004 - as a 403 with the same words
        error = refusal.content_rejected(status=status, detail=detail)
    elif status >= 500 or status in {408, 425}:  # noqa: PLR2004 - all that is the upstream's trouble
        error = refusal.unavailable(status=status, detail=detail, after_s=after_s)
        error.is_final = answer.headers.get("x-should-retry", "").strip().lower() == "false"
    elif 300 <= status <= 399:  # noqa: PLR2004 - redirects
        target = answer.headers.get("location", "").lower()
        if any(word in target for word in _SIGN_IN):
            error = refusal.dead_session(is_confirmed=False, status=status, detail=detail)
        else:
            error = _unexpected(status, detail, "upstream_redirect")
    elif status == 404:  # noqa: PLR2004
        error = _unexpected(status, detail, "upstream_not_found")
        error.is_final = True  # the route has changed, for every account
    elif 400 <= status <= 499:  # noqa: PLR2004 - what is left of them is about the request
        error = _rejected(status, detail)
    else:
        error = _unexpected(status, detail, "upstream_unexpected_status")
    return error


def _rejected(status: int, detail: str) -> UpstreamError:
    return UpstreamRejectedError(
        "The upstream does not accept this request.",
        status=status,
        code="upstream_rejected",
        detail=detail,
    )


def _unexpected(status: int, detail: str, code: str) -> UpstreamError:
    return UpstreamProtocolError(
        "The upstream answered in a way we do not understand.",
        status=status,
        code=code,
        detail=detail,
    )


def _describe(answer: UpstreamStatus, failure: Failure, kind: str) -> str:
    facts = [f"status {answer.status}, {kind} of {len(answer.body)} bytes"]
    facts += [f"{name}={answer.headers[name]}" for name in _TOLD_HEADERS if name in answer.headers]
    said = refusal.describe(failure)
    return redact("; ".join([*facts, said] if said else facts))
