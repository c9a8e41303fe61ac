"""What failures mean for accounts and for trying again, where the table alone does not say."""

import pytest

from grok2api.domain.account import Outcome
from grok2api.error_kinds import LimitExtent
from grok2api.errors import (
    AccountForbiddenError,
    CredentialRejectedError,
    EgressBlockedError,
    UpstreamError,
    UpstreamRateLimitError,
    UpstreamRejectedError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from grok2api.services.verdict import FailureTally, Verdict, judge, may_repeat_once

LIMITED = UpstreamRateLimitError("limited")
DOWN = UpstreamUnavailableError("down", code="upstream_error")
IDLE = UpstreamTimeoutError("silent", code="upstream_stream_idle_timeout")
FIRST = UpstreamTimeoutError("silent", code="upstream_first_event_timeout")


def tally_of(*errors: UpstreamError, max_same: int = 3) -> FailureTally:
    tally = FailureTally(max_same)
    for error in errors:
        tally.note(error)
    return tally


@pytest.mark.parametrize("after_s", [None, 0.0])
def test_limit_without_a_time_leaves_the_window_to_its_known_reset(after_s: float | None) -> None:
    error = UpstreamRateLimitError("limited", retry_after_s=after_s)

    assert judge(error) == Verdict(Outcome.RATE_LIMITED, cooldown_s=0.0, reason="rate_limited")


def test_named_time_is_the_cooldown() -> None:
    verdict = judge(UpstreamRateLimitError("limited", retry_after_s=7.0))

    assert verdict.cooldown_s == 7.0


def test_empty_window_is_the_windows_affair() -> None:
    error = UpstreamRateLimitError("empty", retry_after_s=90.0)
    error.extent = LimitExtent.WINDOW

    assert judge(error) == Verdict(Outcome.WINDOW_EMPTY, 90.0, "usage_limit")


@pytest.mark.parametrize(
    ("error", "is_suspicious"),
    [
        (AccountForbiddenError("no", is_blocked=False), True),
        (CredentialRejectedError("no", is_confirmed=False), True),
        (AccountForbiddenError("no", is_blocked=True), False),
        (CredentialRejectedError("no", is_confirmed=True), False),
        (LIMITED, False),
        (DOWN, False),
        (UpstreamRejectedError("no"), False),
    ],
)
def test_only_unproven_refusals_may_be_the_prompts_doing(
    error: UpstreamError, *, is_suspicious: bool
) -> None:
    assert judge(error).is_suspicious is is_suspicious


def test_final_trouble_of_the_exit_is_not_repeated() -> None:
    error = EgressBlockedError("no")
    error.is_final = True

    assert not may_repeat_once(error)


@pytest.mark.parametrize("errors", [(), (IDLE,), (DOWN, DOWN), (DOWN, IDLE, DOWN)])
def test_a_few_failures_leave_hope(errors: tuple[UpstreamError, ...]) -> None:
    assert not tally_of(*errors).is_hopeless


@pytest.mark.parametrize("errors", [(IDLE, IDLE), (IDLE, FIRST), (IDLE, DOWN, FIRST)])
def test_two_silences_are_enough(errors: tuple[UpstreamError, ...]) -> None:
    assert tally_of(*errors, max_same=20).is_hopeless


def test_the_same_failure_again_and_again_ends_the_hope() -> None:
    assert tally_of(DOWN, DOWN, DOWN).is_hopeless


def test_different_failures_are_counted_apart() -> None:
    other = UpstreamUnavailableError("reset", code="upstream_network_error")

    assert not tally_of(DOWN, other, DOWN, other).is_hopeless


def test_failures_of_accounts_say_nothing_about_the_next_account() -> None:
    assert not tally_of(*[LIMITED] * 20).is_hopeless
