"""Every row of the table of refusals."""

import msgspec
import pytest
from hypothesis import given, strategies as st

from grok2api.domain.upstream import UpstreamStatus
from grok2api.error_kinds import LimitExtent
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
    UpstreamUnavailableError,
)
from grok2api.providers.grok_web.codec.redact import MAX_DETAIL_CHARS, redact
from grok2api.providers.grok_web.codec.status import (
    MAX_BODY_BYTES,
    MAX_RETRY_AFTER_S,
    check_status,
    classify_body,
    classify_status,
    parse_retry_after,
)

NOW_S = 1_767_225_600.0  # Thu, 01 Jan 2026 00:00:00 GMT
CHALLENGE = b"<!doctype html><title>Just a moment...</title> __cf_chl_opt"
DEAD = {"code": 16, "message": "Failed to look up session ID [WKE=unauthenticated:bad-credentials]"}
BLOCKED = {"code": 7, "message": "User is blocked [WKE=unauthorized:blocked-user]", "details": []}


def classify(status: int, body: object = b"", **headers: str) -> UpstreamError:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return classify_status(UpstreamStatus(status, named, raw), now_s=NOW_S)


@pytest.mark.parametrize(
    ("status", "body", "expected", "code"),
    [
        (401, DEAD, CredentialRejectedError, "upstream_unauthorized"),
        (403, DEAD, CredentialRejectedError, "upstream_unauthorized"),
        (400, DEAD, CredentialRejectedError, "upstream_unauthorized"),
        (403, BLOCKED, AccountForbiddenError, "upstream_forbidden"),
        (403, b"User is blocked", AccountForbiddenError, "upstream_forbidden"),
        (403, {"error": BLOCKED}, AccountForbiddenError, "upstream_forbidden"),
        (401, b"", CredentialRejectedError, "upstream_unauthorized"),
        (401, CHALLENGE, CredentialRejectedError, "upstream_unauthorized"),
        (402, {"error": "pay"}, UpstreamRateLimitError, "insufficient_quota"),
        (403, {"code": "content-moderated"}, ContentRejectedError, "content_policy_violation"),
        (403, {"error": {"type": "safety_check_type_x"}}, ContentRejectedError,
         "content_policy_violation"),
        (403, {"message": "Content violates usage guidelines"}, ContentRejectedError,
         "content_policy_violation"),
        (400, {"code": 3, "message": "content moderation"}, ContentRejectedError,
         "content_policy_violation"),
        (403, {"code": "invalid_argument"}, UpstreamRejectedError, "upstream_rejected"),
        (403, {"code": "invalid-parameter"}, UpstreamRejectedError, "upstream_rejected"),
        (403, {"code": 3, "message": "x"}, UpstreamRejectedError, "upstream_rejected"),
        (403, {"message": "zero data retention is on"}, UpstreamRejectedError, "upstream_rejected"),
        (403, {"error": {"code": 7, "message": "Request rejected by anti-bot rules."}},
         AntiBotError, "anti_bot_rejected"),
        (403, {"code": 7}, AntiBotError, "anti_bot_rejected"),
        (403, {"code": 7, "message": "Access to the chat endpoint is denied."},
         AccountForbiddenError, "upstream_forbidden"),
        (403, {"error": "Access denied"}, AccountForbiddenError, "upstream_forbidden"),
        (403, {"code": 7, "message": "You are out of credits"}, UpstreamRateLimitError,
         "insufficient_quota"),
        (403, {"code": "free-usage-exhausted"}, UpstreamRateLimitError, "insufficient_quota"),
        (403, b"", EgressBlockedError, "upstream_challenge"),
        (403, b"<html><body>no</body></html>", EgressBlockedError, "upstream_challenge"),
        (403, CHALLENGE, EgressBlockedError, "upstream_challenge"),
        (403, b"go away", EgressBlockedError, "upstream_challenge"),
        (403, {"message": "something else"}, UpstreamUnavailableError, "upstream_forbidden"),
        (404, {"code": 5}, UpstreamProtocolError, "upstream_not_found"),
        (408, b"", UpstreamUnavailableError, "upstream_error"),
        (425, b"", UpstreamUnavailableError, "upstream_error"),
        (413, b"", UpstreamRejectedError, "upstream_rejected"),
        (415, b"", UpstreamRejectedError, "upstream_rejected"),
        (422, b"", UpstreamRejectedError, "upstream_rejected"),
        (429, {"code": 8, "message": "Too many requests"}, UpstreamRateLimitError,
         "rate_limit_exceeded"),
        (429, b"", UpstreamRateLimitError, "rate_limit_exceeded"),
        (429, {"error": "rate limited", "remainingQueries": 7}, UpstreamRateLimitError,
         "rate_limit_exceeded"),
        (429, {"remainingQueries": -1}, UpstreamRateLimitError, "rate_limit_exceeded"),
        (429, {"remainingTokens": 0}, UpstreamRateLimitError, "usage_limit_reached"),
        (429, CHALLENGE, EgressBlockedError, "upstream_challenge"),
        (500, b"<html>", UpstreamUnavailableError, "upstream_error"),
        (502, b"", UpstreamUnavailableError, "upstream_error"),
        (503, {"code": 14}, UpstreamUnavailableError, "upstream_error"),
        (503, CHALLENGE, EgressBlockedError, "upstream_challenge"),
        (504, b"", UpstreamUnavailableError, "upstream_error"),
        (520, b"", UpstreamUnavailableError, "upstream_error"),
        (400, {"code": 3, "message": "bad"}, UpstreamRejectedError, "upstream_rejected"),
        (418, b"", UpstreamRejectedError, "upstream_rejected"),
        (101, b"", UpstreamProtocolError, "upstream_unexpected_status"),
    ],
)  # fmt: skip
def test_refusal_becomes_the_error_of_its_row(
    status: int, body: object, expected: type[UpstreamError], code: str
) -> None:
    error = classify(status, body)

    assert type(error) is expected
    assert error.code == code
    assert error.status == status


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_success_is_no_error(status: int) -> None:
    check_status(UpstreamStatus(status, {}, b"anything"), now_s=NOW_S)


