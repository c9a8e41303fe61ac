"""Windows of pictures and videos: nobody knows how many a full one has, often not what is left."""

import asyncio

import msgspec
import pytest

from grok2api.domain.account import Lease, Mode, Outcome, Status, Tier
from grok2api.domain.eligibility import Word, decide
from grok2api.domain.ids import AccountId
from grok2api.domain.quota import DAY_S, PLANS, Source, Window
from grok2api.domain.selection import Strategy, Wish
from grok2api.store import keys
from grok2api.store.accounts import AccountStore, NoneReady
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient, open_redis
from tests.conftest import BASIC, AccountMaker
from tests.lua.account.conftest import SUPER, Bench, fast, media
from tests.lua.conftest import NOW_MS, KeyView

A = AccountId("a")
NOW_S = NOW_MS / 1000
PICTURE = {"modes": (Mode.IMAGE_PRO,)}
UNKNOWN = Window(0, None, DAY_S, Source.UNKNOWN)


@pytest.fixture(autouse=True)
def _held_time(bench: Bench) -> None:
    """Time stands still unless a test moves it."""


async def take(accounts: AccountMaker, lease_id: str, units: int = 1, limit: int = 99) -> object:
    return await accounts.ask(lease_id, units=units, limit=limit, modes=(Mode.IMAGE_PRO,))


async def test_unknown_window_holds_nothing_back(accounts: AccountMaker, view: KeyView) -> None:
    await accounts.save("a")

    for n in range(20):
        assert isinstance(await take(accounts, f"l{n}", units=10), Lease)

    window = (await accounts.look("a")).windows[Mode.IMAGE_PRO]
    assert window == msgspec.structs.replace(UNKNOWN, held=200)
    assert not [m for m in await view.members(keys.timers()) if m.startswith("window")]


async def test_clients_at_once_get_four_of_ten_units_twice(
    accounts: AccountMaker, bench: Bench, redis_url: str
) -> None:
    await accounts.save("a")
    await bench.sync("a", media(Mode.IMAGE_PRO, 10))

    async with open_redis(redis_url, pool_size=30) as redis:
        store = AccountStore(redis, SecretCipher([b"k" * 32]), now_ms=NOW_MS)
        asking = AccountMaker(store)
        replies = await asyncio.gather(*(take(asking, f"l{n}", units=4) for n in range(30)))

    leases = [reply for reply in replies if isinstance(reply, Lease)]
    assert len(leases) == 2
    assert (await accounts.look("a")).windows[Mode.IMAGE_PRO].remaining == 2
    await accounts.end(leases[0], Outcome.FAILED)
    await accounts.end(leases[1])
    assert (await accounts.look("a")).windows[Mode.IMAGE_PRO].remaining == 6


async def test_number_is_known_until_the_window_ends(
    accounts: AccountMaker, bench: Bench, view: KeyView
) -> None:
    await accounts.save("a")

    await bench.sync("a", media(Mode.IMAGE_PRO, 2, resets_in_s=600.0))

    told = (await accounts.look("a")).windows[Mode.IMAGE_PRO]
    assert (told.remaining, told.total, told.source) == (2, None, Source.REAL)
    assert (told.reset_at_s, told.synced_at_s) == (NOW_S + 600, NOW_S)
    await accounts.end(await accounts.lease("l1", units=2, **PICTURE))
    assert isinstance(await take(accounts, "l2"), NoneReady)
    bench.pass_time(600)
    assert (await accounts.look("a")).windows[Mode.IMAGE_PRO] == UNKNOWN
    assert isinstance(await take(accounts, "l3", units=5), Lease)
    window = (await accounts.look("a")).windows[Mode.IMAGE_PRO]
    assert window == msgspec.structs.replace(UNKNOWN, held=5)
    assert (await view.record("a"))["windows"]["image_pro"] == {"length": DAY_S, "held": 5}
    await bench.sync("a", media(Mode.IMAGE_PRO, 9))
    assert (await accounts.look("a")).windows[Mode.IMAGE_PRO].remaining == 4


async def test_full_window_of_unknown_total_ends_without_a_use(
    accounts: AccountMaker, bench: Bench
) -> None:
    await accounts.save("a")
    await bench.sync("a", media(Mode.IMAGE_EDIT, 7, resets_in_s=60.0))

    bench.pass_time(60)
    await bench.timers.reap()

    assert (await accounts.look("a")).windows[Mode.IMAGE_EDIT] == UNKNOWN


