"""account/remove: nothing is left, and its leases have ended."""

import pytest

from grok2api.domain.account import Outcome, Pool, ProviderKind, Status, Tier
from grok2api.domain.ids import AccountId, LeaseId
from grok2api.store import keys
from grok2api.store.accounts import AccountStore, NoneReady
from tests.conftest import BASIC, AccountMaker
from tests.lua.conftest import KeyView

HEAVY = Pool(ProviderKind.GROK_WEB, Tier.HEAVY)


@pytest.mark.parametrize("pool", [BASIC, HEAVY])
async def test_nothing_is_left(
    store: AccountStore, accounts: AccountMaker, view: KeyView, pool: Pool
) -> None:
    await accounts.save("a", pool=pool)
    await store.set_user_id(AccountId("a"), "u")
    leases = [await accounts.lease(f"l{n}", pools=(pool,), limit=5) for n in range(3)]
    await store.release(leases[0], Outcome.RATE_LIMITED, cooldown_s=9)

    assert await store.remove(AccountId("a"))

    assert await view.account_keys() == set()
    assert await view.counts(pool) == {}


async def test_other_accounts_keep_their_leases(
    store: AccountStore, accounts: AccountMaker, view: KeyView
) -> None:
    await accounts.save("a", "b")
    leases = [await accounts.lease(f"l{n}", limit=2) for n in range(4)]
    kept = sorted(lease.id for lease in leases if lease.account_id == "b")

    await store.remove(AccountId("a"))

    assert sorted(await view.hash(keys.account_leases())) == kept
    assert await view.members(keys.timers(BASIC)) == [f"lease {name}" for name in kept]
    assert await view.counts() == {"total": 1, "active": 1}


@pytest.mark.parametrize("status", list(Status))
async def test_counters_are_right_whatever_the_status(
    store: AccountStore, accounts: AccountMaker, view: KeyView, status: Status
) -> None:
    await accounts.save("a")
    await store.set_status(AccountId("a"), status, cooldown_s=60)

    assert await store.remove(AccountId("a"))

    assert await view.counts() == {}


async def test_removed_account_is_not_handed_out(
    store: AccountStore, accounts: AccountMaker
) -> None:
    await accounts.save("a")
    await store.remove(AccountId("a"))

    reply = await store.acquire((BASIC,), LeaseId("l1"), ttl_s=1, max_concurrency=1)

    assert reply == NoneReady(None, has_accounts=False, has_usable=False)


async def test_unknown_account_is_said_to_be_unknown(store: AccountStore) -> None:
    assert not await store.remove(AccountId("a"))