def test_refusal_is_raised() -> None:
    with pytest.raises(UpstreamRateLimitError):
        check_status(UpstreamStatus(429, {}, b""), now_s=NOW_S)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("https://accounts.x.ai/sign-in?redirect=x", CredentialRejectedError),
        ("/login", CredentialRejectedError),
        ("/maintenance", UpstreamProtocolError),
    ],
)
def test_redirect_to_a_sign_in_page_is_about_the_session(
    location: str, expected: type[UpstreamError]
) -> None:
    assert type(classify(302, b"", location=location)) is expected


@pytest.mark.parametrize(
    ("status", "body", "is_confirmed"),
    [
        (401, {"message": "token expired"}, True),
        (401, {"message": "nothing known"}, False),
        (401, b"session not found", True),
        (403, {"code": 16, "message": "session not found"}, True),
        (403, {"code": "invalid-credentials"}, True),
        (403, {"code": 7, "message": "x [WKE=unauthenticated:bad-credentials]"}, True),
        (400, {"code": 3, "message": "invalid prompt: 'bad-credentials'"}, False),
        (403, {"code": 7, "message": "session not found"}, False),
        (403, b"bad-credentials", False),
    ],
)
def test_session_is_dead_for_good_only_if_nothing_else_can_be_meant(
    status: int,
    body: object,
    is_confirmed: bool,  # noqa: FBT001 - pytest passes it by name
) -> None:
    error = classify(status, body)

    assert isinstance(error, CredentialRejectedError)
    assert error.is_confirmed is is_confirmed


def test_blocked_account_is_told_from_one_that_may_not_use_a_product() -> None:
    blocked, denied = classify(403, BLOCKED), classify(403, {"message": "access denied"})

    assert isinstance(blocked, AccountForbiddenError)
    assert blocked.is_blocked
    assert isinstance(denied, AccountForbiddenError)
    assert not denied.is_blocked


