"""account/set_status: the operator's word, seen by the very next acquire."""

import pytest

from grok2api.domain.account import Lease, Outcome, Status
from grok2api.domain.ids import AccountId, LeaseId
from grok2api.store import keys
from grok2api.store.accounts import AccountStore, NoneReady
from tests.conftest import BASIC, AccountMaker
from tests.lua.conftest import NOW_MS, KeyView

A = AccountId("a")


@pytest.mark.parametrize("status", [Status.COOLING, Status.EXPIRED, Status.DISABLED])
async def test_next_acquire_sees_it(
    store: AccountStore, accounts: AccountMaker, view: KeyView, status: Status
) -> None:
    await accounts.save("a")

    assert await store.set_status(A, status, cooldown_s=60, reason="by_hand")

    until = NOW_MS + 60_000 if status is Status.COOLING else 0
    assert await view.hash(keys.account_statuses()) == {"a": f"{status} {NOW_MS} {until} by_hand"}
    assert await view.counts() == {"total": 1, status.value: 1}
    reply = await store.acquire((BASIC,), LeaseId("l1"), ttl_s=1, max_concurrency=1)
    assert isinstance(reply, NoneReady)


async def test_open_leases_go_on_and_count_when_it_returns(
    store: AccountStore, accounts: AccountMaker
) -> None:
    await accounts.save("a")
    lease = await accounts.lease("l1")
    await store.set_status(A, Status.DISABLED)
    assert await store.renew(lease, ttl_s=60)

    await store.set_status(A, Status.ACTIVE)

    full = await store.acquire((BASIC,), LeaseId("l2"), ttl_s=1, max_concurrency=1)
    assert isinstance(full, NoneReady)
    await store.release(lease, Outcome.OK)
    assert isinstance(
        await store.acquire((BASIC,), LeaseId("l2"), ttl_s=1, max_concurrency=1), Lease
    )


async def test_activating_ends_a_cooldown(
    store: AccountStore, accounts: AccountMaker, view: KeyView
) -> None:
    await accounts.save("a")
    await store.set_status(A, Status.COOLING, cooldown_s=60)

    await store.set_status(A, Status.ACTIVE)

    assert await view.members(keys.timers(BASIC)) == []
    assert await view.members(keys.ready(BASIC)) == ["a"]
    assert await view.counts() == {"total": 1, "active": 1}


async def test_activating_an_active_account_keeps_its_place(
    store: AccountStore, accounts: AccountMaker, view: KeyView
) -> None:
    await accounts.save("a", "b")
    await accounts.lease("l1")
    before = await view.scores(keys.ready(BASIC))

    assert await store.set_status(A, Status.ACTIVE)

    assert await view.scores(keys.ready(BASIC)) == before


async def test_unknown_account_is_said_to_be_unknown(store: AccountStore, view: KeyView) -> None:
    assert not await store.set_status(A, Status.DISABLED)

    assert await view.account_keys() == set()
