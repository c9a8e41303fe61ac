"""Finding accounts: what one call looks at is bounded, and what it leaves out it says."""

import pytest

from grok2api.domain.account import Pool, ProviderKind, Status, Tier
from grok2api.domain.ids import AccountId
from grok2api.errors import InvalidRequestError
from grok2api.services.account_query import AccountFilter, AccountQuery, AccountSearch, Sort
from grok2api.store.accounts import AccountStore
from tests.conftest import AccountMaker

SUPER = Pool(ProviderKind.GROK_WEB, Tier.SUPER)


@pytest.fixture
def search(account_store: AccountStore) -> AccountSearch:
    return AccountSearch(account_store, max_scanned=10)


async def test_call_ends_when_it_has_looked_at_enough_and_the_next_goes_on(
    search: AccountSearch, accounts: AccountMaker
) -> None:
    await accounts.save(*[f"a{number:02}" for number in range(25)])
    await accounts.save("rare", tags=("rare",), created_at_s=-1.0)
    wanted = AccountFilter(tag="rare")
    sizes, scans, cursor = [], [], ""

    while True:
        page = await search.find(AccountQuery(filter=wanted, cursor=cursor, limit=5))
        sizes.append(len(page.accounts))
        scans.append(page.scanned)
        cursor = page.next_cursor
        if not cursor:
            break

    assert (sizes, scans) == ([0, 0, 1], [10, 10, 6])


async def test_page_that_is_full_at_the_last_account_is_the_last(
    search: AccountSearch, accounts: AccountMaker
) -> None:
    await accounts.save("a", "b")

    whole = await search.find(AccountQuery(limit=2))
    half = await search.find(AccountQuery(limit=1))

    assert ([a.id for a in whole.accounts], whole.next_cursor) == (["b", "a"], "")
    assert half.next_cursor == "0:b"


@pytest.mark.parametrize("sort", [sort for sort in Sort if sort is not Sort.CREATED])
async def test_too_many_to_be_sorted_is_said_with_the_remedy(
    search: AccountSearch, accounts: AccountMaker, sort: Sort
) -> None:
    await accounts.save(*[f"a{number}" for number in range(11)])

    with pytest.raises(InvalidRequestError, match="Sort by created") as refused:
        await search.find(AccountQuery(sort=sort))

    assert (refused.value.param, refused.value.code) == ("sort", "too_many_accounts")


async def test_deleted_accounts_count_among_those_to_be_sorted(
    search: AccountSearch, accounts: AccountMaker, account_store: AccountStore
) -> None:
    names = [AccountId(f"a{number}") for number in range(11)]
    await accounts.save(*names)
    for name in names[:5]:
        await account_store.set_status(name, Status.DELETED, for_s=60)

    with pytest.raises(InvalidRequestError):
        await search.find(AccountQuery(sort=Sort.ID))


async def test_ids_are_of_all_that_fit_whatever_their_number(
    search: AccountSearch, accounts: AccountMaker
) -> None:
    await accounts.save(*[f"a{number:04}" for number in range(1200)])
    await accounts.save("s", pool=SUPER)

    ids = [i async for i in search.ids(AccountFilter(tier=Tier.BASIC))]

    assert ids == [f"a{number:04}" for number in range(1200)]


async def test_counts_are_by_status_and_tier(
    search: AccountSearch, accounts: AccountMaker, account_store: AccountStore
) -> None:
    await accounts.save("a", "b", "c")
    await accounts.save("s", pool=SUPER)
    await account_store.set_status(AccountId("b"), Status.DISABLED)
    await account_store.set_status(AccountId("c"), Status.DELETED, for_s=60)

    counts = await search.count()

    assert (counts.total, counts.deleted) == (3, 1)
    assert counts.by_tier == {Tier.BASIC: 2, Tier.SUPER: 1, Tier.HEAVY: 0}
    assert counts.by_status[Status.DISABLED] == 1
    assert Status.DELETED not in counts.by_status
