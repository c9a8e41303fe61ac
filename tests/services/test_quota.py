"""What the upstream says of quota, and what becomes of the account: on a real store."""

import asyncio

import pytest

from grok2api.clock import SystemClock
from grok2api.domain.account import CHAT_MODES, Lease, Mode, Outcome, Status, Tier
from grok2api.domain.ids import AccountId
from grok2api.domain.quota import PLANS, QuotaReport, Source
from grok2api.errors import (
    AccountForbiddenError,
    CredentialRejectedError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRateLimitError,
    UpstreamUnavailableError,
)
from grok2api.services.quota import QuotaService
from grok2api.store.account_replies import StaleEpoch, Unknown
from grok2api.store.accounts import AccountStore, NoneReady
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient
from grok2api.store.leader import Elected, LeaderStore
from tests.services.quota_bench import TOTALS, QuotaBench, pool_of, report_of

A = AccountId("a")
DEAD = CredentialRejectedError("no", is_confirmed=True)
BLOCKED = AccountForbiddenError("no", is_blocked=True)
DOUBTFUL = CredentialRejectedError("no", is_confirmed=False)
TROUBLE = UpstreamUnavailableError("trouble", code="upstream_error")
ODD = UpstreamProtocolError("odd", code="upstream_odd_quota")
LIMITED = UpstreamRateLimitError("slow down", code="rate_limit_exceeded", retry_after_s=60)
HARMLESS = [TROUBLE, ODD, LIMITED, AccountForbiddenError("no", is_blocked=False)]


@pytest.fixture
def bench(redis: RedisClient, account_store: AccountStore) -> QuotaBench:
    return QuotaBench(redis, account_store)


@pytest.mark.parametrize("before", list(Tier))
@pytest.mark.parametrize("real", list(Tier))
async def test_the_plan_that_the_site_proves_becomes_the_accounts(
    bench: QuotaBench, before: Tier, real: Tier
) -> None:
    await bench.accounts.save("a", pool=pool_of(before))
    bench.upstream.answers["a"] = report_of(TOTALS[real], 5)

    found = await bench.refresh(is_by_hand=False)

    account = await bench.accounts.look("a")
    assert (found.tier, account.pool.tier, found.failure) == (real, real, "")
    assert bench.upstream.asked == [("a", before)]
    chat = {mode: window for mode, window in account.windows.items() if mode in CHAT_MODES}
    assert {m: (w.remaining, w.total, w.source) for m, w in chat.items()} == {
        mode: (5, total, Source.REAL)
        for mode, total in TOTALS[real].items()
        if real is not Tier.BASIC or mode is not Mode.AUTO
    }


SUPER = TOTALS[Tier.SUPER]
BASIC_AUTO, BASIC_FAST = {Mode.AUTO: 20}, {Mode.FAST: 30}


@pytest.mark.parametrize(
    "answer",
    [
        report_of(SUPER | BASIC_FAST, None, Mode.AUTO),
        report_of(SUPER | BASIC_AUTO, None, Mode.FAST),
        report_of(SUPER | BASIC_FAST),
        report_of(SUPER | BASIC_AUTO),
        report_of(SUPER | BASIC_FAST | {Mode.AUTO: 21}),
        report_of(SUPER | BASIC_AUTO | {Mode.FAST: 31}),
        report_of({Mode.AUTO: 21, Mode.FAST: 31}),
        report_of(BASIC_AUTO | BASIC_FAST | {Mode.HEAVY: 20}),
        report_of({Mode.EXPERT: 50}, None, Mode.AUTO, Mode.FAST),
        *HARMLESS,
    ],
)
async def test_a_failed_odd_or_partial_answer_never_demotes(
    bench: QuotaBench, answer: QuotaReport | UpstreamError
) -> None:
    await bench.accounts.save("a", pool=pool_of(Tier.SUPER))
    bench.upstream.answers["a"] = answer

    for _ in range(3):
        await bench.refresh()

    account = await bench.accounts.look("a")
    assert (account.pool.tier, account.status) == (Tier.SUPER, Status.ACTIVE)
    assert account.windows.keys() == PLANS[Tier.SUPER].keys()


async def test_one_mode_that_proves_a_higher_plan_promotes(bench: QuotaBench) -> None:
    await bench.accounts.save("a")
    bench.upstream.answers["a"] = report_of(SUPER, None, Mode.AUTO, Mode.EXPERT)

    found = await bench.refresh()

    assert found.tier is await bench.tier() is Tier.SUPER
    assert found.missing.keys() == {Mode.AUTO, Mode.EXPERT}


