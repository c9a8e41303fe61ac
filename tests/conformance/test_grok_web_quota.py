"""Quota and the switch for sensitive content, asked of the simulator over real connections."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import msgspec
import pytest
from msgspec import structs

from grok2api.clock import SystemClock
from grok2api.domain.account import CHAT_MODES, Mode, Tier
from grok2api.domain.quota import PLANS, Plan, QuotaReport
from grok2api.domain.upstream import UpstreamRequest
from grok2api.errors import (
    AccountForbiddenError,
    AntiBotError,
    CredentialRejectedError,
    EgressBlockedError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRateLimitError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from grok2api.providers.grok_web.options import GrokWebOptions
from grok2api.providers.grok_web.quota import GrokWebQuota
from grok2api.providers.grok_web.settings import GrokWebSettings
from grok2api.upstream.frames import MAX_MESSAGE_BYTES
from grok2api.upstream.transport import (
    Exit,
    Timeouts,
    Transport,
    UpstreamSocket,
    UpstreamStream,
)
from tests.conformance.conftest import SESSION, Counterpart, upstream_session

WEEK_S = 7 * 86_400


async def read(
    counterpart: Counterpart, tier: Tier = Tier.BASIC, options: GrokWebOptions | None = None
) -> QuotaReport:
    quota = GrokWebQuota(counterpart.transport, options or counterpart.options(), SystemClock())
    return await quota.read_quota(upstream_session(), tier)


async def fail(counterpart: Counterpart, tier: Tier = Tier.BASIC) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await read(counterpart, tier)
    return caught.value


async def turn(counterpart: Counterpart, *, is_on: bool) -> None:
    settings = GrokWebSettings(counterpart.transport, counterpart.options(), SystemClock())
    await settings.set_sensitive_content(upstream_session(), is_on=is_on)


async def change(counterpart: Counterpart, **changes: object) -> None:
    reply = await counterpart.site.http.patch("/_sim/accounts/one", json=changes)
    assert reply.status_code == 200, reply.text


def totals_of(report: QuotaReport) -> dict[Mode, int | None]:
    return {reading.mode: reading.total for reading in report.readings}


def chat_plans(tier: Tier) -> dict[Mode, Plan]:
    return {mode: plan for mode, plan in PLANS[tier].items() if mode in CHAT_MODES}


@pytest.mark.parametrize("known", list(Tier))
@pytest.mark.parametrize("real", list(Tier))
async def test_the_real_plan_is_found_from_any_start(
    counterpart: Counterpart, known: Tier, real: Tier
) -> None:
    await change(counterpart, tier=real.value)

    report = await read(counterpart, known)

    assert report.tier is real
    assert totals_of(report) == {mode: plan.total for mode, plan in chat_plans(real).items()}
    assert {r.mode: r.length_s for r in report.readings} == {
        mode: plan.length_s for mode, plan in chat_plans(real).items()
    }
    assert (report.credits is None) == (real is Tier.BASIC)
    page = await counterpart.site.page("one")
    assert page["violations"] == []
    asked = chat_plans(known).keys() | chat_plans(real).keys() | {Mode.AUTO, Mode.FAST}
    assert (page["quota_calls"], page["credits_calls"]) == (len(asked), real is not Tier.BASIC)


async def test_numbers_are_those_of_the_upstream(counterpart: Counterpart) -> None:
    window = {"total": 30, "remaining": 5, "size_s": 60}
    await change(counterpart, quota={"fast": window})

    report = await read(counterpart)

    assert [(r.remaining, r.total, r.length_s, r.resets_in_s) for r in report.readings] == [
        (5, 30, 60, 60.0)
    ]
    assert report.failed == {}


async def test_credits_tell_how_much_of_the_week_is_left(counterpart: Counterpart) -> None:
    await change(counterpart, tier="super", quota={"fast": {"remaining": 67}})  # 73 of 290 are gone

    report = await read(counterpart, Tier.SUPER)

    assert report.credits is not None
    assert (report.credits.remaining, report.credits.total) == (7483, 10_000)
    assert 0 < report.credits.resets_in_s <= WEEK_S + 1


async def test_a_pool_that_is_not_paid_for_has_no_credits(counterpart: Counterpart) -> None:
    unknown = {"auto": {"total": 21}, "fast": {"total": 31}}
    await change(counterpart, quota=unknown)

    report = await read(counterpart, Tier.SUPER)

    assert report.tier is None
    assert report.credits is None
    assert (await counterpart.site.page("one"))["credits_calls"] == 1
    assert totals_of(report) == {Mode.AUTO: 21, Mode.FAST: 31}


async def test_a_mode_the_account_lacks_is_named(counterpart: Counterpart) -> None:
    await change(counterpart, tier="super", quota={"expert": {"total": 0}})

    report = await read(counterpart, Tier.SUPER)

    assert report.failed == {Mode.EXPERT: "mode_not_available"}
    assert Mode.EXPERT not in totals_of(report)


@pytest.mark.parametrize(
    ("fault", "expected", "is_certain"),
    [
        ("bad_credentials", CredentialRejectedError, True),
        ("bad_credentials_400", CredentialRejectedError, True),
        ("bad_credentials_403", CredentialRejectedError, True),
        ("unauthorized", CredentialRejectedError, False),
        ("blocked", AccountForbiddenError, True),
        ("blocked_text", AccountForbiddenError, True),
    ],
)
async def test_a_dead_session_or_a_block_stops_everything(
    counterpart: Counterpart,
    fault: str,
    expected: type[UpstreamError],
    is_certain: bool,  # noqa: FBT001
) -> None:
    await counterpart.site.script(f"fault={fault}", target="quota", times=0)

    error = await fail(counterpart, Tier.HEAVY)

    assert type(error) is expected
    if isinstance(error, CredentialRejectedError):
        assert error.is_confirmed is is_certain
    if isinstance(error, AccountForbiddenError):
        assert error.is_blocked is is_certain
    page = await counterpart.site.page("one")
    assert (page["quota_calls"] <= 2, page["credits_calls"]) == (True, 0)


class Turnstile:
    """The real transport, with a count of the calls that are under way at once."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._open = 0
        self.most = 0

    @asynccontextmanager
    async def open(
        self, request: UpstreamRequest, exit_: Exit, timeouts: Timeouts
    ) -> AsyncIterator[UpstreamStream]:
        self._open += 1
        self.most = max(self.most, self._open)
        try:
            async with self._transport.open(request, exit_, timeouts) as stream:
                yield stream
        finally:
            self._open -= 1

    def connect(
        self,
        request: UpstreamRequest,
        exit_: Exit,
        timeouts: Timeouts,
        *,
        limit_bytes: int = MAX_MESSAGE_BYTES,
    ) -> AbstractAsyncContextManager[UpstreamSocket]:
        return self._transport.connect(request, exit_, timeouts, limit_bytes=limit_bytes)


