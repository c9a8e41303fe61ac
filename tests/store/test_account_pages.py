"""Lists and counters: whole, bounded, without secrets."""

from grok2api.domain.account import Credentials, Outcome, Pool, ProviderKind, Status, Tier
from grok2api.domain.ids import AccountId
from grok2api.store.accounts import POOLS, AccountStore, NewAccount
from tests.conftest import BASIC, AccountMaker

HEAVY = Pool(ProviderKind.GROK_WEB, Tier.HEAVY)
NOW_MS = 1_800_000_000_000


async def test_pages_join_to_the_whole(account_store: AccountStore, accounts: AccountMaker) -> None:
    names = [f"a{n:03}" for n in range(25)]
    await accounts.save(*names)

    seen, cursor, sizes = [], "", []
    while True:
        page = await account_store.list(cursor=cursor, limit=10)
        seen += [account.id for account in page.accounts]
        sizes.append(len(page.accounts))
        cursor = page.next_cursor
        if not cursor:
            break

    assert seen == names
    assert sizes == [10, 10, 5]


async def test_last_full_page_is_the_last(
    account_store: AccountStore, accounts: AccountMaker
) -> None:
    await accounts.save("a", "b")

    assert (await account_store.list(limit=2)).next_cursor == ""
    assert (await account_store.list(limit=1)).next_cursor == "a"


async def test_account_is_shown_as_it_is(
    account_store: AccountStore, accounts: AccountMaker
) -> None:
    account_store.now_ms = NOW_MS
    credentials = Credentials("very-secret")
    await account_store.save(
        NewAccount(AccountId("a"), HEAVY, credentials, "ve…et", ("blue",), 5.0)
    )
    await account_store.set_user_id(AccountId("a"), "u-1")
    await accounts.lease("l1", pools=(HEAVY,), limit=2)
    second = await accounts.lease("l2", pools=(HEAVY,), limit=2)
    await account_store.release(
        second, Outcome.RATE_LIMITED, cooldown_s=60, reason="too many words"
    )

    (account,) = (await account_store.list()).accounts

    assert (account.pool, account.status) == (HEAVY, Status.COOLING)
    assert (account.mask, account.tags, account.created_at_s) == ("ve…et", ("blue",), 5.0)
    assert (account.user_id, account.open_leases) == ("u-1", 1)
    assert (account.reason, account.until_s) == ("too many words", NOW_MS / 1000 + 60)
    assert "very-secret" not in repr(account)


async def test_cooldown_that_is_over_is_shown_as_over(
    account_store: AccountStore, accounts: AccountMaker
) -> None:
    account_store.now_ms = NOW_MS
    await accounts.save("a")
    await account_store.set_status(AccountId("a"), Status.COOLING, cooldown_s=60)
    account_store.now_ms += 60_000

    (account,) = (await account_store.list()).accounts

    assert (account.status, account.reason, account.until_s) == (Status.ACTIVE, "", 0)


async def test_counters_tell_usable_from_total(
    account_store: AccountStore, accounts: AccountMaker
) -> None:
    await accounts.save(*Status)
    for status in Status:
        await account_store.set_status(AccountId(status), status, cooldown_s=60)

    counts = {count.pool: count for count in await account_store.pool_counts()}

    assert set(counts) == set(POOLS)
    assert (counts[BASIC].usable, counts[BASIC].total) == (2, 6)
    assert counts[BASIC].by_status == dict.fromkeys(Status, 1)
    assert (counts[HEAVY].usable, counts[HEAVY].total) == (0, 0)
