"""Headers of limits are those that SDKs and proxies read."""

import pytest

from grok2api.dialects.rate_limits import (
    anthropic_limit_headers,
    format_duration,
    openai_limit_headers,
)
from grok2api.domain.admission import Admission, LimitState
from grok2api.domain.ids import CallId

LEFT = Admission(
    call_id=CallId("c"), requests=LimitState(60, 59, 60.5), tokens=LimitState(1000, 0, 0.25)
)


def test_openai_headers_tell_limit_remaining_and_reset() -> None:
    assert openai_limit_headers(LEFT) == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1m0.5s",
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "250ms",
    }


def test_anthropic_headers_tell_times_that_are_not_too_early() -> None:
    assert anthropic_limit_headers(LEFT, 1_800_000_000.75) == {
        "anthropic-ratelimit-requests-limit": "60",
        "anthropic-ratelimit-requests-remaining": "59",
        "anthropic-ratelimit-requests-reset": "2027-01-15T08:01:02Z",
        "anthropic-ratelimit-tokens-limit": "1000",
        "anthropic-ratelimit-tokens-remaining": "0",
        "anthropic-ratelimit-tokens-reset": "2027-01-15T08:00:01Z",
    }


def test_limit_that_a_key_has_not_is_not_told() -> None:
    none = Admission(call_id=CallId(""))

    assert openai_limit_headers(none) == {}
    assert anthropic_limit_headers(none, 0.0) == {}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (-1.0, "0s"),
        (0.012, "12ms"),
        (0.0001, "1ms"),
        (1.0, "1s"),
        (10.0, "10s"),
        (59.9991, "1m0s"),
        (360.0, "6m0s"),
        (90.5, "1m30.5s"),
        (3600.5, "1h0m0.5s"),
    ],
)
def test_durations_are_written_as_go_does(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
