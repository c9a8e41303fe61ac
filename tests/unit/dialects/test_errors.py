from collections.abc import Iterator

import msgspec
import pytest
from anthropic.types import ErrorResponse
from msgspec import Struct
from openai.types.shared import ErrorObject

from grok2api.dialects.errors import (
    openai_status,
    parse_problem,
    render_anthropic_error,
    render_openai_error,
)
from grok2api.error_kinds import ErrorKind
from grok2api.errors import (
    AccountForbiddenError,
    AntiBotError,
    AuthenticationError,
    ContentRejectedError,
    CredentialRejectedError,
    EgressBlockedError,
    GatewayError,
    InternalError,
    InvalidRequestError,
    ModelNotFoundError,
    NoAccountAvailableError,
    SettingsError,
    ShuttingDownError,
    StoreUnavailableError,
    UpstreamRateLimitError,
    UpstreamRejectedError,
    UpstreamTimeoutError,
)

ANTHROPIC_TYPES = {
    "invalid_request_error",
    "authentication_error",
    "permission_error",
    "not_found_error",
    "request_too_large",
    "rate_limit_error",
    "timeout_error",
    "api_error",
    "overloaded_error",
}
TYPES = {
    "invalid_request_error",
    "authentication_error",
    "permission_error",
    "not_found_error",
    "rate_limit_error",
    "server_error",
}


def error_classes(root: type[GatewayError] = GatewayError) -> Iterator[type[GatewayError]]:
    for child in root.__subclasses__():
        yield child
        yield from error_classes(child)


def make(kind: ErrorKind) -> GatewayError:
    error = GatewayError("It went wrong.")
    error.__class__ = type("Sample", (GatewayError,), {"kind": kind})
    return error


def error_of(error: GatewayError) -> dict[str, str | None]:
    body = msgspec.json.decode(render_openai_error(error, "req-1").body)
    assert set(body) == {"error"}
    return dict(body["error"])


@pytest.mark.parametrize("kind", ErrorKind)
def test_every_kind_has_a_row(kind: ErrorKind) -> None:
    rendered = render_openai_error(make(kind), "req-1")
    error = error_of(make(kind))

    assert 400 <= rendered.status == openai_status(kind) < 600
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] in TYPES
    assert error["message"]
    ErrorObject.model_validate(error, strict=True)


