"""account/replace: a new session takes an account's place, and nothing is lost on the way."""

import pytest

from grok2api.domain.account import Credentials, Mode, Outcome, Pool, ProviderKind, Status, Tier
from grok2api.domain.ids import AccountId
from grok2api.domain.quota import Source, Window
from grok2api.store.account_replacement import AccountReplacement
from grok2api.store.account_replies import Known, Replaced, Unknown
from grok2api.store.account_timers import AccountTimers
from grok2api.store.account_vault import Successor
from grok2api.store.accounts import AccountStore
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient
from tests.conftest import AccountMaker

SUPER = Pool(ProviderKind.GROK_WEB, Tier.SUPER)
NOW_MS = 1_800_000_000_000
NOW_S = NOW_MS / 1000
OLD, NEW = AccountId("old"), AccountId("new")
WINDOWS = {Mode.FAST: Window(3, 140, 7200, Source.REAL, reset_at_s=NOW_S + 60, synced_at_s=NOW_S)}


class Replacing:
    def __init__(self, redis: RedisClient, cipher: SecretCipher) -> None:
        self.store = AccountReplacement(redis, cipher, now_ms=NOW_MS)
        self.timers = AccountTimers(redis, now_ms=NOW_MS)

    async def __call__(
        self, old: AccountId = OLD, new: AccountId = NEW, keep_s: float = 60.0
    ) -> Replaced | Known | Unknown:
        successor = Successor(new, Credentials("session-of-new", "cf=2"), "ne…ew")
        return await self.store.replace(old, successor, keep_s=keep_s, reason="replaced")


@pytest.fixture
def replace(redis: RedisClient, cipher: SecretCipher, account_store: AccountStore) -> Replacing:
    account_store.now_ms = NOW_MS
    return Replacing(redis, cipher)


async def test_successor_has_all_but_the_session(
    replace: Replacing, accounts: AccountMaker
) -> None:
    await accounts.save(
        "old", pool=SUPER, tags=("red",), max_concurrency=3, created_at_s=5.0, windows=WINDOWS
    )
    await accounts.end(await accounts.lease("l1", pools=(SUPER,)))
    await accounts.end(await accounts.lease("l2", pools=(SUPER,)), Outcome.UNAUTHORIZED)

    assert await replace() == Replaced()

    new, old = await accounts.look("new"), await accounts.look("old")
    assert (new.status, new.pool, new.tags, new.max_concurrency) == (
        Status.ACTIVE,
        SUPER,
        ("red",),
        3,
    )
    assert (new.mask, new.created_at_s, new.uses) == ("ne…ew", 5.0, old.uses)
    assert new.windows[Mode.FAST] == old.windows[Mode.FAST]
    assert (old.status, old.until_s, old.reason) == (Status.DELETED, NOW_S + 60, "replaced")
    assert (await accounts.store.reveal([NEW]))[NEW] == Credentials("session-of-new", "cf=2")


async def test_number_of_pictures_left_goes_over_and_ends_in_time(
    replace: Replacing, accounts: AccountMaker
) -> None:
    left = Window(2, None, 86_400, Source.REAL, reset_at_s=NOW_S + 60)
    await accounts.save("old", windows={Mode.IMAGE_PRO: left})

    await replace()

    assert (await accounts.look("new")).windows[Mode.IMAGE_PRO] == left
    replace.timers.now_ms = accounts.store.now_ms = NOW_MS + 60_000
    await replace.timers.reap()
    window = (await accounts.look("new")).windows[Mode.IMAGE_PRO]
    assert (window.total, window.source) == (None, Source.UNKNOWN)


async def test_counts_and_choice_follow(replace: Replacing, accounts: AccountMaker) -> None:
    await accounts.save("old", tags=("red",))

    await replace()

    (count, *_) = await accounts.store.pool_counts()
    assert (count.total, count.usable) == (1, 1)
    assert count.by_status[Status.DELETED] == 1
    assert (await accounts.lease("l1", tags=("red",))).account_id == "new"


async def test_open_leases_of_the_old_one_are_not_held_against_the_new_one(
    replace: Replacing, accounts: AccountMaker
) -> None:
    await accounts.save("old", max_concurrency=1)
    lease = await accounts.lease("l1")

    await replace()

    new = await accounts.look("new")
    assert (new.open_leases, new.windows[Mode.FAST].held) == (0, 0)
    assert await accounts.end(lease) is Status.DELETED
    assert (await accounts.lease("l2")).account_id == "new"


async def test_windows_of_the_new_one_end_by_themselves(
    replace: Replacing, accounts: AccountMaker
) -> None:
    await accounts.save("old", pool=SUPER, windows=WINDOWS)
    await replace(keep_s=0.0)

    accounts.store.now_ms = replace.timers.now_ms = NOW_MS + 60_000
    await replace.timers.reap()

    window = (await accounts.look("new")).windows[Mode.FAST]
    assert (window.remaining, window.source) == (140, Source.ESTIMATED)


async def test_disabled_stays_disabled(replace: Replacing, accounts: AccountMaker) -> None:
    await accounts.save("old")
    await accounts.store.set_status(OLD, Status.DISABLED, reason="operator")

    await replace()

    new = await accounts.look("new")
    assert (new.status, new.reason) == (Status.DISABLED, "operator")


async def test_known_successor_changes_nothing(replace: Replacing, accounts: AccountMaker) -> None:
    await accounts.save("old", "new")
    before = await accounts.look("old"), await accounts.look("new")

    assert await replace() == Known("grok_web:basic")

    assert (await accounts.look("old"), await accounts.look("new")) == before


async def test_deleted_successor_is_as_new(replace: Replacing, accounts: AccountMaker) -> None:
    await accounts.save("old", tags=("red",))
    await accounts.save("new", tags=("blue",))
    await accounts.store.set_status(NEW, Status.DELETED, for_s=60)

    assert await replace() == Replaced()

    new = await accounts.look("new")
    assert (new.status, new.tags) == (Status.ACTIVE, ("red",))
    (count, *_) = await accounts.store.pool_counts()
    assert (count.total, count.by_status[Status.DELETED]) == (1, 1)


@pytest.mark.parametrize("is_deleted", [False, True])
async def test_there_must_be_an_account(
    replace: Replacing, accounts: AccountMaker, *, is_deleted: bool
) -> None:
    if is_deleted:
        await accounts.save("old")
        await accounts.store.set_status(OLD, Status.DELETED, for_s=60)

    assert await replace() == Unknown()

    assert await accounts.store.find([NEW]) == {}


async def test_old_one_is_forgotten_where_nothing_is_kept(
    replace: Replacing, accounts: AccountMaker
) -> None:
    await accounts.save("old")

    await replace(keep_s=0.0)

    assert set(await accounts.store.find([OLD, NEW])) == {NEW}
    assert await accounts.store.reveal([OLD]) == {}


async def test_same_session_changes_its_cookies_only(
    replace: Replacing, accounts: AccountMaker
) -> None:
    await accounts.save("old", tags=("red",))
    before = await accounts.look("old")

    assert await replace(new=OLD) == Replaced()

    assert await accounts.look("old") == before
    assert (await accounts.store.reveal([OLD]))[OLD].cookies == "cf=2"