@pytest.mark.parametrize(
    ("status", "body", "extent"),
    [
        (429, b"", LimitExtent.RATE),
        (429, {"remainingQueries": 3}, LimitExtent.RATE),
        (429, {"remainingQueries": 0}, LimitExtent.WINDOW),
        (402, b"", LimitExtent.ACCOUNT),
        (403, {"code": "free-usage-exhausted"}, LimitExtent.ACCOUNT),
    ],
)
def test_limit_says_how_much_it_holds_back(status: int, body: object, extent: LimitExtent) -> None:
    error = classify(status, body)

    assert isinstance(error, UpstreamRateLimitError)
    assert error.extent is extent


@pytest.mark.parametrize("body", [b"", CHALLENGE, b"<html>", {"code": 7}, {"message": "?"}])
def test_exit_trouble_never_blames_the_account(body: object) -> None:
    assert classify(403, body).scope is not Scope.ACCOUNT


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30", 30.0),
        ("1.5", 1.5),
        ("-3", 0.0),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60.0),
        ("Wed, 31 Dec 2025 00:00:00 GMT", 0.0),
        ("1e12", MAX_RETRY_AFTER_S),
        ("inf", None),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("Thu, 99 Jan 2026", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert parse_retry_after({"retry-after": value}, now_s=NOW_S) == seconds


def test_retry_after_goes_with_the_rate_limit() -> None:
    assert classify(429, b"", retry_after="17").retry_after_s == 17.0


def test_missing_retry_after_is_unknown() -> None:
    assert classify(429).retry_after_s is None


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b" \n", "empty"),
        (b"{}", "json"),
        (b" <!DOCTYPE html>", "html"),
        (b"oops", "text"),
        (b"\x1f\x8b\x00\x01", "binary"),
        (CHALLENGE, "challenge"),
    ],
)
def test_body_has_a_kind(body: bytes, kind: str) -> None:
    assert classify_body(body) == kind


SECRETS = (
    "sso=eyJhbGciOiJIUzI1NiJ9.e30.abcdefgh",
    "cf_clearance=Abc123.def",
    "Bearer abc.def",
    "eyJhbGciOiJIUzI1NiJ9.e30.abcdefgh",
    "jane.doe@example.com",
    "https://grok.com/rest/secret?token=1",
    "Cookie: a=b; c=d",
    "0123456789abcdef0123456789abcdef01234567",
)


@pytest.mark.parametrize("secret", SECRETS)
def test_detail_holds_no_secret_and_the_message_nothing_of_the_upstream(secret: str) -> None:
    error = classify(429, {"code": 8, "message": f"Hello {secret} world"}, cf_ray="8c-FRA")

    assert secret not in error.detail
    assert "Hello (" in error.detail
    assert "8c-FRA" in error.detail
    assert "Hello" not in error.message


def test_detail_is_short_even_for_a_long_body() -> None:
    error = classify(500, b"word " * MAX_BODY_BYTES)

    assert len(error.detail) <= MAX_DETAIL_CHARS


@given(st.text(max_size=600))
def test_redacted_text_is_one_short_line(text: str) -> None:
    told = redact(text)

    assert len(told) <= MAX_DETAIL_CHARS
    assert "\n" not in told


@given(status=st.integers(100, 599), body=st.binary(max_size=200), value=st.text(max_size=20))
def test_any_answer_is_classified(status: int, body: bytes, value: str) -> None:
    headers = {"retry-after": value, "location": value}
    if not 200 <= status <= 299:
        assert isinstance(
            classify_status(UpstreamStatus(status, headers, body), now_s=NOW_S), UpstreamError
        )


@pytest.mark.parametrize(
    ("status", "headers", "is_final"),
    [
        (404, {}, True),
        (503, {"x-should-retry": "false"}, True),
        (500, {"x-should-retry": " False"}, True),
        (503, {"x-should-retry": "true"}, False),
        (503, {}, False),
        (429, {"x-should-retry": "false"}, False),
    ],
)
def test_upstream_says_whether_repeating_helps(
    status: int, headers: dict[str, str], *, is_final: bool
) -> None:
    error = classify_status(UpstreamStatus(status, headers, b""), now_s=NOW_S)

    assert error.is_final is is_final