@pytest.mark.parametrize(
    ("status", "reason"), [(Status.EXHAUSTED, "used_up"), (Status.EXHAUSTED, "quota")]
)
async def test_exhausted_account_that_has_queries_again_serves_the_next_request(
    bench: QuotaBench, status: Status, reason: str
) -> None:
    await bench.accounts.save("a")
    bench.upstream.answers["a"] = report_of(TOTALS[Tier.BASIC], 0)
    await bench.refresh()
    if reason != "quota":
        await bench.set_status("a", status, reason, 3600)
    assert (await bench.accounts.look("a")).status is Status.EXHAUSTED
    assert isinstance(await bench.accounts.ask("l1"), NoneReady)
    bench.upstream.answers["a"] = report_of(TOTALS[Tier.BASIC], 1)

    found = await bench.refresh(is_by_hand=False)

    assert found.status is Status.ACTIVE
    assert isinstance(await bench.accounts.ask("l1"), Lease)


@pytest.mark.parametrize("tier", list(Tier))
async def test_account_is_due_again_after_its_tiers_interval_give_or_take_a_tenth(
    redis: RedisClient, account_store: AccountStore, tier: Tier
) -> None:
    intervals = {Tier.BASIC: 50_000.0, Tier.SUPER: 20_000.0, Tier.HEAVY: 10_000.0}
    bench = QuotaBench(
        redis, account_store, **{f"{t}_interval_s": value for t, value in intervals.items()}
    )
    names = [f"a{number}" for number in range(40)]
    await bench.accounts.save(*names)

    for name in names:
        bench.upstream.answers[name] = report_of(TOTALS[tier])
        await bench.refresh(name)

    shares = [await bench.due_in_s(name) / intervals[tier] for name in names]
    assert 0.89 < min(shares) < 0.97
    assert 1.03 < max(shares) < 1.11


@pytest.mark.parametrize(("interval_s", "expected_s"), [(86_400.0, 900), (600.0, 600)])
@pytest.mark.parametrize("error", HARMLESS)
async def test_failure_changes_nothing_and_is_repeated_soon(
    redis: RedisClient,
    account_store: AccountStore,
    interval_s: float,
    expected_s: float,
    error: UpstreamError,
) -> None:
    bench = QuotaBench(redis, account_store, basic_interval_s=interval_s)
    await bench.accounts.save("a")
    before = await bench.accounts.look("a")
    bench.upstream.answers["a"] = error

    found = await bench.refresh()

    assert found.failure
    assert await bench.accounts.look("a") == before
    assert 0.89 < await bench.due_in_s() / expected_s < 1.11


@pytest.mark.parametrize(("error", "reason"), [(DEAD, "invalid_credentials"), (BLOCKED, "blocked")])
async def test_dead_session_or_block_expires_the_account(
    bench: QuotaBench, error: UpstreamError, reason: str
) -> None:
    await bench.accounts.save("a")
    bench.upstream.answers["a"] = error

    found = await bench.refresh(is_by_hand=False)

    account = await bench.accounts.look("a")
    assert (found.status, account.status, account.reason) == (
        Status.EXPIRED,
        Status.EXPIRED,
        reason,
    )
    assert (await bench.refresh(is_by_hand=False)).failure == "expired"
    assert len(bench.upstream.asked) == 1


async def test_refusal_that_proves_nothing_is_only_noted(bench: QuotaBench) -> None:
    await bench.accounts.save("a")
    bench.upstream.answers["a"] = DOUBTFUL

    for _ in range(3):
        await bench.refresh()

    account = await bench.accounts.look("a")
    assert (account.status, account.last_fault) == (Status.ACTIVE, "unauthorized")
    assert isinstance(await bench.accounts.ask("l1"), Lease)


@pytest.mark.parametrize("answer", [DEAD, report_of(TOTALS[Tier.BASIC], 7)])
async def test_disabled_account_stays_disabled_whatever_the_site_says(
    bench: QuotaBench, answer: QuotaReport | UpstreamError
) -> None:
    await bench.accounts.save("a")
    await bench.set_status("a", Status.DISABLED, "operator")
    bench.upstream.answers["a"] = answer

    await bench.refresh()

    account = await bench.accounts.look("a")
    assert (account.status, account.reason) == (Status.DISABLED, "operator")


async def test_account_disabled_while_it_is_asked_about_stays_disabled(bench: QuotaBench) -> None:
    await bench.accounts.save("a", "b")
    bench.upstream.answers |= {"a": DEAD, "b": report_of(TOTALS[Tier.SUPER])}
    bench.upstream.gate.clear()

    async with asyncio.TaskGroup() as group:
        for name in ("a", "b"):
            group.create_task(bench.refresh(name, is_by_hand=False))
        await bench.upstream.until_asked(2)
        await bench.set_status("a", Status.DISABLED, "operator")
        await bench.set_status("b", Status.DISABLED, "operator")
        bench.upstream.gate.set()

    assert (await bench.accounts.look("a")).status is Status.DISABLED
    assert (await bench.accounts.look("b")).status is Status.DISABLED
    assert await bench.tier("b") is Tier.SUPER


async def test_deleted_account_is_not_asked_about(bench: QuotaBench) -> None:
    await bench.accounts.save("a")
    await bench.set_status("a", Status.DELETED, "operator", 60)

    assert isinstance(await bench.quota.refresh(A, is_by_hand=True), Unknown)

    assert bench.upstream.asked == []
    assert (await bench.accounts.look("a")).status is Status.DELETED


