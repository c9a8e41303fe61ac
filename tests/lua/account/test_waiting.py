"""Requests that wait: in their turn, by their weights, told at once, gone without trace."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import msgspec
import pytest

from grok2api.domain.account import Lease, Mode, Outcome, Status
from grok2api.domain.ids import AccountId, LeaseId
from grok2api.store import keys
from grok2api.store.accounts import AccountStore, LineFull, NoneReady, WaitingInLine
from grok2api.store.connection import open_redis
from grok2api.store.wakeups import Wakeups
from tests.conftest import BASIC, PLENTY, AccountMaker
from tests.lua.account.conftest import HEAVY, SUPER, Bench, fast, reading
from tests.lua.conftest import NOW_MS, KeyView


class Line:
    """One slot that is busy, and requests that wait for it."""

    def __init__(self, accounts: AccountMaker, view: KeyView) -> None:
        self._accounts = accounts
        self._view = view

    async def open(self) -> None:
        await self._accounts.save("a", windows=PLENTY)
        await self._accounts.lease("first")

    async def join(self, *names: str, **wish: object) -> None:
        for name in names:
            reply = await self._accounts.ask(name, **wish)  # type: ignore[arg-type]
            assert isinstance(reply, WaitingInLine), reply

    async def serve(self, times: int) -> list[str]:
        """End the lease that is open so many times; return who was served, in order."""
        before = len(await self._view.woken())
        for _ in range(times):
            (name,) = await self._view.unpacked(keys.leases())
            await self._accounts.end(await self._accounts.lease(name))
        return (await self._view.woken())[before:]

    async def assert_nobody_is_left(self) -> None:
        assert await self._view.hash(keys.waiters()) == {}
        assert await self._view.members(keys.waiting()) == []
        assert set(await self._view.hash(keys.queues())) <= {""}
        assert await self._view.hash(keys.leases()) == {}
        timers = await self._view.members(keys.timers())
        assert [name for name in timers if name.startswith(("wait", "lease"))] == []


@pytest.fixture
async def line(accounts: AccountMaker, bench: Bench, view: KeyView) -> AsyncIterator[Line]:
    accounts.policy = msgspec.structs.replace(accounts.policy, wait_s=30)
    line = Line(accounts, view)
    yield line
    leases = await view.unpacked(keys.leases())
    for name in leases:
        await bench.store.leave_line(LeaseId(name))
    bench.pass_time(30)
    await bench.timers.reap()
    await line.assert_nobody_is_left()


async def test_who_cannot_be_served_waits_until_its_time_is_over(
    line: Line, accounts: AccountMaker, view: KeyView
) -> None:
    await line.open()

    assert await accounts.ask("l1") == WaitingInLine(NOW_MS + 30_000)

    assert (await view.scores(keys.timers()))["wait l1"] == NOW_MS + 30_000
    assert await accounts.ask("l1") == WaitingInLine(NOW_MS + 30_000)
    assert len(await view.members(keys.waiting())) == 1


async def test_one_key_is_served_first_come_first_served(line: Line) -> None:
    await line.open()
    names = [f"l{n}" for n in range(20)]
    await line.join(*names, key="k")

    assert await line.serve(20) == names


async def test_keys_take_turns_so_that_a_flood_holds_nobody_up(line: Line) -> None:
    await line.open()
    await line.join(*(f"flood{n}" for n in range(50)), key="flood")
    await line.join("modest0", "modest1", key="modest")

    served = await line.serve(6)

    assert served == ["flood0", "modest0", "flood1", "modest1", "flood2", "flood3"]


async def test_who_comes_later_does_not_pay_for_the_time_before(line: Line) -> None:
    await line.open()
    await line.join(*(f"flood{n}" for n in range(50)), key="flood")
    await line.serve(20)

    await line.join("late", key="modest")
    served = await line.serve(2)

    assert "late" in served


async def test_who_was_absent_has_saved_nothing_up(line: Line) -> None:
    await line.open()
    await line.join(*(f"flood{n}" for n in range(50)), key="flood")
    await line.serve(20)
    await line.join(*(f"late{n}" for n in range(20)), key="late")

    served = await line.serve(20)

    assert Counter(name[:4] for name in served) == {"late": 10, "floo": 10}


async def test_weights_1_and_3_are_served_1_to_3(line: Line) -> None:
    await line.open()
    for n in range(40):
        await line.join(f"one{n}", key="one", weight=1)
        await line.join(f"three{n}", key="three", weight=3)

    served = await line.serve(40)

    assert Counter(name.rstrip("0123456789") for name in served) == {"one": 10, "three": 30}
    assert max(len(run) for run in "".join(name[0] for name in served).split("o")) <= 4


async def test_dear_requests_advance_their_key_by_their_units(line: Line) -> None:
    await line.open()
    for n in range(20):
        await line.join(f"dear{n}", key="dear", units=4)
        await line.join(f"cheap{n}", key="cheap", units=1)

    served = await line.serve(20)

    assert Counter(name.rstrip("0123456789") for name in served) == {"dear": 4, "cheap": 16}


async def test_hand_over_wakes_the_worker_that_waits(
    line: Line, accounts: AccountMaker, redis_url: str
) -> None:
    await line.open()
    await line.join("l1")
    async with open_redis(redis_url, pool_size=1) as own:
        wakeups = Wakeups(own)
        async with asyncio.TaskGroup() as tasks:
            hearing = tasks.create_task(wakeups.read("0-0", wait_s=10))
            await line.serve(1)

    assert hearing.result().leases == ("l1",)
    lease = await accounts.lease("l1")
    assert (lease.account_id, lease.credentials.session) == ("a", "session-of-a")


async def test_who_was_handed_a_slot_holds_it_and_nobody_else(
    line: Line, accounts: AccountMaker, view: KeyView
) -> None:
    await line.open()
    await line.join("l1")
    await line.serve(1)

    assert isinstance(await accounts.ask("x"), WaitingInLine)

    assert list(await view.unpacked(keys.leases())) == ["l1"]
    assert await line.serve(1) == ["x"]


@pytest.mark.parametrize("left", [SUPER, BASIC])
async def test_who_stands_in_several_lines_leaves_all_of_them(
    line: Line, accounts: AccountMaker, view: KeyView, left: object
) -> None:
    await accounts.save("a", pool=BASIC)
    await accounts.save("s", pool=SUPER)
    wish = {"pools": (BASIC, SUPER), "modes": (Mode.AUTO, Mode.FAST)}
    leases = [await accounts.lease(f"l{n}", **wish) for n in range(2)]
    await line.join("w1", "w2", **wish)
    assert len(await view.members(keys.waiting())) == 8

    await accounts.end(next(lease for lease in leases if lease.pool == left))

    assert await view.woken() == ["w1"]
    assert {name.split()[1] for name in await view.members(keys.waiting())} == {"w2"}
    assert await view.hash(keys.queues()) == {"": "64", "-": "1 128"}


async def test_who_needs_more_than_is_there_does_not_block_the_line(
    line: Line, accounts: AccountMaker, view: KeyView
) -> None:
    await accounts.save("a", windows=fast(4))
    lease = await accounts.lease("first")
    await line.join(*(f"dear{n}" for n in range(30)), units=4, key="dear")
    await line.join("cheap", key="cheap")

    await accounts.end(lease)

    assert await view.woken() == ["cheap"]


async def test_excluded_tagged_and_other_modes_are_kept_apart(
    line: Line, accounts: AccountMaker, view: KeyView
) -> None:
    await accounts.save("a", tags=("blue",))
    await accounts.save("r", tags=("red",))
    leases = [await accounts.lease(f"l{n}") for n in range(2)]
    await line.join("not-a", exclude=(AccountId("a"),), key="k1")
    await line.join("red", tags=("red",), key="k2")
    await line.join("any", key="k3")

    await accounts.end(next(lease for lease in leases if lease.account_id == "a"))

    assert await view.woken() == ["any"]


async def test_each_free_slot_goes_to_one_who_waits(
    line: Line, accounts: AccountMaker, view: KeyView, bench: Bench
) -> None:
    await accounts.save("a", windows=fast(5))
    leases = [await accounts.lease(f"l{n}", limit=5) for n in range(5)]
    await line.join(*(f"w{n}" for n in range(4)), limit=5)
    for lease in leases:
        await accounts.end(lease)
    assert await view.woken() == []

    await bench.sync("a", reading(Mode.FAST, 3))

    assert await view.woken() == ["w0", "w1", "w2"]
    assert (await accounts.look("a")).status is Status.EXHAUSTED


async def test_rest_that_ends_serves_one_on_trial(
    line: Line, accounts: AccountMaker, view: KeyView, bench: Bench
) -> None:
    await accounts.save("a", windows=PLENTY)
    lease = await accounts.lease("l1", limit=5)
    await accounts.end(lease, Outcome.UNCONFIRMED, cooldown_s=20)
    await line.join("w1", "w2", limit=5)
    bench.pass_time(20)

    await bench.timers.reap()

    assert await view.woken() == ["w1"]
    await accounts.end(await accounts.lease("w1"))
    assert await view.woken() == ["w1", "w2"]


async def test_who_waited_too_long_is_not_handed_anything(
    line: Line, accounts: AccountMaker, view: KeyView, store: AccountStore
) -> None:
    await line.open()
    await line.join("l1")
    store.now_ms += 29_999
    await line.join("l2")
    store.now_ms += 1
    first = await accounts.lease("first")

    await accounts.end(first)

    assert await view.woken() == ["l2"]


async def test_cancelled_waiters_do_not_slow_their_key_down_for_others(
    line: Line, store: AccountStore
) -> None:
    await line.open()
    await line.join(*(f"one{n}" for n in range(6)), key="one")
    await line.join(*(f"two{n}" for n in range(3)), key="two")
    for n in (0, 2, 4):
        await store.leave_line(LeaseId(f"one{n}"))

    served = await line.serve(6)

    assert sorted(served[:2]) == ["one1", "two0"] or served[:2] == ["two0", "two1"]
    assert [name for name in served if name.startswith("one")] == ["one1", "one3", "one5"]
    assert [name for name in served if name.startswith("two")] == ["two0", "two1", "two2"]


async def test_line_of_a_key_is_bounded(line: Line, accounts: AccountMaker) -> None:
    accounts.policy = msgspec.structs.replace(accounts.policy, max_waiting_per_key=2)
    await line.open()
    await line.join("l1", "l2", key="k")

    assert await accounts.ask("l3", key="k") == LineFull("key", 60_000)
    await line.join("l4", key="other")

    await line.serve(1)
    await line.join("l3", key="k")


async def test_line_of_all_is_bounded(line: Line, accounts: AccountMaker) -> None:
    accounts.policy = msgspec.structs.replace(accounts.policy, max_waiting=2)
    await line.open()
    await line.join("l1", key="one")
    await line.join("l2", key="two")

    assert await accounts.ask("l3", key="three") == LineFull("pool", 60_000)


async def test_nobody_waits_for_what_cannot_come_in_time(
    line: Line, accounts: AccountMaker, store: AccountStore
) -> None:
    await accounts.save("a")
    await store.set_status(AccountId("a"), Status.COOLING, for_s=31)
    assert await accounts.ask("l1") == NoneReady(31.0, has_accounts=True, has_usable=True)
    await store.set_status(AccountId("a"), Status.COOLING, for_s=30)
    await line.join("l1")
    await store.set_status(AccountId("a"), Status.DISABLED)

    assert isinstance(await accounts.ask("l2"), NoneReady)
    assert isinstance(await accounts.ask("l3", pools=(HEAVY,)), NoneReady)


async def test_fresh_numbers_under_way_are_worth_waiting_for(
    line: Line, accounts: AccountMaker, view: KeyView, bench: Bench
) -> None:
    accounts.policy = msgspec.structs.replace(accounts.policy, demand_interval_s=60)
    await accounts.save("a", windows=fast(0))
    await line.join("l1")

    await bench.sync("a", reading(Mode.FAST, 3))

    assert isinstance(await accounts.ask("l1"), Lease)
    assert await view.woken() == ["l1"]
