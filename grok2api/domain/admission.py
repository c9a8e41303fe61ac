"""Admission: what a call takes of its client key's limits, and what is left of them."""

from collections.abc import Iterable
from enum import StrEnum

import msgspec
from msgspec import Struct

from grok2api.domain.client_key import ClientKey, KeyLimits
from grok2api.domain.ids import CallId


class LimitState(Struct, frozen=True):
    """One limit of a key at one moment, and when it is whole again if nothing more is taken."""

    limit: int
    remaining: int
    resets_in_s: float


class Used(Struct, frozen=True):
    """What calls took in some time, those under way included with what was reserved for them."""

    requests: int = 0
    tokens: int = 0
    units: int = 0


class PeriodSpending(Struct, frozen=True):
    """What a key took of the budget of a period, and when that ends."""

    used: Used
    ends_in_s: float


class KeySpending(Struct, frozen=True, kw_only=True):
    """What a key has taken of its limits at one moment, and when nothing of it counts any more.

    Units are not counted by the minute.
    """

    minute: Used
    requests_end_in_s: float
    tokens_end_in_s: float
    day: PeriodSpending
    week: PeriodSpending
    month: PeriodSpending


class Admission(Struct, frozen=True, kw_only=True):
    """A call that was let in. `call_id` is "" where nothing was taken that could be given back.

    `requests` and `tokens` are what the key's limits leave for more calls like this one, None where
    it has none of that kind; see `tell_limits`. `units` are those that the call reserved.
    """

    call_id: CallId
    requests: LimitState | None = None
    tokens: LimitState | None = None
    limits: KeyLimits = KeyLimits()
    units: int = 0

    @property
    def tells_limits(self) -> bool:
        """Whether there is anything to tell of limits."""
        return self.requests is not None or self.tokens is not None

    def at(self, spending: KeySpending) -> "Admission":
        """Return the same call at another moment."""
        requests, tokens = tell_limits(self.limits, spending, self.units)
        return msgspec.structs.replace(self, requests=requests, tokens=tokens)


class Refusal(Struct, frozen=True, kw_only=True):
    """A call that was not let in; nothing was taken.

    `which` says more of a budget ("tokens a day"). Had nothing else come, the call would be let in
    `retry_after_s` later; None: never, it needs more than the whole limit.
    """

    limit: "LimitName"
    which: str = ""
    retry_after_s: float | None
    requests: LimitState | None = None
    tokens: LimitState | None = None


class Edited(Struct, frozen=True):
    """The key is not what it was when the call was checked; nothing was taken.

    `record` is how it is stored: by it the store knows that the next check was of this `key`.
    """

    key: ClientKey
    record: bytes


class KeyUse(Struct, frozen=True, kw_only=True):
    """What a client key uses of its limits now. Units are not counted by the minute."""

    open_calls: int = 0
    minute: Used = Used()
    day: Used = Used()
    week: Used = Used()
    month: Used = Used()


class LimitName(StrEnum):
    """The names of limits, as refusals and logs say them."""

    REQUESTS_PER_MINUTE = "requests_per_minute"
    TOKENS_PER_MINUTE = "tokens_per_minute"
    CONCURRENCY = "concurrency"
    BUDGET = "budget"


def tell_limits(
    limits: KeyLimits, spending: KeySpending, units: int
) -> tuple[LimitState | None, LimitState | None]:
    """Return the limit that leaves the fewest requests, and the one that leaves the fewest tokens.

    Of those that leave the same, the one that takes longest to be whole is told. A budget in units
    leaves as many requests as there are calls of so many `units` in it. So whoever sends no more
    than is left, and waits for the reset where that is nothing, is never refused because of them.
    """
    minute = spending.minute
    of_requests = [_left(limits.requests_per_minute, minute.requests, spending.requests_end_in_s)]
    of_tokens = [_left(limits.tokens_per_minute, minute.tokens, spending.tokens_end_in_s)]
    for budget, period in (
        (limits.day, spending.day),
        (limits.week, spending.week),
        (limits.month, spending.month),
    ):
        used, ends_in_s = period.used, period.ends_in_s
        of_requests.append(_left(budget.requests, used.requests, ends_in_s))
        of_tokens.append(_left(budget.tokens, used.tokens, ends_in_s))
        if units and (left := _left(budget.units, used.units, ends_in_s)):
            state = LimitState(left.limit // units, left.remaining // units, left.resets_in_s)
            of_requests.append(state)
    return _tightest(of_requests), _tightest(of_tokens)


def _left(limit: int, used: int, ends_in_s: float) -> LimitState | None:
    """Return what is left of a limit, None where there is none."""
    state = LimitState(limit, max(0, limit - used), ends_in_s if used else 0.0)
    return state if limit else None


def _tightest(states: Iterable[LimitState | None]) -> LimitState | None:
    return min(
        (state for state in states if state is not None),
        key=lambda state: (state.remaining, -state.resets_in_s),
        default=None,
    )
