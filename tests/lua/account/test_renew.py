"""account/renew: a lease lives on from now, unless it has ended."""

from grok2api.domain.account import Outcome
from grok2api.domain.ids import AccountId
from grok2api.store import keys
from grok2api.store.accounts import AccountStore, NoneReady
from tests.conftest import BASIC, AccountMaker
from tests.lua.conftest import NOW_MS, KeyView


async def test_renewed_lease_lives_on(
    store: AccountStore, accounts: AccountMaker, view: KeyView
) -> None:
    await accounts.save("a")
    lease = await accounts.lease("l1", ttl_s=60)
    store.now_ms += 59_999

    assert await store.renew(lease, ttl_s=60)

    assert await view.scores(keys.timers(BASIC)) == {"lease l1": NOW_MS + 119_999}
    store.now_ms += 59_999
    reply = await store.acquire((BASIC,), lease.id, ttl_s=1, max_concurrency=1)
    assert not isinstance(reply, NoneReady)


async def test_lease_that_ran_out_is_not_revived(
    store: AccountStore, accounts: AccountMaker, view: KeyView
) -> None:
    await accounts.save("a")
    lease = await accounts.lease("l1", ttl_s=60)
    store.now_ms += 60_000

    assert not await store.renew(lease, ttl_s=60)

    assert await view.scores(keys.timers(BASIC)) == {"lease l1": NOW_MS + 60_000}


async def test_released_lease_is_gone(store: AccountStore, accounts: AccountMaker) -> None:
    await accounts.save("a")
    lease = await accounts.lease("l1")
    await store.release(lease, Outcome.OK)

    assert not await store.renew(lease, ttl_s=60)


async def test_lease_of_a_removed_account_is_gone(
    store: AccountStore, accounts: AccountMaker, view: KeyView
) -> None:
    await accounts.save("a")
    lease = await accounts.lease("l1")
    await store.remove(AccountId("a"))

    assert not await store.renew(lease, ttl_s=60)

    assert await view.members(keys.timers(BASIC)) == []


async def test_cooling_does_not_end_other_leases(
    store: AccountStore, accounts: AccountMaker
) -> None:
    await accounts.save("a")
    first, second = [await accounts.lease(name, limit=2) for name in ("l1", "l2")]
    await store.release(first, Outcome.RATE_LIMITED, cooldown_s=900)

    assert await store.renew(second, ttl_s=60)
