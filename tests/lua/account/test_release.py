"""account/release: a lease ends once, with what its outcome means for the account."""

import pytest

from grok2api.domain.account import Lease, Outcome, Status
from grok2api.domain.ids import AccountId
from grok2api.store import keys
from grok2api.store.accounts import AccountStore
from tests.conftest import BASIC, AccountMaker
from tests.lua.conftest import NOW_MS, KeyView


@pytest.fixture
async def lease(accounts: AccountMaker, store: AccountStore) -> Lease:
    await accounts.save("a")
    return await accounts.lease("l1")


@pytest.mark.parametrize("outcome", [Outcome.OK, Outcome.FAILED, Outcome.CANCELLED])
async def test_harmless_outcome_frees_the_slot(
    store: AccountStore, lease: Lease, view: KeyView, outcome: Outcome
) -> None:
    assert await store.release(lease, outcome)

    assert await view.hash(keys.account_leases()) == {}
    assert await view.hash(keys.account_held()) == {}
    assert await view.members(keys.timers(BASIC)) == []
    assert await view.members(keys.ready(BASIC)) == ["a"]
    assert await view.counts() == {"total": 1, "active": 1}


async def test_second_release_changes_nothing(
    store: AccountStore, lease: Lease, accounts: AccountMaker, view: KeyView
) -> None:
    other = await accounts.lease("l2", limit=2)
    await store.release(lease, Outcome.OK)

    assert not await store.release(lease, Outcome.UNAUTHORIZED)

    assert await view.hash(keys.account_held()) == {"a": other.id}
    assert await view.hash(keys.account_statuses()) == {}


async def test_release_at_the_end_of_life_only_frees_the_slot(
    store: AccountStore, lease: Lease, view: KeyView
) -> None:
    store.now_ms += 60_000

    assert not await store.release(lease, Outcome.UNAUTHORIZED)

    assert await view.hash(keys.account_leases()) == {}
    assert await view.members(keys.timers(BASIC)) == []
    assert await view.hash(keys.account_statuses()) == {}
    assert (await view.scores(keys.ready(BASIC)))["a"] < 2**42


async def test_release_after_another_took_the_slot_changes_nothing(
    store: AccountStore, lease: Lease, accounts: AccountMaker, view: KeyView
) -> None:
    store.now_ms += 60_000
    await accounts.lease("l2")

    assert not await store.release(lease, Outcome.RATE_LIMITED, cooldown_s=900)

    assert await view.hash(keys.account_held()) == {"a": "l2"}
    assert await view.hash(keys.account_statuses()) == {}


async def test_rate_limited_account_cools(store: AccountStore, lease: Lease, view: KeyView) -> None:
    await store.release(lease, Outcome.RATE_LIMITED, cooldown_s=900, reason="rate_limited")

    until = NOW_MS + 900_000
    status = f"cooling {NOW_MS} {until} rate_limited"
    assert await view.hash(keys.account_statuses()) == {"a": status}
    assert await view.scores(keys.timers(BASIC)) == {"cool a": until}
    assert await view.members(keys.ready(BASIC)) == []
    assert await view.counts() == {"total": 1, "cooling": 1}


async def test_longer_cooldown_wins(
    store: AccountStore, lease: Lease, accounts: AccountMaker, view: KeyView
) -> None:
    others = [await accounts.lease(name, limit=3) for name in ("l2", "l3")]
    await store.release(lease, Outcome.RATE_LIMITED, cooldown_s=900)

    await store.release(others[0], Outcome.RATE_LIMITED, cooldown_s=10)
    assert (await view.scores(keys.timers(BASIC)))["cool a"] == NOW_MS + 900_000
    await store.release(others[1], Outcome.RATE_LIMITED, cooldown_s=1000)
    assert await view.scores(keys.timers(BASIC)) == {"cool a": NOW_MS + 1_000_000}
    assert await view.counts() == {"total": 1, "cooling": 1}


async def test_success_of_an_older_lease_does_not_end_the_cooldown(
    store: AccountStore, lease: Lease, accounts: AccountMaker, view: KeyView
) -> None:
    other = await accounts.lease("l2", limit=2)
    await store.release(lease, Outcome.RATE_LIMITED, cooldown_s=900)

    await store.release(other, Outcome.OK)

    assert await view.members(keys.ready(BASIC)) == []
    assert await view.hash(keys.account_held()) == {}


async def test_unauthorized_account_expires(
    store: AccountStore, lease: Lease, view: KeyView
) -> None:
    await store.release(lease, Outcome.UNAUTHORIZED, reason="invalid_credentials")

    status = f"expired {NOW_MS} 0 invalid_credentials"
    assert await view.hash(keys.account_statuses()) == {"a": status}
    assert await view.members(keys.ready(BASIC)) == []
    assert await view.counts() == {"total": 1, "expired": 1}


async def test_expiry_ends_a_cooldown(
    store: AccountStore, lease: Lease, accounts: AccountMaker, view: KeyView
) -> None:
    other = await accounts.lease("l2", limit=2)
    await store.release(lease, Outcome.RATE_LIMITED, cooldown_s=900)

    await store.release(other, Outcome.UNAUTHORIZED)

    assert await view.members(keys.timers(BASIC)) == []
    assert await view.counts() == {"total": 1, "expired": 1}


@pytest.mark.parametrize("outcome", [Outcome.RATE_LIMITED, Outcome.UNAUTHORIZED])
async def test_operators_word_stands(
    store: AccountStore, lease: Lease, view: KeyView, outcome: Outcome
) -> None:
    await store.set_status(AccountId("a"), Status.DISABLED, reason="by_hand")

    assert await store.release(lease, outcome, cooldown_s=900)

    status = f"disabled {NOW_MS} 0 by_hand"
    assert await view.hash(keys.account_statuses()) == {"a": status}
    assert await view.counts() == {"total": 1, "disabled": 1}


async def test_lease_of_a_removed_and_added_account_is_gone(
    store: AccountStore, lease: Lease, accounts: AccountMaker, view: KeyView
) -> None:
    await store.remove(AccountId("a"))
    await accounts.save("a")

    assert not await store.release(lease, Outcome.UNAUTHORIZED)

    assert await view.counts() == {"total": 1, "active": 1}
