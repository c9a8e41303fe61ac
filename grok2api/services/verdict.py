"""What a failure of the upstream means: for the account, and for trying again.

The complete rules of health and quota will stand here too; today an account cools, expires or is
left alone.
"""

from msgspec import Struct

from grok2api.domain.account import Outcome
from grok2api.errors import (
    AccountForbiddenError,
    CredentialRejectedError,
    Scope,
    UpstreamError,
    UpstreamRateLimitError,
)

FORBIDDEN_COOLDOWN_S = 300.0
"""How long an account that may not use a product is left alone."""
UNCONFIRMED_COOLDOWN_S = 60.0
"""How long an account rests after a 401 that proves nothing yet."""


class Verdict(Struct, frozen=True):
    """How a lease ends. `reason` is one word for the account's record."""

    outcome: Outcome
    cooldown_s: float = 0.0
    reason: str = ""

    @classmethod
    def ok(cls) -> "Verdict":
        return cls(Outcome.OK)

    @classmethod
    def cancelled(cls) -> "Verdict":
        """The client left: nobody's fault."""
        return cls(Outcome.CANCELLED)

    @classmethod
    def not_at_fault(cls) -> "Verdict":
        """It failed, but not because of the account."""
        return cls(Outcome.FAILED)


def may_try_other(error: UpstreamError) -> bool:
    """Whether another account may succeed where this one failed."""
    return error.scope is not Scope.REQUEST and not error.is_final


def may_repeat_once(error: UpstreamError) -> bool:
    """Whether the same account deserves one more try: the way out failed, not the account."""
    return error.scope is Scope.EGRESS


def judge(error: UpstreamError, *, default_cooldown_s: float) -> Verdict:
    """Return what `error` means for the account that met it."""
    match error:
        case UpstreamRateLimitError():
            known = error.retry_after_s
            return Verdict(
                Outcome.RATE_LIMITED, default_cooldown_s if known is None else known, "rate_limited"
            )
        case CredentialRejectedError(is_confirmed=True):
            return Verdict(Outcome.UNAUTHORIZED, reason="invalid_credentials")
        case CredentialRejectedError():
            return Verdict(Outcome.RATE_LIMITED, UNCONFIRMED_COOLDOWN_S, "unauthorized")
        case AccountForbiddenError(is_blocked=True):
            return Verdict(Outcome.UNAUTHORIZED, reason="blocked")
        case AccountForbiddenError():
            return Verdict(Outcome.RATE_LIMITED, FORBIDDEN_COOLDOWN_S, "forbidden")
        case _:
            return Verdict.not_at_fault()