async def test_an_account_has_two_calls_under_way_at_most(counterpart: Counterpart) -> None:
    await change(counterpart, tier="heavy")
    turnstile = Turnstile(counterpart.transport)
    quota = GrokWebQuota(turnstile, counterpart.options(), SystemClock())

    await quota.read_quota(upstream_session(), Tier.BASIC)

    assert turnstile.most == 2


REFUSALS = [
    ("anti_bot", AntiBotError, "anti_bot_rejected", 2),
    ("challenge", EgressBlockedError, "upstream_challenge", 2),
    ("html_403", EgressBlockedError, "upstream_challenge", 2),
    ("empty_403", EgressBlockedError, "upstream_challenge", 2),
    ("forbidden", UpstreamUnavailableError, "upstream_forbidden", 2),
    ("access_denied", AccountForbiddenError, "mode_not_available", 1),
    ("rate_limited", UpstreamRateLimitError, "rate_limit_exceeded", 1),
    ("rate_limited_empty", UpstreamRateLimitError, "rate_limit_exceeded", 1),
    ("server_error", UpstreamUnavailableError, "upstream_error", 1),
    ("bad_gateway", UpstreamUnavailableError, "upstream_error", 1),
    ("unavailable", UpstreamUnavailableError, "upstream_error", 1),
    ("gateway_timeout", UpstreamUnavailableError, "upstream_error", 1),
    ("reset", UpstreamUnavailableError, "upstream_network_error", 2),
]


@pytest.mark.parametrize(("fault", "expected", "word", "attempts"), REFUSALS)
async def test_if_every_mode_fails_that_is_the_failure(
    counterpart: Counterpart, fault: str, expected: type[UpstreamError], word: str, attempts: int
) -> None:
    await counterpart.site.script(f"fault={fault}", target="quota", times=0)

    error = await fail(counterpart)

    assert type(error) is expected
    assert word in {error.code, "mode_not_available"}
    assert (await counterpart.site.page("one"))["quota_calls"] == 2 * attempts


@pytest.mark.parametrize(
    ("fault", "word", "attempts"),
    # curl itself repeats a call whose kept connection breaks before an answer
    [(fault, word, attempts) for fault, _, word, attempts in REFUSALS if fault != "reset"],
)
async def test_if_one_mode_fails_the_others_are_told(
    counterpart: Counterpart, fault: str, word: str, attempts: int
) -> None:
    await change(counterpart, tier="heavy")
    # Of two calls at once, three strikes always hit one twice and one that is then repeated.
    times = 1 if attempts == 1 else 3
    await counterpart.site.script(f"fault={fault}", target="quota", times=times)

    report = await read(counterpart, Tier.HEAVY)

    assert list(report.failed.values()) == [word]
    assert totals_of(report).keys() == chat_plans(Tier.HEAVY).keys() - report.failed.keys()
    assert report.tier is Tier.HEAVY


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ('{"totalQueries":0,"remainingQueries":0}', "mode_not_available"),
        ("{}", "mode_not_available"),
        ('{"totalQueries":50}', "upstream_odd_quota"),
        ("[]", "upstream_odd_quota"),
        ("", "upstream_odd_quota"),
    ],
)
async def test_an_odd_answer_is_a_failure(counterpart: Counterpart, body: str, word: str) -> None:
    directive = f"http=200; body={msgspec.json.encode(body).decode()}"
    await counterpart.site.script(directive, target="quota", times=0)

    error = await fail(counterpart)

    assert isinstance(error, UpstreamProtocolError)
    assert error.code == word