async def test_account_deleted_while_it_is_asked_about_stays_deleted(bench: QuotaBench) -> None:
    await bench.accounts.save("a")
    bench.upstream.answers["a"] = report_of(TOTALS[Tier.BASIC])
    bench.upstream.gate.clear()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(bench.quota.refresh(A, is_by_hand=True))
        await bench.upstream.until_asked(1)
        await bench.set_status("a", Status.DELETED, "operator", 60)
        bench.upstream.gate.set()

    assert isinstance(task.result(), Unknown)
    assert (await bench.accounts.look("a")).status is Status.DELETED


async def test_expired_account_is_revived_by_hand_when_its_session_works(bench: QuotaBench) -> None:
    await bench.accounts.save("a", status=Status.EXPIRED, reason="invalid_credentials")
    bench.upstream.answers["a"] = report_of(TOTALS[Tier.BASIC], 9)

    assert (await bench.refresh(is_by_hand=False)).failure == "expired"
    assert bench.upstream.asked == []
    found = await bench.refresh()

    assert found.status is Status.ACTIVE
    assert isinstance(await bench.accounts.ask("l1"), Lease)


@pytest.mark.parametrize("error", [TROUBLE, ODD, DEAD, DOUBTFUL])
async def test_expired_account_that_proves_nothing_stays_expired(
    bench: QuotaBench, error: UpstreamError
) -> None:
    await bench.accounts.save("a", status=Status.EXPIRED, reason="blocked")
    bench.upstream.answers["a"] = error

    found = await bench.refresh()

    assert found.status is Status.EXPIRED
    assert found.failure


async def test_refresh_by_hand_ends_no_rest_that_the_site_asked_for(bench: QuotaBench) -> None:
    await bench.accounts.save("a", "b")
    lease = await bench.accounts.lease("l1")
    limited = lease.account_id
    await bench.accounts.end(lease, Outcome.RATE_LIMITED, cooldown_s=600, reason="rate_limited")
    lease = await bench.accounts.lease("l2")
    doubted = lease.account_id
    await bench.accounts.end(lease, Outcome.UNCONFIRMED, cooldown_s=600, reason="unauthorized")
    for name in ("a", "b"):
        bench.upstream.answers[name] = report_of(TOTALS[Tier.BASIC], 9)

    assert (await bench.refresh(limited)).status is Status.COOLING
    assert (await bench.refresh(doubted)).status is Status.ACTIVE


async def test_identity_that_the_site_tells_is_kept(bench: QuotaBench) -> None:
    await bench.accounts.save("a")
    bench.upstream.user_id = "user-1"

    await bench.refresh()

    assert (await bench.accounts.look("a")).user_id == "user-1"


async def test_replaced_leader_is_told_so_and_writes_nothing(bench: QuotaBench) -> None:
    await bench.accounts.save("a", "b")
    epoch = await LeaderStore(bench.redis).campaign("me", ttl_s=1)
    assert isinstance(epoch, Elected)
    seconds, _ = await bench.redis.execute_command("TIME")
    await LeaderStore(bench.redis, now_ms=int(seconds) * 1000 + 9999).campaign("x", ttl_s=60)
    before = await bench.accounts.look("a"), await bench.accounts.look("b")
    bench.upstream.answers |= {"a": report_of(TOTALS[Tier.HEAVY], 0), "b": DEAD}

    for name in ("a", "b"):
        found = await bench.quota.refresh(AccountId(name), epoch=epoch.epoch)
        assert isinstance(found, StaleEpoch)

    assert (await bench.accounts.look("a"), await bench.accounts.look("b")) == before


async def test_process_that_cannot_open_the_session_leaves_the_account_alone(
    bench: QuotaBench, redis: RedisClient
) -> None:
    await bench.accounts.save("a")
    stranger = QuotaService(
        AccountStore(redis, SecretCipher([b"z" * 32])),
        bench.edits,
        bench.quota._providers,
        bench.settings,
        SystemClock(),
    )

    await stranger.refresh(A)

    assert bench.upstream.asked == []
    assert (await bench.accounts.look("a")).status is Status.ACTIVE
    assert await bench.due_in_s() > 600


async def test_numbers_are_stale_after_two_intervals(bench: QuotaBench) -> None:
    await bench.accounts.save("a", "new")
    bench.upstream.answers["a"] = report_of(TOTALS[Tier.SUPER], 5, Mode.EXPERT)
    await bench.refresh()
    account, new = await bench.accounts.look("a"), await bench.accounts.look("new")

    class Later(SystemClock):
        after_s = 0.0

        def now_s(self) -> float:
            return account.synced_at_s + self.after_s

    clock = Later()
    quota = QuotaService(bench.store, bench.edits, {}, bench.settings, clock)
    clock.after_s = 2 * bench.settings.super_interval_s - 1
    assert quota.find_stale(account) == []
    clock.after_s += 2
    assert set(quota.find_stale(account)) == {Mode.AUTO, Mode.FAST, Mode.GROK_4_3}
    assert quota.find_stale(new) == []
