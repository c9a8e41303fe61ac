"""account/edit: tags, limit and pool, as the operator decides; seen by the very next acquire."""

import msgspec
import pytest

from grok2api.domain.account import MEDIA_MODES, Lease, Mode, Outcome, Status
from grok2api.domain.ids import AccountId
from grok2api.domain.quota import Source
from grok2api.store import keys
from grok2api.store.accounts import AccountStore, NoneReady
from tests.conftest import BASIC, AccountMaker
from tests.lua.account.conftest import HEAVY, SUPER, Bench, reading
from tests.lua.conftest import KeyView

A = AccountId("a")


@pytest.fixture(autouse=True)
def _held_time(bench: Bench) -> None:
    """Time stands still unless a test moves it."""


@pytest.mark.parametrize(
    ("changes", "tags"),
    [
        ({"add_tags": ("new", "red")}, ("red", "blue", "new")),
        ({"remove_tags": ("red", "never")}, ("blue",)),
        ({"add_tags": ("new",), "remove_tags": ("red",)}, ("blue", "new")),
        ({"tags": ("new", "blue")}, ("new", "blue")),
        ({"tags": ()}, ()),
        ({}, ("red", "blue")),
    ],
)
async def test_tags_are_added_removed_or_replaced(
    accounts: AccountMaker, bench: Bench, view: KeyView, changes: object, tags: tuple[str, ...]
) -> None:
    await accounts.save("a", tags=("red", "blue"))
    await accounts.save("b", tags=("new",))

    assert await bench.edit("a", **changes)  # type: ignore[arg-type]

    assert (await accounts.look("a")).tags == tags
    assert await view.ready() == ["a", "b"]
    for tag in ("red", "blue", "new", "never"):
        reply = await accounts.ask(f"l-{tag}", tags=(tag,), exclude=(AccountId("b"),))
        assert isinstance(reply, Lease) == (tag in tags)
        if isinstance(reply, Lease):
            await accounts.end(reply, Outcome.FAILED)


async def test_sections_of_lost_tags_are_left_also_by_who_is_not_ready(
    accounts: AccountMaker, bench: Bench, store: AccountStore, view: KeyView
) -> None:
    await accounts.save("a", tags=("red", "blue"))
    await store.set_status(A, Status.DISABLED)

    await bench.edit("a", remove_tags=("red",))
    await store.set_status(A, Status.ACTIVE)

    members = await view.members(keys.ready(BASIC))
    assert [m for m in members if m.startswith("fast")] == ["fast a", "fast#2 a"]
    assert not [m for m in members if "#1" in m]


async def test_removing_an_unknown_tag_uses_no_number_up(
    accounts: AccountMaker, bench: Bench, view: KeyView
) -> None:
    await accounts.save("a")

    await bench.edit("a", remove_tags=("never",))

    assert "tags" not in await view.hash(keys.account_meta())


async def test_tag_from_the_256th_on_is_only_a_name(
    accounts: AccountMaker, bench: Bench, view: KeyView
) -> None:
    many = tuple(f"t{n}" for n in range(256))
    await accounts.save("a", tags=many)
    await bench.edit("a", add_tags=("one more",))

    assert (await accounts.look("a")).tags == (*many, "one more")
    assert isinstance(await accounts.ask("l1", tags=("t254",)), Lease)
    assert isinstance(await accounts.ask("l2", limit=9, tags=("t255", "one more")), NoneReady)
    assert len(await view.members(keys.ready(BASIC))) == 0  # it is full now, everywhere

    await bench.edit("a", remove_tags=("one more", "t255", "t0"))
    assert (await accounts.look("a")).tags == many[1:255]


async def test_own_limit_can_be_set_and_ended(accounts: AccountMaker, bench: Bench) -> None:
    await accounts.save("a")
    await bench.edit("a", max_concurrency=2)
    leases = [await accounts.lease(f"l{n}", limit=1) for n in range(2)]
    assert (await accounts.look("a")).max_concurrency == 2

    await bench.edit("a", max_concurrency=0)

    assert (await accounts.look("a")).max_concurrency is None
    await accounts.end(leases[0])
    assert isinstance(await accounts.ask("x", limit=1), NoneReady)
    await accounts.end(leases[1])
    assert isinstance(await accounts.ask("y", limit=1), Lease)