@pytest.mark.parametrize("kind", ErrorKind)
def test_every_kind_has_an_anthropic_form(kind: ErrorKind) -> None:
    rendered = render_anthropic_error(make(kind), "req-1")
    body = msgspec.json.decode(rendered.body)

    assert 400 <= rendered.status < 600
    assert set(body) == {"type", "error", "request_id"}
    assert (body["type"], body["request_id"]) == ("error", "req-1")
    assert body["error"]["type"] in ANTHROPIC_TYPES
    if body["error"]["type"] != "request_too_large":  # which the SDK's own models lack
        ErrorResponse.model_validate(body)


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (InvalidRequestError("x"), 400, "invalid_request_error"),
        (AuthenticationError("x"), 401, "authentication_error"),
        (ModelNotFoundError("x"), 404, "not_found_error"),
        (NoAccountAvailableError("x"), 529, "overloaded_error"),
        (UpstreamRateLimitError("x", status=429), 429, "rate_limit_error"),
        (UpstreamTimeoutError("x"), 504, "timeout_error"),
        (CredentialRejectedError("x", is_confirmed=True, status=401), 502, "api_error"),
        (InternalError("x"), 500, "api_error"),
        (UpstreamRejectedError("x", status=418), 418, "invalid_request_error"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_anthropic_status_and_type(error: GatewayError, status: int, kind: str) -> None:
    rendered = render_anthropic_error(error, "r")

    assert rendered.status == status
    assert msgspec.json.decode(rendered.body)["error"]["type"] == kind


def test_wait_is_told_alike_in_both_dialects() -> None:
    for error in (NoAccountAvailableError("x", retry_after_s=1.2), UpstreamTimeoutError("x")):
        assert render_anthropic_error(error, "r").headers == render_openai_error(error, "r").headers


def test_every_class_of_error_has_a_kind_of_its_own() -> None:
    leaves = [c for c in error_classes() if not c.__subclasses__() and c.__name__ != "Sample"]

    assert {leaf.kind for leaf in leaves} == set(ErrorKind)
    assert len(leaves) == len(ErrorKind)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (InvalidRequestError("x", param="n", code="unsupported_value"), 400, "unsupported_value"),
        (AuthenticationError("x"), 401, "invalid_api_key"),
        (ModelNotFoundError("x", param="model"), 404, "model_not_found"),
        (ContentRejectedError("x", status=403), 400, "content_policy_violation"),
        (NoAccountAvailableError("x"), 503, "no_account_available"),
        (UpstreamRateLimitError("x", status=429), 429, "rate_limit_exceeded"),
        (UpstreamRateLimitError("x", code="usage_limit_reached"), 429, "usage_limit_reached"),
        (EgressBlockedError("x", status=403), 502, "upstream_blocked"),
        (AntiBotError("x", status=403), 502, "anti_bot_rejected"),
        (UpstreamTimeoutError("x", code="upstream_header_timeout"), 504, "upstream_header_timeout"),
        (StoreUnavailableError("x"), 503, "store_unavailable"),
        (ShuttingDownError("x"), 503, "shutting_down"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_status_and_code(error: GatewayError, status: int, code: str) -> None:
    assert render_openai_error(error, "r").status == status
    assert error_of(error)["code"] == code


@pytest.mark.parametrize(
    "error",
    [
        CredentialRejectedError("x", is_confirmed=True, status=401),
        AccountForbiddenError("x", is_blocked=False, status=403),
    ],
)
def test_refused_account_does_not_look_like_a_refused_client(error: GatewayError) -> None:
    assert render_openai_error(error, "r").status == 502
    assert error_of(error)["type"] == "server_error"


@pytest.mark.parametrize(
    ("upstream", "told"), [(None, 400), (400, 400), (403, 400), (413, 400), (409, 409), (418, 418)]
)
def test_status_of_a_refused_request_is_passed_on_unless_it_means_something_else_here(
    upstream: int | None, told: int
) -> None:
    rendered = render_openai_error(UpstreamRejectedError("x", status=upstream), "r")

    assert rendered.status == told
    assert rendered.headers["x-should-retry"] == "false"


def test_param_is_the_clients_field() -> None:
    assert error_of(InvalidRequestError("x", param="messages[0].role"))["param"] == (
        "messages[0].role"
    )


def test_wait_is_told_in_whole_seconds_and_in_milliseconds() -> None:
    headers = render_openai_error(NoAccountAvailableError("x", retry_after_s=1.2345), "r").headers

    assert (headers["retry-after"], headers["retry-after-ms"]) == ("2", "1235")
    assert "x-should-retry" not in headers


def test_long_wait_is_for_the_user_not_for_the_library() -> None:
    headers = render_openai_error(NoAccountAvailableError("x", retry_after_s=61), "r").headers

    assert (headers["retry-after"], headers["x-should-retry"]) == ("61", "false")


def test_wait_is_never_more_than_an_hour() -> None:
    headers = render_openai_error(UpstreamRateLimitError("x", retry_after_s=1e6), "r").headers

    assert headers["retry-after"] == "3600"


def test_wait_is_never_negative() -> None:
    headers = render_openai_error(UpstreamRateLimitError("x", retry_after_s=-5), "r").headers

    assert headers["retry-after"] == "0"


@pytest.mark.parametrize(
    "error", [UpstreamRateLimitError("x"), UpstreamTimeoutError("x"), NoAccountAvailableError("x")]
)
def test_library_is_told_not_to_repeat_what_was_tried(error: GatewayError) -> None:
    assert render_openai_error(error, "r").headers["x-should-retry"] == "false"


@pytest.mark.parametrize("error", [StoreUnavailableError("x"), ShuttingDownError("x")])
def test_short_trouble_of_our_own_may_be_repeated_soon(error: GatewayError) -> None:
    headers = render_openai_error(error, "r").headers

    assert 0 < int(headers["retry-after"]) <= 2
    assert "x-should-retry" not in headers


def test_missing_key_is_asked_for() -> None:
    assert (
        render_openai_error(AuthenticationError("x"), "r").headers["www-authenticate"] == "Bearer"
    )


def test_settings_are_not_told_to_clients() -> None:
    error = error_of(SettingsError("/data/config.toml: app.port is not a number"))

    assert "config.toml" not in str(error["message"])
    assert "req-1" in str(error["message"])


def test_detail_is_not_told_to_clients() -> None:
    rendered = render_openai_error(InternalError("Sorry.", detail="KeyError: 'x'"), "req-1")

    assert b"KeyError" not in rendered.body
    assert b"req-1" in rendered.body


def test_blocked_exit_says_what_the_operator_can_do() -> None:
    assert "proxy" in str(error_of(EgressBlockedError("The upstream refused."))["message"])


class Inner(Struct, forbid_unknown_fields=True):
    known: int = 0


class Strict(Struct, forbid_unknown_fields=True):
    inner: list[Inner]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"inner":[],"innner":1}', "innner"),
        (b'{"inner":[{},{"knwon":1}]}', "inner[1].knwon"),
        (b'{"' + b"x" * 999 + b'":1}', "x" * 64),
    ],
)
def test_field_that_nobody_knows_is_named(body: bytes, param: str) -> None:
    with pytest.raises(msgspec.ValidationError) as problem:
        msgspec.json.decode(body, type=Strict)

    error = parse_problem(problem.value)

    assert (error.param, error.code) == (param, "unknown_parameter")
    assert error.message == f"Unknown parameter: '{param}'."
