"""What a failure of the upstream means: for the account, and for trying again.

Pure rules. How often an account may fail before it is expired or disabled is counted where its
state is, in the script that ends a lease; here stands what one failure says.
"""

from collections import Counter
from typing import Final

from msgspec import Struct

from grok2api.domain.account import Outcome
from grok2api.error_kinds import ErrorKind, LimitExtent
from grok2api.errors import (
    AccountForbiddenError,
    CredentialRejectedError,
    Scope,
    UpstreamError,
    UpstreamRateLimitError,
)

USED_UP_S: Final = 86_400.0
"""How long a used-up account is left alone when the upstream names no time."""
FORBIDDEN_S: Final = 300.0
"""How long a mode rests that the account was refused."""
UNCONFIRMED_S: Final = 60.0
"""How long an account rests after a refusal of its session that proves nothing yet."""
UNPROVEN_REFUSAL: Final = "unauthorized"
"""The reason of an account that rests because of such a refusal."""
MAX_TIMEOUTS: Final = 2
"""Silences that one request may wait for: each costs its client the whole limit."""

_SUSPICIOUS: Final = frozenset({Outcome.FORBIDDEN, Outcome.UNCONFIRMED})


class Verdict(Struct, frozen=True):
    """How a lease ends. `reason` is one word for the account's record.

    `cooldown_s` is the time that the outcome is about: until the mode's window is full again
    (`rate_limited`, `window_empty`; 0: the upstream named no time, its known reset holds), else how
    long account or mode rest. A rate-limited account rests as long, or a while that grows.
    """

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

    @property
    def is_suspicious(self) -> bool:
        """Whether the request may have caused it, and would on account after account."""
        return self.outcome in _SUSPICIOUS


def judge(error: UpstreamError) -> Verdict:
    """Return what `error` means for the account that met it."""
    match error:
        case UpstreamRateLimitError():
            return _judge_limit(error)
        case CredentialRejectedError(is_confirmed=True):
            return Verdict(Outcome.UNAUTHORIZED, reason="invalid_credentials")
        case CredentialRejectedError():
            return Verdict(Outcome.UNCONFIRMED, UNCONFIRMED_S, UNPROVEN_REFUSAL)
        case AccountForbiddenError(is_blocked=True):
            return Verdict(Outcome.UNAUTHORIZED, reason="blocked")
        case AccountForbiddenError():
            return Verdict(Outcome.FORBIDDEN, FORBIDDEN_S, "forbidden")
        case _:
            return Verdict.not_at_fault()


def _judge_limit(error: UpstreamRateLimitError) -> Verdict:
    # A limit that ends this instant names no time: the account would be asked again at once.
    known_s = error.retry_after_s or 0.0
    match error.extent:
        case LimitExtent.ACCOUNT:
            return Verdict(Outcome.USED_UP, known_s or USED_UP_S, "used_up")
        case LimitExtent.WINDOW:
            return Verdict(Outcome.WINDOW_EMPTY, known_s, "usage_limit")
        case LimitExtent.RATE:
            return Verdict(Outcome.RATE_LIMITED, known_s, "rate_limited")


def may_try_other(error: UpstreamError) -> bool:
    """Whether another account may succeed where this one failed."""
    return error.scope is not Scope.REQUEST and not error.is_final


def may_repeat_once(error: UpstreamError) -> bool:
    """Whether the same account deserves one more try: the way out failed, not the account."""
    return error.scope is Scope.EGRESS and not error.is_final


class FailureTally:
    """What one request has met so far; tells when the next account would fare no better.

    Every failed call is noted, also one that is repeated with the same account. Failures of
    accounts do not count: each account has its own.
    """

    __slots__ = ("_failures", "_max_same", "_timeouts")

    def __init__(self, max_same: int) -> None:
        self._max_same = max_same
        self._timeouts = 0
        self._failures: Counter[tuple[ErrorKind, str | None]] = Counter()

    def note(self, error: UpstreamError) -> None:
        """Count `error`."""
        if error.scope is Scope.ACCOUNT:
            return
        self._failures[error.kind, error.code] += 1
        self._timeouts += error.kind is ErrorKind.UPSTREAM_TIMEOUT

    @property
    def is_hopeless(self) -> bool:
        """Whether the same failure came too often to hope for another answer."""
        is_same = any(count >= self._max_same for count in self._failures.values())
        return is_same or self._timeouts >= MAX_TIMEOUTS
