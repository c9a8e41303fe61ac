"""The errors that a refusal becomes. Their public messages hold none of the upstream's words."""

from typing import Final

from grok2api.error_kinds import LimitExtent
from grok2api.errors import (
    AccountForbiddenError,
    AntiBotError,
    ContentRejectedError,
    CredentialRejectedError,
    EgressBlockedError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRateLimitError,
    UpstreamRejectedError,
    UpstreamUnavailableError,
)
from grok2api.providers.grok_web.codec.failure import PERMISSION_DENIED, Failure
from grok2api.providers.grok_web.codec.redact import redact

HTTP_TOO_LARGE: Final = 413


def describe(failure: Failure) -> str:
    """Say for the log what the upstream said, without secrets."""
    parts = (failure.code, failure.type, failure.message)
    return redact(" ".join(part for part in parts if part))


def classify_in_band(failure: Failure) -> UpstreamError:
    """Return the error that a failure inside a stream stands for; the first rule that fits decides.

    The session's own markers come first: they mean the same whatever the code says.
    """
    detail = describe(failure)
    error: UpstreamError
    if failure.is_blocked:
        error = blocked_account(status=None, detail=detail)
    elif failure.is_about_session:
        is_confirmed = failure.confirms_dead_session(None)
        error = dead_session(is_confirmed=is_confirmed, status=None, detail=detail)
    elif failure.code == PERMISSION_DENIED or failure.is_anti_bot:
        error = anti_bot(status=None, detail=detail)
    elif failure.is_usage_limit:
        error = usage_limit(status=None, detail=detail)
    elif failure.is_rate_limit:
        error = rate_limit(status=None, detail=detail)
    elif failure.is_moderated:
        error = content_rejected(status=None, detail=detail)
    else:
        error = unavailable(status=None, detail=detail)
    return error


def dead_session(*, is_confirmed: bool, status: int | None, detail: str) -> UpstreamError:
    """The session is not accepted."""
    return CredentialRejectedError(
        "The upstream no longer accepts the account's session.",
        is_confirmed=is_confirmed,
        status=status,
        detail=detail,
    )


def blocked_account(*, status: int | None, detail: str) -> UpstreamError:
    """The upstream has blocked the account."""
    return AccountForbiddenError(
        "The upstream has blocked the account.", is_blocked=True, status=status, detail=detail
    )


def not_entitled(*, status: int | None, detail: str) -> UpstreamError:
    """The account may not use this."""
    return AccountForbiddenError(
        "The account may not use this at the upstream.",
        is_blocked=False,
        status=status,
        detail=detail,
    )


def content_rejected(*, status: int | None, detail: str) -> UpstreamError:
    """The upstream's content rules refuse the prompt or the answer."""
    return ContentRejectedError(
        "The upstream's content rules refused this.",
        status=status,
        code="content_policy_violation",
        detail=detail,
    )


def anti_bot(*, status: int | None, detail: str) -> UpstreamError:
    """The site's own rule refused signature or browser profile."""
    return AntiBotError(
        "The upstream's anti-bot rule refused the request; check browser profile and x-statsig-id.",
        status=status,
        code="anti_bot_rejected",
        detail=detail,
    )


def egress_blocked(*, status: int | None, detail: str) -> UpstreamError:
    """A challenge page or an empty refusal."""
    return EgressBlockedError(
        "The way out to the upstream is refused; check proxy, user agent and clearance cookies.",
        status=status,
        code="upstream_challenge",
        detail=detail,
    )


def rate_limit(*, status: int | None, detail: str, after_s: float | None = None) -> UpstreamError:
    """The upstream limits the account for a while."""
    return UpstreamRateLimitError(
        "The upstream limits the account's requests.",
        status=status,
        code="rate_limit_exceeded",
        detail=detail,
        retry_after_s=after_s,
    )


def usage_limit(*, status: int | None, detail: str, after_s: float | None = None) -> UpstreamError:
    """The account has no query left in this mode."""
    error = UpstreamRateLimitError(
        "The account's queries in this mode are used up at the upstream.",
        status=status,
        code="usage_limit_reached",
        detail=detail,
        retry_after_s=after_s,
    )
    error.extent = LimitExtent.WINDOW
    return error


def used_up(*, status: int | None, detail: str, after_s: float | None = None) -> UpstreamError:
    """The account has nothing left in any mode."""
    error = UpstreamRateLimitError(
        "The account's quota at the upstream is used up.",
        status=status,
        code="insufficient_quota",
        detail=detail,
        retry_after_s=after_s,
    )
    error.extent = LimitExtent.ACCOUNT
    return error


def too_large() -> UpstreamError:
    """A message beyond our limit; another account would get it too."""
    error = UpstreamProtocolError(
        "The upstream sent a message that is too large.", code="upstream_frame_too_large"
    )
    error.is_final = True
    return error


def unavailable(
    *,
    status: int | None,
    detail: str,
    code: str = "upstream_error",
    after_s: float | None = None,
) -> UpstreamError:
    """The upstream is in trouble, or refuses for a reason we do not know."""
    return UpstreamUnavailableError(
        "The upstream could not answer.",
        status=status,
        code=code,
        detail=detail,
        retry_after_s=after_s,
    )


def name_long_prompt(error: UpstreamRejectedError) -> UpstreamError:
    """Return what a refused chat turn means: too large, there, can only be the prompt.

    Coding agents know this code and these words, and shorten the conversation.
    """
    if error.status != HTTP_TOO_LARGE:
        return error
    return UpstreamRejectedError(
        "The prompt is too long for this model.",
        status=error.status,
        code="context_length_exceeded",
        detail=error.detail,
    )