async def test_raised_limit_goes_to_who_waits(
    accounts: AccountMaker, bench: Bench, view: KeyView
) -> None:
    accounts.policy = msgspec.structs.replace(accounts.policy, wait_s=30)
    await accounts.save("a", max_concurrency=1)
    await accounts.lease("l1")
    await accounts.ask("l2")

    await bench.edit("a", max_concurrency=2)

    assert await view.woken() == ["l2"]


async def test_moved_account_serves_its_new_pool_only(
    accounts: AccountMaker, bench: Bench, view: KeyView
) -> None:
    await accounts.save("a", tags=("blue",))

    await bench.edit("a", pool=SUPER)

    account = await accounts.look("a")
    assert account.pool == SUPER
    assert {mode: window.total for mode, window in account.windows.items()} == {
        Mode.AUTO: 50, Mode.FAST: 140, Mode.EXPERT: 50, Mode.GROK_4_3: 50,
        **dict.fromkeys(MEDIA_MODES),
    }  # fmt: skip
    assert await view.members(keys.ready(BASIC)) == []
    assert await view.counts() == {}
    assert await view.counts(SUPER) == {"total": 1, "active": 1}
    assert isinstance(await accounts.ask("l1"), NoneReady)
    wish = {"pools": (SUPER,), "modes": (Mode.AUTO,), "tags": ("blue",)}
    assert isinstance(await accounts.ask("l1", **wish), Lease)  # type: ignore[arg-type]


async def test_moving_takes_held_units_along_and_leases_end_where_they_began(
    accounts: AccountMaker, bench: Bench, view: KeyView
) -> None:
    await accounts.save("a")
    first, second = [await accounts.lease(f"l{n}", units=4, limit=9) for n in range(2)]

    await bench.edit("a", pool=HEAVY)

    window = (await accounts.look("a")).windows[Mode.FAST]
    assert (window.remaining, window.held) == (392, 8)
    await accounts.end(first)
    await accounts.end(second, Outcome.FAILED)
    window = (await accounts.look("a")).windows[Mode.FAST]
    assert (window.remaining, window.held) == (396, 0)
    assert (await accounts.look("a")).open_leases == 0
    assert await view.counts() == {"granted": 8, "settled": 4, "refunded": 4}
    assert await view.counts(HEAVY) == {"total": 1, "active": 1}


async def test_moving_leaves_no_timer_of_a_lost_mode(
    accounts: AccountMaker, bench: Bench, view: KeyView
) -> None:
    await accounts.save("a", pool=SUPER)
    lease = await accounts.lease("l1", pools=(SUPER,), modes=(Mode.AUTO,), limit=9)
    other = await accounts.lease("l2", pools=(SUPER,), modes=(Mode.FAST,), limit=9)
    await accounts.end(other, Outcome.FORBIDDEN, cooldown_s=300)

    await bench.edit("a", pool=BASIC)
    assert await view.members(keys.timers()) == ["lease l1"]

    await accounts.end(lease, Outcome.FORBIDDEN, cooldown_s=300)
    assert await view.members(keys.timers()) == []
    assert (await accounts.look("a")).windows[Mode.FAST].remaining == 30


async def test_numbers_of_the_upstream_survive_a_move(
    accounts: AccountMaker, bench: Bench, view: KeyView
) -> None:
    await accounts.save("a")
    await bench.sync("a", reading(Mode.FAST, 7, 20))

    await bench.edit("a", pool=SUPER)

    window = (await accounts.look("a")).windows[Mode.FAST]
    assert (window.remaining, window.total, window.source) == (7, 20, Source.REAL)
    assert await view.members(keys.timers()) == ["window fast a"]


async def test_disabled_account_stays_so_wherever_it_goes(
    accounts: AccountMaker, bench: Bench, store: AccountStore, view: KeyView
) -> None:
    await accounts.save("a")
    await store.set_status(A, Status.DISABLED)

    await bench.edit("a", pool=SUPER, add_tags=("x",), max_concurrency=4)

    assert (await accounts.look("a")).status is Status.DISABLED
    assert await view.counts(SUPER) == {"total": 1, "disabled": 1}
    assert await view.members(keys.ready(SUPER)) == []


async def test_unknown_account_is_said_to_be_unknown(bench: Bench, view: KeyView) -> None:
    before = await view.dump()

    assert not await bench.edit("a", add_tags=("x",))

    assert await view.dump() == before
