"""account/take_due: whom a request that found nobody brings forward, and who is passed over."""

import pytest

from grok2api.domain.account import Mode, Status
from grok2api.domain.ids import AccountId
from grok2api.domain.quota import QuotaReport, Reading
from grok2api.store import keys
from grok2api.store.account_edits import AccountEdits, Finding
from grok2api.store.accounts import AccountStore, NoneReady
from grok2api.store.connection import RedisClient
from grok2api.store.leader import Elected, LeaderStore
from tests.conftest import AccountMaker
from tests.lua.conftest import NOW_MS, KeyView

DEMAND_S = 300.0


class Leader:
    """Takes due accounts as the leader does, at a time that the test moves."""

    def __init__(self, redis: RedisClient, accounts: AccountMaker, epoch: int) -> None:
        self.edits = AccountEdits(redis, now_ms=NOW_MS)
        self.accounts = accounts
        self.epoch = epoch

    def move(self, seconds: float) -> None:
        self.edits.now_ms += round(seconds * 1000)
        self.accounts.store.now_ms = self.edits.now_ms

    async def take(self, limit: int = 10) -> list[str]:
        taken = await self.edits.take_due(limit, claim_s=60, epoch=self.epoch)
        assert isinstance(taken, list)
        return [account_id for account_id, _ in taken]

    async def tell(self, name: str, left: int) -> None:
        """Write down that so many of 30 fast queries are left; due again in a day."""
        report = QuotaReport((Reading(Mode.FAST, left, 30, 86_400, 86_400.0),), {})
        await self.edits.sync(AccountId(name), Finding(report=report, next_in_s=86_400))

    async def demand(self, lease_id: str) -> None:
        """Let a request find nobody."""
        assert isinstance(await self.accounts.ask(lease_id), NoneReady)


@pytest.fixture
async def leader(redis: RedisClient, store: AccountStore, accounts: AccountMaker) -> Leader:
    elected = await LeaderStore(redis, now_ms=NOW_MS).campaign("me", ttl_s=1_000_000)
    assert isinstance(elected, Elected)
    accounts.policy = type(accounts.policy)(demand_interval_s=DEMAND_S)
    return Leader(redis, accounts, elected.epoch)


async def test_those_that_used_up_a_window_are_brought_forward_once(
    leader: Leader, accounts: AccountMaker
) -> None:
    await accounts.save("a", "b")
    for name in await leader.take():
        await leader.tell(name, left=0)
    assert await leader.take() == []

    await leader.demand("l1")
    await leader.demand("l2")

    assert await leader.take() == ["a", "b"]
    assert await leader.take() == []
    await leader.tell("a", left=0)
    await leader.tell("b", left=0)
    await leader.demand("l3")
    assert await leader.take() == []
    leader.move(DEMAND_S)
    await leader.demand("l4")
    assert await leader.take() == ["a", "b"]


async def test_those_that_have_queries_left_are_not_asked_about(
    leader: Leader, accounts: AccountMaker
) -> None:
    await accounts.save("a", "b")
    await leader.take()
    await leader.tell("a", left=20)
    await leader.tell("b", left=3)
    await accounts.lease("busy", limit=1)
    await accounts.lease("busy too", limit=1)
    await accounts.save("c")
    await accounts.store.set_status(AccountId("c"), Status.COOLING, for_s=60)
    await leader.take()
    await leader.tell("c", left=9)

    await leader.demand("l1")

    assert await leader.take() == ["b"]


async def test_those_out_of_use_do_not_hide_those_that_are_due(
    leader: Leader, accounts: AccountMaker, view: KeyView
) -> None:
    names = [f"disabled{number:03}" for number in range(100)]
    await accounts.save(*names, status=Status.DISABLED)
    leader.move(1)
    await accounts.save("a", "b", "c")

    assert await leader.take(limit=2) == ["a", "b"]

    due = await view.scores(keys.refresh())
    assert {due[name] for name in names} == {leader.edits.now_ms + 86_400_000}
    assert due["c"] == leader.edits.now_ms


async def test_restored_account_is_asked_about_at_once(
    leader: Leader, accounts: AccountMaker
) -> None:
    await accounts.save("a", status=Status.EXPIRED)
    assert await leader.take() == []

    await accounts.store.set_status(AccountId("a"), Status.ACTIVE)

    assert await leader.take() == ["a"]


async def test_account_whose_leader_died_is_taken_again(
    leader: Leader, accounts: AccountMaker
) -> None:
    await accounts.save("a")
    assert await leader.take() == ["a"]
    leader.move(59)
    assert await leader.take() == []

    leader.move(1)

    assert await leader.take() == ["a"]


@pytest.mark.parametrize("status", [Status.DISABLED, Status.EXPIRED, Status.COOLING])
async def test_deleted_account_comes_back_only_by_being_restored(
    leader: Leader, accounts: AccountMaker, status: Status
) -> None:
    await accounts.save("a")
    a = AccountId("a")
    await accounts.store.set_status(a, Status.DELETED, for_s=60)

    assert not await accounts.store.set_status(a, status)

    assert (await accounts.look("a")).status is Status.DELETED
    assert await accounts.store.set_status(a, Status.ACTIVE)
    assert (await accounts.look("a")).status is Status.ACTIVE