async def test_number_the_upstream_no_longer_tells_is_unknown(
    accounts: AccountMaker, bench: Bench, view: KeyView
) -> None:
    await accounts.save("a")
    lease = await accounts.lease("l1", units=3, **PICTURE)
    await bench.sync("a", media(Mode.IMAGE_PRO, 0))

    await bench.sync("a", unmetered=(Mode.IMAGE_PRO, Mode.VIDEO))

    account = await accounts.look("a")
    assert account.windows[Mode.IMAGE_PRO] == msgspec.structs.replace(UNKNOWN, held=3)
    assert Mode.VIDEO not in account.windows
    assert await view.ready("image_pro") == ["a"]
    await accounts.end(lease)
    assert (await accounts.look("a")).windows[Mode.IMAGE_PRO] == UNKNOWN
    assert not [m for m in await view.members(keys.timers()) if m.startswith("window")]


async def test_refused_window_is_empty_until_its_end_and_then_unknown_again(
    accounts: AccountMaker, bench: Bench
) -> None:
    await accounts.save("a")
    lease = await accounts.lease("l1", **PICTURE)

    await accounts.end(lease, Outcome.WINDOW_EMPTY, cooldown_s=300, reason="x")

    account = await accounts.look("a")
    assert account.status is Status.ACTIVE
    window = account.windows[Mode.IMAGE_PRO]
    assert (window.remaining, window.total, window.source) == (0, None, Source.ESTIMATED)
    assert isinstance(await take(accounts, "l2"), NoneReady)
    bench.pass_time(300)
    assert isinstance(await take(accounts, "l3", units=10), Lease)


@pytest.mark.parametrize("mode", [Mode.IMAGE_PRO, Mode.IMAGE_EDIT, Mode.VIDEO_720P])
async def test_empty_media_window_does_not_touch_the_others(
    accounts: AccountMaker, bench: Bench, view: KeyView, mode: Mode
) -> None:
    await accounts.save("a")

    await bench.sync("a", media(mode, 0))

    account = await accounts.look("a")
    assert account.status is Status.ACTIVE
    assert await view.ready(mode) == []
    for other in PLANS[Tier.BASIC].keys() - {mode}:
        assert await view.ready(other) == ["a"]
    assert isinstance(await accounts.ask("l1", modes=(mode,)), NoneReady)
    assert isinstance(await accounts.ask("l2"), Lease)


async def test_known_media_units_keep_an_account_for_that_mode_alone(
    accounts: AccountMaker, bench: Bench, view: KeyView
) -> None:
    await accounts.save("a", windows=fast(0, reset_at_s=NOW_S + 3600))

    await bench.sync("a", media(Mode.IMAGE_PRO, 1, resets_in_s=7200.0))

    assert (await accounts.look("a")).status is Status.ACTIVE
    assert isinstance(await accounts.ask("l1"), NoneReady)
    lease = await accounts.lease("l2", **PICTURE)
    await accounts.end(lease)
    account = await accounts.look("a")
    assert (account.status, account.reason) == (Status.EXHAUSTED, "quota")
    assert account.until_s == NOW_S + 3600
    assert await view.members(keys.ready(BASIC)) == []


async def test_unknown_media_windows_do_not_keep_an_account_whose_known_ones_are_empty(
    accounts: AccountMaker, bench: Bench
) -> None:
    await accounts.save("a", windows=fast(0, reset_at_s=NOW_S + 3600))
    wish = Wish(pools=(BASIC,), modes=(Mode.IMAGE_PRO,))

    account = await accounts.look("a")
    assert (account.status, account.reason) == (Status.EXHAUSTED, "quota")
    assert isinstance(await take(accounts, "l1"), NoneReady)
    assert await bench.edits.explain(wish, accounts.policy) is None
    reason = decide(account, wish, max_concurrency=8, now_s=NOW_S)
    assert (reason.word, reason.until_s) == (Word.EXHAUSTED, NOW_S + 3600)

    bench.pass_time(3600)
    assert isinstance(await take(accounts, "l2"), Lease)


async def test_media_window_that_only_becomes_unknown_brings_nobody_back(
    accounts: AccountMaker, bench: Bench
) -> None:
    await accounts.save("a", windows=fast(0, reset_at_s=NOW_S + 3600))
    await bench.sync("a", media(Mode.IMAGE_PRO, 0, resets_in_s=60.0))
    assert (await accounts.look("a")).until_s == NOW_S + 3600

    bench.pass_time(60)

    assert (await accounts.look("a")).status is Status.EXHAUSTED
    assert isinstance(await take(accounts, "l1"), NoneReady)
    account = await accounts.look("a")
    assert (account.status, account.until_s) == (Status.EXHAUSTED, NOW_S + 3600)
    assert account.windows[Mode.IMAGE_PRO] == UNKNOWN