async def test_a_page_instead_of_numbers_is_a_challenge_or_an_error(
    counterpart: Counterpart,
) -> None:
    page = 'http=200; content_type=text/html; body="<html>Just a moment</html>"'
    await counterpart.site.script(page, target="quota", times=0)

    assert isinstance(await fail(counterpart), EgressBlockedError)


@pytest.mark.parametrize("directive", ["fault=hang", "stall_headers_ms=60000"])
async def test_silence_is_a_timeout_of_its_mode(counterpart: Counterpart, directive: str) -> None:
    await counterpart.site.script(directive, target="quota")
    options = structs.replace(counterpart.options(), quota_timeout_s=2.0)

    report = await read(counterpart, options=options)

    assert len(report.failed) == 1
    assert set(report.failed.values()) <= {"upstream_total_timeout", "upstream_header_timeout"}


async def test_silence_in_every_mode_is_a_timeout(counterpart: Counterpart) -> None:
    await counterpart.site.script("fault=hang", target="quota", times=0)
    options = structs.replace(counterpart.options(), quota_timeout_s=0.3)

    with pytest.raises(UpstreamTimeoutError):
        await read(counterpart, options=options)


@pytest.mark.parametrize("fault", ["server_error", "rate_limited", "empty_403", "reset"])
async def test_credits_that_cannot_be_had_do_not_cost_the_windows(
    counterpart: Counterpart, fault: str
) -> None:
    await change(counterpart, tier="super")
    await counterpart.site.script(f"fault={fault}", target="credits", times=0)

    report = await read(counterpart, Tier.SUPER)

    assert report.credits is None
    assert totals_of(report) == {mode: plan.total for mode, plan in chat_plans(Tier.SUPER).items()}


async def test_a_dead_session_at_the_credits_is_one_too(counterpart: Counterpart) -> None:
    await change(counterpart, tier="super")
    await counterpart.site.script("fault=bad_credentials", target="credits")

    assert isinstance(await fail(counterpart, Tier.SUPER), CredentialRejectedError)


async def test_credits_in_the_text_form_are_understood(counterpart: Counterpart) -> None:
    await change(counterpart, tier="super")
    text = (
        "AAAAADUKMw0AAMxBIgwIgP7rygYQgMq17gEqDAiA85DLBhCAyrXuAToHCAQVAACgQToHCAUVAACwQA=="
        "gAAAAA9ncnBjLXN0YXR1czowDQo="
    )
    directive = f'http=200; content_type=application/grpc-web-text; body="{text}"'
    await counterpart.site.script(directive, target="credits")

    report = await read(counterpart, Tier.SUPER)

    assert report.credits is not None
    assert report.credits.remaining == 7450


async def test_the_switch_is_turned_on_and_off(counterpart: Counterpart) -> None:
    seen = [(await counterpart.site.page("one"))["sensitive_content"]]
    for is_on in (True, True, False):
        await turn(counterpart, is_on=is_on)
        seen.append((await counterpart.site.page("one"))["sensitive_content"])

    assert seen == [None, True, True, False]
    assert (await counterpart.site.page("one"))["violations"] == []


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("bad_credentials", CredentialRejectedError),
        ("blocked", AccountForbiddenError),
        ("rate_limited", UpstreamRateLimitError),
        ("server_error", UpstreamUnavailableError),
        ("challenge", EgressBlockedError),
    ],
)
async def test_a_refused_switch_stays_as_it_is(
    counterpart: Counterpart, fault: str, expected: type[UpstreamError]
) -> None:
    await counterpart.site.script(f"fault={fault}", target="preference", times=0)

    with pytest.raises(expected):
        await turn(counterpart, is_on=True)

    assert (await counterpart.site.page("one"))["sensitive_content"] is None


async def test_a_switch_refused_at_the_exit_is_tried_once_more(counterpart: Counterpart) -> None:
    await counterpart.site.script("fault=empty_403", target="preference")

    await turn(counterpart, is_on=True)

    assert (await counterpart.site.page("one"))["sensitive_content"] is True


async def test_every_attempt_has_an_id_and_a_signature_of_its_own(
    counterpart: Counterpart,
) -> None:
    await counterpart.site.script("fault=empty_403", target="preference")

    await turn(counterpart, is_on=True)

    first, second = [dict(r["headers"]) for r in (await counterpart.site.ledger())["requests"]]
    assert first["x-xai-request-id"] != second["x-xai-request-id"]
    assert first["x-statsig-id"] != second["x-statsig-id"]
    assert SESSION not in repr((first, second))
