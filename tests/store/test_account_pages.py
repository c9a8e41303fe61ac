"""Lists and counters: whole, bounded, without secrets."""

import pytest

from grok2api.domain.account import (
    POOLS,
    Credentials,
    Mode,
    Outcome,
    Pool,
    ProviderKind,
    Status,
    Tier,
)
from grok2api.domain.ids import AccountId
from grok2api.domain.quota import Source, Window
from grok2api.store.accounts import AccountStore, NewAccount
from tests.conftest import BASIC, AccountMaker

HEAVY = Pool(ProviderKind.GROK_WEB, Tier.HEAVY)
NOW_MS = 1_800_000_000_000


async def read_all(store: AccountStore, *, limit: int, is_newest_first: bool) -> list[list[str]]:
    """Return the ids of all pages."""
    pages, cursor, more = [], "", True
    while more:
        page = await store.list(cursor=cursor, limit=limit, is_newest_first=is_newest_first)
        pages.append([str(account.id) for account in page.accounts])
        cursor, more = page.next_cursor, bool(page.next_cursor)
    return pages


async def save_in_turn(accounts: AccountMaker, *names: str) -> None:
    for number, name in enumerate(names):
        await accounts.save(name, created_at_s=100.0 + number)


@pytest.mark.parametrize("is_newest_first", [False, True])
async def test_pages_join_to_the_whole_in_the_order_of_making(
    account_store: AccountStore, accounts: AccountMaker, *, is_newest_first: bool
) -> None:
    names = [f"a{number:03}" for number in reversed(range(25))]
    await save_in_turn(accounts, *names)

    pages = await read_all(account_store, limit=10, is_newest_first=is_newest_first)

    wanted = names[::-1] if is_newest_first else names
    assert [name for page in pages for name in page] == wanted
    assert [len(page) for page in pages] == [10, 10, 5]


@pytest.mark.parametrize("is_newest_first", [False, True])
async def test_accounts_of_one_instant_are_all_listed(
    account_store: AccountStore, accounts: AccountMaker, *, is_newest_first: bool
) -> None:
    await accounts.save(*"abcdefg", created_at_s=5.0)

    pages = await read_all(account_store, limit=2, is_newest_first=is_newest_first)

    assert sorted(name for page in pages for name in page) == list("abcdefg")


async def test_last_full_page_is_the_last(
    account_store: AccountStore, accounts: AccountMaker
) -> None:
    await save_in_turn(accounts, "a", "b")

    assert (await account_store.list(limit=2)).next_cursor == ""
    assert (await account_store.list(limit=1)).next_cursor == "100000:a"


@pytest.mark.parametrize(("is_newest_first", "rest"), [(False, ["c", "d"]), (True, ["b", "a"])])
async def test_page_goes_on_where_its_cursor_was_removed(
    account_store: AccountStore, accounts: AccountMaker, rest: list[str], *, is_newest_first: bool
) -> None:
    await save_in_turn(accounts, "a", "b", "c", "d")
    page = await account_store.list(limit=2, is_newest_first=is_newest_first)
    await account_store.remove(page.accounts[-1].id)

    page = await account_store.list(cursor=page.next_cursor, is_newest_first=is_newest_first)

    assert [account.id for account in page.accounts] == rest


async def test_account_made_meanwhile_shifts_no_page(
    account_store: AccountStore, accounts: AccountMaker
) -> None:
    await save_in_turn(accounts, "a", "b", "c", "d")
    page = await account_store.list(limit=2, is_newest_first=True)
    await accounts.save("e", created_at_s=999.0)

    page = await account_store.list(cursor=page.next_cursor, is_newest_first=True)

    assert [account.id for account in page.accounts] == ["b", "a"]


async def test_account_is_shown_as_it_is(
    account_store: AccountStore, accounts: AccountMaker
) -> None:
    account_store.now_ms = NOW_MS
    new = NewAccount(
        AccountId("a"),
        HEAVY,
        Credentials("very-secret"),
        "ve…et",
        ("blue",),
        5.0,
        max_concurrency=3,
    )
    await account_store.save(new)
    await account_store.set_user_id(AccountId("a"), "u-1")
    await accounts.lease("l1", pools=(HEAVY,), units=4)
    second = await accounts.lease("l2", pools=(HEAVY,))
    await accounts.end(second, Outcome.RATE_LIMITED, cooldown_s=60, reason="too many words")

    (account,) = (await account_store.list()).accounts

    assert (account.pool, account.status) == (HEAVY, Status.COOLING)
    assert (account.mask, account.tags, account.created_at_s) == ("ve…et", ("blue",), 5.0)
    assert (account.user_id, account.open_leases, account.max_concurrency) == ("u-1", 1, 3)
    assert (account.reason, account.until_s) == ("too many words", NOW_MS / 1000 + 60)
    assert (account.failures, account.strikes, account.used_at_s) == (1, 1, NOW_MS / 1000)
    assert account.windows[Mode.FAST] == Window(
        0, 400, 7200, Source.ESTIMATED, held=4, reset_at_s=NOW_MS / 1000 + 60
    )
    assert "very-secret" not in repr(account)


async def test_what_is_over_is_shown_as_over(
    account_store: AccountStore, accounts: AccountMaker
) -> None:
    account_store.now_ms = NOW_MS
    await accounts.save("a")
    lease = await accounts.lease("l1", units=4)
    await accounts.end(lease, Outcome.RATE_LIMITED, cooldown_s=60, is_used=True)
    account_store.now_ms += 60_000

    (account,) = (await account_store.list()).accounts

    assert (account.status, account.reason, account.until_s) == (Status.ACTIVE, "", 0)
    assert account.is_on_trial
    window = account.windows[Mode.FAST]
    assert (window.remaining, window.reset_at_s) == (30, 0)


async def test_unknown_ids_are_left_out(
    account_store: AccountStore, accounts: AccountMaker
) -> None:
    await accounts.save("a", "b")

    found = await account_store.find([AccountId("b"), AccountId("x"), AccountId("a")])

    assert list(found) == ["b", "a"]
    assert await account_store.find([]) == {}


async def test_counters_tell_usable_from_total(
    account_store: AccountStore, accounts: AccountMaker
) -> None:
    await accounts.save(*Status)
    await accounts.lease(
        "l1", units=4, exclude=tuple(AccountId(s) for s in Status if s != "active")
    )
    for status in Status:
        await account_store.set_status(AccountId(status), status, for_s=60)

    counts = {count.pool: count for count in await account_store.pool_counts()}

    assert set(counts) == set(POOLS)
    basic = counts[BASIC]
    assert (basic.usable, basic.total, basic.open_leases) == (3, 5, 1)
    assert (basic.granted, basic.settled, basic.refunded) == (4, 0, 0)
    assert basic.by_status == dict.fromkeys(Status, 1)
    assert (counts[HEAVY].usable, counts[HEAVY].total) == (0, 0)
