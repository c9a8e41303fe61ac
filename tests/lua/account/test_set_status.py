"""account/set_status: the operator's word, seen by the very next acquire."""

import msgspec
import pytest

from grok2api.domain.account import Lease, Mode, Outcome, Status
from grok2api.domain.ids import AccountId
from grok2api.store import keys
from grok2api.store.accounts import AccountStore, NoneReady
from tests.conftest import BASIC, AccountMaker
from tests.lua.account.conftest import SUPER, Bench, fast
from tests.lua.conftest import NOW_MS, KeyView

A = AccountId("a")
UNUSABLE = [status for status in Status if status is not Status.ACTIVE]


@pytest.mark.parametrize("status", UNUSABLE)
async def test_next_acquire_sees_it(
    store: AccountStore, accounts: AccountMaker, view: KeyView, status: Status
) -> None:
    await accounts.save("a", tags=("blue",))

    assert await store.set_status(A, status, reason="by_hand")

    account = await accounts.look("a")
    assert (account.status, account.reason) == (status, "by_hand")
    assert (account.since_s, account.until_s) == (NOW_MS / 1000, 0)
    assert await view.counts() == {"total": 1, status.value: 1}
    assert await view.members(keys.timers()) == []
    assert isinstance(await accounts.ask("l1"), NoneReady)
    assert isinstance(await accounts.ask("l1", tags=("blue",)), NoneReady)


@pytest.mark.parametrize("status", [Status.COOLING, Status.EXHAUSTED])
@pytest.mark.parametrize("reason", ["by_hand", ""])
async def test_rest_ends_by_itself_and_begins_with_a_trial(
    store: AccountStore, accounts: AccountMaker, bench: Bench, status: Status, reason: str
) -> None:
    await accounts.save("a")
    await store.set_status(A, status, for_s=60, reason=reason)
    bench.pass_time(59.999)
    assert isinstance(await accounts.ask("l1"), NoneReady)

    bench.pass_time(0.001)

    assert isinstance(await accounts.ask("l1", limit=5), Lease)
    assert (await accounts.look("a")).is_on_trial
    assert isinstance(await accounts.ask("l2", limit=5), NoneReady)


@pytest.mark.parametrize("status", [Status.EXPIRED, Status.DISABLED])
async def test_what_only_its_owner_can_mend_has_no_end(
    store: AccountStore, accounts: AccountMaker, view: KeyView, status: Status
) -> None:
    await accounts.save("a")

    await store.set_status(A, status, for_s=60)

    assert (await accounts.look("a")).until_s == 0
    assert await view.members(keys.timers()) == []


async def test_deleted_account_is_forgotten_in_time(
    store: AccountStore, accounts: AccountMaker, bench: Bench, view: KeyView
) -> None:
    await accounts.save("a")
    await store.set_status(A, Status.DELETED, for_s=60)
    assert (await accounts.look("a")).status is Status.DELETED

    bench.pass_time(60)
    await bench.timers.reap()

    assert await view.hash(keys.accounts()) == {}
    assert await view.counts() == {}


async def test_deleted_account_can_be_restored(
    store: AccountStore, accounts: AccountMaker, bench: Bench
) -> None:
    await accounts.save("a")
    await store.set_status(A, Status.DELETED, for_s=60)

    await store.set_status(A, Status.ACTIVE)

    bench.pass_time(60)
    assert (await accounts.lease("l1")).account_id == "a"


async def test_open_leases_go_on_and_count_when_it_returns(
    store: AccountStore, accounts: AccountMaker
) -> None:
    await accounts.save("a")
    lease = await accounts.lease("l1")
    await store.set_status(A, Status.DISABLED)
    assert await store.renew(lease, ttl_s=60)

    await store.set_status(A, Status.ACTIVE)

    assert isinstance(await accounts.ask("l2"), NoneReady)
    assert await accounts.end(lease) is Status.ACTIVE
    assert isinstance(await accounts.ask("l2"), Lease)


async def test_restoring_forgets_what_was_held_against_the_account(
    store: AccountStore, accounts: AccountMaker, bench: Bench, view: KeyView
) -> None:
    await accounts.save("a", pool=SUPER)
    lease = await accounts.lease("l1", pools=(SUPER,))
    await accounts.end(lease, Outcome.FORBIDDEN, cooldown_s=300, reason="forbidden")
    assert isinstance(await accounts.ask("l2", pools=(SUPER,)), NoneReady)
    await store.set_status(A, Status.COOLING, for_s=9)
    bench.pass_time(9)
    await bench.timers.reap()

    await store.set_status(A, Status.ACTIVE)

    account = await accounts.look("a")
    assert (account.strikes, account.last_fault, account.is_on_trial) == (0, "", False)
    assert account.windows[Mode.FAST].rests_until_s == 0
    assert await view.members(keys.timers()) == ["window fast a"]
    assert isinstance(await accounts.ask("l2", pools=(SUPER,)), Lease)


async def test_restoring_brings_no_units_back(store: AccountStore, accounts: AccountMaker) -> None:
    await accounts.save("a", windows=fast(1))
    await accounts.end(await accounts.lease("l1"))

    await store.set_status(A, Status.ACTIVE)

    account = await accounts.look("a")
    assert (account.status, account.reason) == (Status.EXHAUSTED, "quota")


async def test_activating_an_active_account_keeps_its_place(
    store: AccountStore, accounts: AccountMaker, view: KeyView
) -> None:
    await accounts.save("a", "b")
    await accounts.lease("l1", limit=5)
    before = await view.scores(keys.ready(BASIC))

    assert await store.set_status(A, Status.ACTIVE)

    after = await view.scores(keys.ready(BASIC))
    assert after.keys() == before.keys()
    assert after["fast a"] == before["fast a"]


async def test_restored_account_goes_to_who_waits(
    store: AccountStore, accounts: AccountMaker, view: KeyView
) -> None:
    accounts.policy = msgspec.structs.replace(accounts.policy, wait_s=30)
    await accounts.save("a", "b")
    await store.set_status(A, Status.DISABLED)
    await accounts.lease("l1")
    await accounts.ask("l2")

    await store.set_status(A, Status.ACTIVE)

    assert await view.woken() == ["l2"]


async def test_unknown_account_is_said_to_be_unknown(store: AccountStore, view: KeyView) -> None:
    before = await view.dump()

    assert not await store.set_status(A, Status.DISABLED)

    assert await view.dump() == before
