"""What headers tell of limits: the tightest that a key has."""

import pytest

from grok2api.domain.admission import (
    KeySpending,
    LimitState,
    PeriodSpending,
    Used,
    tell_limits,
)
from grok2api.domain.client_key import Budget, KeyLimits

DAY_S, WEEK_S, MONTH_S = 5000.0, 90_000.0, 500_000.0
SPENDING = KeySpending(
    minute=Used(4, 300),
    requests_end_in_s=61.0,
    tokens_end_in_s=50.0,
    day=PeriodSpending(Used(10, 1000, 12), DAY_S),
    week=PeriodSpending(Used(20, 2000, 24), WEEK_S),
    month=PeriodSpending(Used(30, 3000, 36), MONTH_S),
)


@pytest.mark.parametrize(
    ("limits", "units", "requests", "tokens"),
    [
        (KeyLimits(), 1, None, None),
        (KeyLimits(concurrency=2), 1, None, None),
        (
            KeyLimits(requests_per_minute=10, tokens_per_minute=900),
            1,
            LimitState(10, 6, 61.0),
            LimitState(900, 600, 50.0),
        ),
        (
            KeyLimits(requests_per_minute=10, day=Budget(requests=15), week=Budget(requests=99)),
            1,
            LimitState(15, 5, DAY_S),
            None,
        ),
        (
            KeyLimits(tokens_per_minute=900, month=Budget(tokens=3000)),
            1,
            None,
            LimitState(3000, 0, MONTH_S),
        ),
        (KeyLimits(day=Budget(units=21)), 4, LimitState(5, 2, DAY_S), None),
        (KeyLimits(day=Budget(units=3)), 4, LimitState(0, 0, DAY_S), None),
        (KeyLimits(day=Budget(units=21)), 0, None, None),
        (
            KeyLimits(requests_per_minute=4, day=Budget(requests=10), week=Budget(requests=20)),
            1,
            LimitState(20, 0, WEEK_S),
            None,
        ),
    ],
    ids=[
        *("none", "nothing_to_count", "minute", "day_is_tighter", "used_up_month", "units"),
        *("never_enough_units", "call_without_units", "latest_of_those_used_up"),
    ],
)
def test_tightest_limit_is_told(
    limits: KeyLimits, units: int, requests: LimitState | None, tokens: LimitState | None
) -> None:
    assert tell_limits(limits, SPENDING, units) == (requests, tokens)
