"""account/leave_line: who has left is not served, and what it was handed goes on to the next."""

import msgspec
import pytest

from grok2api.domain.account import Lease, Mode
from grok2api.domain.ids import AccountId, LeaseId
from grok2api.store import keys
from grok2api.store.accounts import AccountStore, WaitingInLine
from tests.conftest import AccountMaker
from tests.lua.account.conftest import Bench
from tests.lua.conftest import KeyView


@pytest.fixture(autouse=True)
def _waiting(accounts: AccountMaker, bench: Bench) -> None:
    accounts.policy = msgspec.structs.replace(accounts.policy, wait_s=30)


async def test_who_left_before_its_turn_is_passed_over(
    store: AccountStore, accounts: AccountMaker, view: KeyView
) -> None:
    await accounts.save("a")
    lease = await accounts.lease("l1")
    for name in ("l2", "l3"):
        assert isinstance(await accounts.ask(name), WaitingInLine)

    await store.leave_line(LeaseId("l2"))
    await accounts.end(lease)

    assert await view.woken() == ["l3"]
    assert "wait l2" not in await view.members(keys.timers())


async def test_slot_of_who_left_after_its_turn_goes_to_the_next(
    store: AccountStore, accounts: AccountMaker, view: KeyView
) -> None:
    await accounts.save("a")
    lease = await accounts.lease("l1")
    for name in ("l2", "l3"):
        await accounts.ask(name)
    await accounts.end(lease)

    await store.leave_line(LeaseId("l2"))

    assert await view.woken() == ["l2", "l3"]
    assert (await accounts.lease("l3")).account_id == "a"
    assert (await view.counts())["refunded"] == 1
    assert (await accounts.look("a")).windows[Mode.FAST].held == 1


async def test_nothing_is_left_of_who_was_alone(
    store: AccountStore, accounts: AccountMaker, view: KeyView
) -> None:
    await accounts.save("a")
    lease = await accounts.lease("l1")
    await accounts.ask("l2")

    await store.leave_line(LeaseId("l2"))
    await accounts.end(lease)

    assert await view.hash(keys.waiters()) == {}
    assert await view.members(keys.waiting()) == []
    assert set(await view.hash(keys.queues())) <= {""}
    assert await view.woken() == []


async def test_lease_of_a_removed_account_is_left_too(
    store: AccountStore, accounts: AccountMaker, view: KeyView
) -> None:
    await accounts.save("a")
    await accounts.end(await accounts.lease("l1"))
    await accounts.lease("l2")
    await store.remove(AccountId("a"))

    await store.leave_line(LeaseId("l2"))

    assert await view.hash(keys.leases()) == {}
    assert await view.counts() == {"granted": 2, "settled": 1, "refunded": 1}


async def test_leaving_twice_or_for_nothing_changes_nothing(
    store: AccountStore, accounts: AccountMaker, view: KeyView
) -> None:
    await accounts.save("a")
    assert isinstance(await accounts.ask("l1"), Lease)
    await store.leave_line(LeaseId("l1"))
    before = await view.dump()

    await store.leave_line(LeaseId("l1"))
    await store.leave_line(LeaseId("never"))

    assert await view.dump() == before
