"""Every refusal the site is known to give, by name."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec
from msgspec import Struct

CHALLENGE_PAGE = (
    b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>"
    b'<script src="/cdn-cgi/challenge-platform/h/b/orchestrate/chl_page/v1"></script>'
    b'<form id="challenge-form" action="/?__cf_chl_f_tk=simulated"></form></body></html>'
)


class Fault(Struct, frozen=True):
    """An answer instead of an answer.

    `code` and `message` say the same inside a stream, where there is no status.
    """

    status: int
    body: bytes
    code: int | str
    message: str
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "application/json"


def _grpc(status: int, code: int, message: str, **extra: object) -> Fault:
    body = msgspec.json.encode({"code": code, "message": message, "details": [], **extra})
    return Fault(status, body, code, message)


def _nested(status: int, code: int | str, message: str) -> Fault:
    body = msgspec.json.encode({"error": {"code": code, "message": message}})
    return Fault(status, body, code, message)


def _plain(status: int, body: bytes, content_type: str = "text/html; charset=UTF-8") -> Fault:
    return Fault(status, body, 13, f"status {status}", content_type=content_type)


_ANTI_BOT = "Request rejected by anti-bot rules."
_NO_SESSION = "Failed to look up session ID [WKE=unauthenticated:bad-credentials]"
_BLOCKED = "User is blocked [WKE=unauthorized:blocked-user]"

FAULTS: Mapping[str, Fault] = MappingProxyType(
    {
        # The account.
        "bad_credentials": _grpc(401, 16, _NO_SESSION),
        "bad_credentials_400": _grpc(400, 16, _NO_SESSION),
        "bad_credentials_403": _grpc(403, 16, _NO_SESSION),
        "blocked": _grpc(403, 7, _BLOCKED),
        "blocked_text": Fault(
            403,
            b'{"code":"unauthorized:blocked-user","error":"User is blocked"}',
            "unauthorized:blocked-user",
            "User is blocked",
        ),
        "unauthorized": Fault(401, b"", 16, "Unauthenticated"),
        "unauthorized_json": _grpc(401, 16, "Unauthenticated"),
        "payment_required": _nested(402, "payment_required", "Payment required."),
        "access_denied": _nested(403, 5, "Access to the chat endpoint is denied."),
        "entitlement": _nested(403, "free-usage-exhausted", "You are out of credits."),
        # Its limits.
        "rate_limited": _grpc(429, 8, "Too many requests"),
        "rate_limited_nested": _nested(429, 8, "Too many requests. Please wait."),
        "rate_limited_text": Fault(429, b'{"error":"rate limited"}', 8, "rate limited"),
        "rate_limited_empty": Fault(429, b"", 8, "Too many requests"),
        "rate_burst": _grpc(429, 8, "Too many requests", remainingQueries=3),
        "rate_exhausted": _grpc(429, 8, "Too many requests", remainingQueries=0),
        "usage_limit": _nested(429, 8, "You've reached your usage limit. Please try again later."),
        # The request.
        "moderated": _nested(403, "content-moderated", "Content violates usage guidelines."),
        "invalid_argument": _nested(403, "invalid_argument", "The message is not valid."),
        "bad_request": _grpc(400, 3, "Invalid request."),
        "not_found": _grpc(404, 5, "Conversation not found."),
        "timeout": _grpc(408, 4, "Request timeout."),
        "too_large": _grpc(413, 3, "Payload too large."),
        "unsupported": _grpc(415, 3, "Unsupported media type."),
        "unprocessable": _grpc(422, 3, "Unprocessable."),
        # The exit, and the site's own bot rule.
        "anti_bot": _nested(403, 7, _ANTI_BOT),
        "challenge": Fault(
            403,
            CHALLENGE_PAGE,
            7,
            "Just a moment...",
            (
                ("cf-mitigated", "challenge"),
                ("server", "cloudflare"),
                ("cf-ray", "0123456789abcdef"),
            ),
            "text/html; charset=UTF-8",
        ),
        "html_403": _plain(403, b"<html><body>Forbidden</body></html>"),
        "empty_403": _plain(403, b""),
        "forbidden": _nested(403, "forbidden", "Forbidden."),
        # The site.
        "redirect": Fault(
            302, b"", 16, "Sign in.", (("location", "https://accounts.x.ai/sign-in"),), "text/html"
        ),
        "redirect_elsewhere": Fault(
            302,
            b"",
            14,
            "Down for maintenance.",
            (("location", "https://grok.com/maintenance"),),
            "text/html",
        ),
        "server_error": _grpc(500, 13, "Internal error."),
        "no_retry": Fault(
            500,
            b'{"code":13,"message":"Internal error.","details":[]}',
            13,
            "Internal error.",
            (("x-should-retry", "false"),),
        ),
        "bad_gateway": _plain(502, b"<html><body>502 Bad Gateway</body></html>"),
        "unavailable": _grpc(503, 14, "Service unavailable."),
        "gateway_timeout": _plain(504, b"upstream request timeout", "text/plain"),
    }
)

# Faults of the connection: no answer at all.
SILENT_FAULTS = frozenset({"reset", "drop", "hang"})
