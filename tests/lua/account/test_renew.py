"""account/renew: a lease lives on while somebody uses it; what has ended is not revived."""

from grok2api.domain.account import Outcome
from grok2api.domain.ids import AccountId
from grok2api.store import keys
from grok2api.store.accounts import AccountStore
from tests.conftest import AccountMaker
from tests.lua.account.conftest import Bench
from tests.lua.conftest import NOW_MS, KeyView


async def test_lease_lives_on_from_now(
    store: AccountStore, accounts: AccountMaker, bench: Bench, view: KeyView
) -> None:
    await accounts.save("a")
    lease = await accounts.lease("l1")
    bench.pass_time(59)

    assert await store.renew(lease, ttl_s=60)

    assert (await view.scores(keys.timers()))["lease l1"] == NOW_MS + 119_000


async def test_lifetime_can_be_cut(
    store: AccountStore, accounts: AccountMaker, view: KeyView
) -> None:
    await accounts.save("a")
    lease = await accounts.lease("l1")

    assert await store.renew(lease, ttl_s=1)

    assert (await view.scores(keys.timers()))["lease l1"] == NOW_MS + 1000


async def test_lease_that_ran_out_is_not_revived_though_nothing_noticed(
    store: AccountStore, accounts: AccountMaker, bench: Bench, view: KeyView
) -> None:
    await accounts.save("a")
    lease = await accounts.lease("l1")
    bench.pass_time(60)

    assert not await store.renew(lease, ttl_s=60)

    assert (await view.scores(keys.timers()))["lease l1"] == NOW_MS + 60_000


async def test_released_lease_is_gone(
    store: AccountStore, accounts: AccountMaker, view: KeyView
) -> None:
    await accounts.save("a")
    lease = await accounts.lease("l1")
    await accounts.end(lease)

    assert not await store.renew(lease, ttl_s=60)

    assert "lease l1" not in await view.members(keys.timers())


async def test_lease_of_a_removed_account_is_gone(
    store: AccountStore, accounts: AccountMaker
) -> None:
    await accounts.save("a")
    lease = await accounts.lease("l1")
    await store.remove(AccountId("a"))

    assert not await store.renew(lease, ttl_s=60)

    await accounts.save("a")
    assert not await store.renew(lease, ttl_s=60)


async def test_cooling_does_not_end_other_leases(
    store: AccountStore, accounts: AccountMaker
) -> None:
    await accounts.save("a")
    first, second = [await accounts.lease(name, limit=2) for name in ("l1", "l2")]
    await accounts.end(first, Outcome.RATE_LIMITED)

    assert await store.renew(second, ttl_s=60)