async def test_where_only_media_windows_are_known_the_last_to_end_brings_it_back(
    accounts: AccountMaker, bench: Bench
) -> None:
    await accounts.save("a")
    await bench.sync("a", unmetered=(Mode.FAST,))
    assert (await accounts.look("a")).status is Status.ACTIVE
    first, last = (media(Mode.IMAGE_PRO, 0), media(Mode.IMAGE_EDIT, 0, resets_in_s=9000.0))

    await bench.sync("a", first, last)

    account = await accounts.look("a")
    assert (account.status, account.until_s) == (Status.EXHAUSTED, NOW_S + 9000)
    bench.pass_time(8999)
    assert isinstance(await accounts.ask("l1"), NoneReady)
    bench.pass_time(1)
    assert isinstance(await accounts.ask("l2"), Lease)


async def test_account_from_before_gets_the_modes_that_its_plan_has_now(
    accounts: AccountMaker, bench: Bench, view: KeyView, redis: RedisClient
) -> None:
    await accounts.save("a", pool=SUPER)
    record = await view.record("a")
    record["windows"] = {"fast": record["windows"]["fast"] | {"left": 9, "reset": NOW_MS + 5000}}
    await redis.execute_command("DEL", keys.ready(SUPER))
    packed = msgspec.msgpack.encode(record)
    await redis.execute_command("HSET", keys.accounts(), "a", packed)
    assert (await accounts.look("a")).windows.keys() == {Mode.FAST}

    await bench.sync("a", media(Mode.VIDEO, 4), pool=SUPER)

    windows = (await accounts.look("a")).windows
    assert windows.keys() == PLANS[Tier.SUPER].keys()
    assert (windows[Mode.FAST].remaining, windows[Mode.VIDEO].remaining) == (9, 4)
    assert isinstance(await accounts.ask("l1", pools=(SUPER,), modes=(Mode.AUTO,)), Lease)


async def test_moving_to_a_lesser_plan_leaves_a_window_behind_that_it_has_not(
    accounts: AccountMaker, bench: Bench, view: KeyView
) -> None:
    await accounts.save("a", pool=SUPER)
    await bench.sync("a", media(Mode.VIDEO, 4), media(Mode.VIDEO_720P, 3))

    await bench.edit("a", pool=BASIC)

    windows = (await accounts.look("a")).windows
    assert Mode.VIDEO not in windows
    assert windows[Mode.VIDEO_720P].remaining == 3
    timers = [m for m in await view.members(keys.timers()) if m.startswith("window video")]
    assert timers == ["window video_720p a"]


async def test_chats_leave_the_order_of_who_makes_pictures_as_it_is(
    accounts: AccountMaker, view: KeyView
) -> None:
    await accounts.save("a", "b", "c")
    for n in range(3):
        lease = await accounts.lease(f"l{n}", limit=9, **PICTURE)
        await accounts.end(lease)
    assert await view.ready("image_pro") == ["a", "b", "c"]

    chats = [await accounts.lease(f"c{n}", limit=9) for n in range(4)]
    for chat in chats:
        await accounts.end(chat)

    assert await view.ready("image_pro") == ["a", "b", "c"]
    picked = await accounts.lease("l3", limit=9, **PICTURE)
    assert picked.account_id == "a"


async def test_the_one_with_most_pictures_left_makes_the_next(
    accounts: AccountMaker, bench: Bench
) -> None:
    await accounts.save("a", "b", "c")
    for name, left in (("a", 4), ("b", 12), ("c", 5)):
        await bench.sync(name, media(Mode.IMAGE_PRO, left))
    accounts.policy = msgspec.structs.replace(accounts.policy, strategy=Strategy.MAX_QUOTA)

    lease = await accounts.lease("l1", units=10, limit=9, **PICTURE)

    assert lease.account_id == "b"


async def test_imported_account_brings_what_is_known_of_pictures(
    accounts: AccountMaker, bench: Bench, store: AccountStore
) -> None:
    await accounts.save("a")
    await bench.sync("a", media(Mode.IMAGE_PRO, 2, resets_in_s=600.0))
    known = (await accounts.look("a")).windows

    await accounts.save("b", windows=known)

    copied = (await accounts.look("b")).windows
    assert copied[Mode.IMAGE_PRO] == known[Mode.IMAGE_PRO]
    bench.pass_time(600)
    await bench.timers.reap()
    assert (await accounts.look("b")).windows[Mode.IMAGE_PRO] == UNKNOWN
