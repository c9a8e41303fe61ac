"""Tier detection and refresh with the simulator as the site, from the wire to the store."""

import pytest

from grok2api.clock import SystemClock
from grok2api.config.accounts import RefreshSettings
from grok2api.domain.account import Credentials, Lease, Status, Tier
from grok2api.domain.ids import AccountId
from grok2api.domain.quota import PLANS
from grok2api.providers.registry import build_providers
from grok2api.services.quota import QuotaService, Refreshed
from grok2api.store.account_edits import AccountEdits
from grok2api.store.accounts import NewAccount, NoneReady
from grok2api.store.connection import RedisClient
from tests.conformance.conftest import SESSION, Counterpart
from tests.conftest import AccountMaker
from tests.services.quota_bench import pool_of

ONE = AccountId("one")
ODD = [
    "http=200; body={}",
    'http=200; body="[]"',
    'http=200; body="{\\"totalQueries\\":0,\\"remainingQueries\\":0}"',
    'http=200; body="{\\"totalQueries\\":30}"',
    "http=200; content_type=text/html; body=Hello",
    "fault=rate_limited",
    "fault=server_error",
    "fault=access_denied",
    "fault=reset",
]


class Bench:
    """One account whose counterpart at the site is `one`."""

    def __init__(
        self, redis: RedisClient, accounts: AccountMaker, counterpart: Counterpart
    ) -> None:
        self.accounts = accounts
        self.site = counterpart.site
        providers = build_providers(counterpart.transport, counterpart.options(), SystemClock())
        self._quota = QuotaService(
            accounts.store, AccountEdits(redis), providers, RefreshSettings(), SystemClock()
        )

    async def save(self, tier: Tier = Tier.BASIC) -> None:
        credentials = Credentials(SESSION)
        await self.accounts.store.save(NewAccount(ONE, pool_of(tier), credentials, mask="…"))

    async def change(self, **changes: object) -> None:
        reply = await self.site.http.patch("/_sim/accounts/one", json=changes)
        assert reply.status_code == 200, reply.text

    async def refresh(self, *, is_by_hand: bool = True) -> Refreshed:
        found = await self._quota.refresh(ONE, is_by_hand=is_by_hand)
        assert isinstance(found, Refreshed)
        return found

    async def tier(self) -> Tier:
        return (await self.accounts.look("one")).pool.tier


@pytest.fixture
def bench(redis: RedisClient, accounts: AccountMaker, counterpart: Counterpart) -> Bench:
    return Bench(redis, accounts, counterpart)


@pytest.mark.parametrize("real", list(Tier))
@pytest.mark.parametrize("before", list(Tier))
async def test_the_real_plan_is_found_and_its_numbers_are_taken_over(
    bench: Bench, before: Tier, real: Tier
) -> None:
    await bench.save(before)
    await bench.change(tier=real.value, quota={"fast": {"remaining": 3}})

    await bench.refresh(is_by_hand=False)

    account = await bench.accounts.look("one")
    assert account.pool.tier is real
    totals = {mode: window.total for mode, window in account.windows.items()}
    assert totals == {mode: plan.total for mode, plan in PLANS[real].items()}
    assert [w.remaining for m, w in account.windows.items() if m == "fast"] == [3]
    assert (await bench.site.ledger())["violations"] == []


@pytest.mark.parametrize("times", [1, 0])
@pytest.mark.parametrize("directive", ODD)
async def test_odd_and_failed_answers_never_demote(
    bench: Bench, directive: str, times: int
) -> None:
    """The first answer odd, or every one; the plan is really a lower one now."""
    await bench.save(Tier.HEAVY)
    await bench.change(tier="heavy")
    await bench.refresh()
    if times == 0:
        await bench.change(tier="basic")
    await bench.site.script(directive, target="quota", times=times)

    await bench.refresh()

    assert await bench.tier() is Tier.HEAVY
    assert (await bench.accounts.look("one")).status is Status.ACTIVE


@pytest.mark.parametrize("mode", ["auto", "fast"])
@pytest.mark.parametrize("total", [0, 21, 31, 50])
async def test_two_modes_that_do_not_agree_never_demote(
    bench: Bench, mode: str, total: int
) -> None:
    await bench.save(Tier.HEAVY)
    await bench.change(tier="basic", quota={mode: {"total": total}})

    await bench.refresh()

    assert await bench.tier() is Tier.HEAVY


async def test_exhausted_account_serves_again_once_the_site_gives_it_queries(
    bench: Bench,
) -> None:
    await bench.save()
    await bench.change(quota={"fast": {"remaining": 0}})
    await bench.refresh()
    assert isinstance(await bench.accounts.ask("l1"), NoneReady)
    assert (await bench.accounts.look("one")).status is Status.EXHAUSTED
    await bench.change(quota={"fast": {"remaining": 12}})

    found = await bench.refresh(is_by_hand=False)

    assert found.status is Status.ACTIVE
    assert isinstance(await bench.accounts.ask("l1"), Lease)


@pytest.mark.parametrize(
    ("status", "reason"), [("expired", "invalid_credentials"), ("blocked",) * 2]
)
async def test_account_the_site_refuses_expires_and_is_revived_when_it_works_again(
    bench: Bench, status: str, reason: str
) -> None:
    await bench.save()
    await bench.change(status=status)

    refused = await bench.refresh(is_by_hand=False)
    account = await bench.accounts.look("one")
    await bench.change(status="ok")
    revived = await bench.refresh()

    assert (refused.status, account.reason) == (Status.EXPIRED, reason)
    assert revived.status is Status.ACTIVE
