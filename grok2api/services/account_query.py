"""Finding accounts: filtered, sorted, page by page, from counters and bounded reads only."""

import base64
import binascii
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct

from grok2api.domain.account import Status, Tier
from grok2api.domain.ids import AccountId
from grok2api.domain.pool_member import Account
from grok2api.errors import InvalidRequestError
from grok2api.store.accounts import AccountStore

MAX_SCANNED: Final = 20_000
"""Accounts that one call looks at."""
MAX_LIMIT: Final = 500
_READ: Final = 200
"""Accounts read at once: others are served between two reads."""
_CURSOR: Final = re.compile(r"[0-9]{1,16}:[!-~]{1,128}")
_RANKS: Final = {status: rank for rank, status in enumerate(Status)}
_LIVE: Final = frozenset(Status) - {Status.DELETED}


class Sort(StrEnum):
    """What accounts are ordered by; the id decides between equal ones."""

    CREATED = "created"
    ID = "id"
    USED = "used"
    USES = "uses"
    FAILURES = "failures"
    STATUS = "status"


class AccountFilter(Struct, frozen=True):
    """Which accounts: those that fit everything that is named.

    Without `statuses` all but deleted ones. `text` is a part of the id, the mask, a tag or the
    upstream's user id, in any case.
    """

    statuses: frozenset[Status] = frozenset()
    tier: Tier | None = None
    tag: str = ""
    text: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it lets every account through that is not deleted."""
        return self == AccountFilter()

    def fits(self, account: Account) -> bool:
        """Tell whether an account is wanted."""
        wanted = self.text.casefold()
        return (
            account.status in (self.statuses or _LIVE)
            and self.tier in {None, account.pool.tier}
            and (not self.tag or self.tag in account.tags)
            and (
                not wanted
                or any(
                    wanted in text.casefold()
                    for text in (account.id, account.mask, account.user_id, *account.tags)
                )
            )
        )


class AccountQuery(Struct, frozen=True, kw_only=True):
    """A page of accounts: up to `limit` of those behind `cursor`.

    `is_ascending` None is each order's own way: the newest, most used, last used and most failed
    first; ids and statuses from the beginning.
    """

    filter: AccountFilter = AccountFilter()
    sort: Sort = Sort.CREATED
    is_ascending: bool | None = None
    cursor: str = ""
    limit: int = 100


class FoundAccounts(Struct, frozen=True):
    """A page. `next_cursor` is "" on the last one; a page may be short without being the last.

    `scanned` is how many accounts were looked at.
    """

    accounts: list[Account]
    next_cursor: str
    scanned: int


class AccountCounts(Struct, frozen=True):
    """How many accounts there are: counters that are kept, whatever the filter.

    `total`, `by_status` and `by_tier` leave deleted ones out; `deleted` is their number.
    """

    total: int
    deleted: int
    by_status: dict[Status, int]
    by_tier: dict[Tier, int]


class _Mark(Struct, frozen=True, array_like=True):
    """Where a sorted page ended: behind this value and id."""

    sort: Sort
    is_ascending: bool
    value: float | str
    id: str


_MARK_DECODER = msgspec.json.Decoder(_Mark)
_VALUES: Final[dict[Sort, Callable[[Account], float | str]]] = {
    Sort.ID: lambda account: account.id,
    Sort.USED: lambda account: account.used_at_s,
    Sort.USES: lambda account: account.uses,
    Sort.FAILURES: lambda account: account.failures,
    Sort.STATUS: lambda account: _RANKS[account.status],
}
_ASCENDING: Final = frozenset({Sort.ID, Sort.STATUS})


class AccountSearch:
    """Finds accounts. Every method raises StoreUnavailableError when Redis does not answer."""

    __slots__ = ("_max_scanned", "_store")

    def __init__(self, store: AccountStore, *, max_scanned: int = MAX_SCANNED) -> None:
        self._store = store
        self._max_scanned = max_scanned

    async def find(self, query: AccountQuery) -> FoundAccounts:
        """Return a page of accounts.

        By date of creation any number of accounts is read on and on, `max_scanned` in a call; by
        anything else there may be that many at most.

        Raises:
            InvalidRequestError: limit or cursor do not hold, or there are too many to be sorted.
        """
        if not 1 <= query.limit <= MAX_LIMIT:
            raise InvalidRequestError(
                f"limit must be a whole number from 1 to {MAX_LIMIT}.", param="limit"
            )
        if query.sort is Sort.CREATED:
            return await self._walk(query)
        return await self._sort(query)

    async def get(self, account_id: AccountId) -> Account | None:
        """Return an account, also one that is deleted; None if there is none of this id."""
        return (await self._store.find([account_id])).get(account_id)

    async def ids(self, wanted: AccountFilter) -> AsyncGenerator[AccountId, None]:
        """Yield the ids of all accounts that fit, however many they are."""
        async with aclosing(self._each("", is_newest_first=False)) as each:
            async for account in each:
                if wanted.fits(account):
                    yield account.id

    async def count(self) -> AccountCounts:
        """Return how many accounts there are."""
        pools = await self._store.pool_counts()
        by_status = {s: sum(pool.by_status[s] for pool in pools) for s in Status if s in _LIVE}
        by_tier = dict.fromkeys(Tier, 0)
        for pool in pools:
            by_tier[pool.pool.tier] += pool.total
        deleted = sum(pool.by_status[Status.DELETED] for pool in pools)
        return AccountCounts(sum(by_tier.values()), deleted, by_status, by_tier)

    async def _walk(self, query: AccountQuery) -> FoundAccounts:
        if query.cursor and not _CURSOR.fullmatch(query.cursor):
            raise _bad_cursor()
        found: list[Account] = []
        scanned, last = 0, ""
        each = self._each(
            query.cursor,
            is_newest_first=not query.is_ascending,
            page=min(_READ, query.limit + 1) if query.filter.is_open else _READ,
        )
        async with aclosing(each):
            async for account in each:
                if len(found) == query.limit or scanned == self._max_scanned:
                    return FoundAccounts(found, last, scanned)
                scanned, last = scanned + 1, _position(account)
                if query.filter.fits(account):
                    found.append(account)
        return FoundAccounts(found, "", scanned)

    async def _each(
        self, cursor: str, *, is_newest_first: bool, page: int = _READ
    ) -> AsyncGenerator[Account, None]:
        while True:
            found = await self._store.list(
                cursor=cursor, limit=page, is_newest_first=is_newest_first
            )
            for account in found.accounts:
                yield account
            cursor = found.next_cursor
            if not cursor:
                return

    async def _sort(self, query: AccountQuery) -> FoundAccounts:
        is_ascending = query.is_ascending
        if is_ascending is None:
            is_ascending = query.sort in _ASCENDING
        mark = _read_mark(query.cursor, query.sort, is_ascending=is_ascending)
        value_of = _VALUES[query.sort]
        counts = await self._store.pool_counts()
        if sum(c.total + c.by_status[Status.DELETED] for c in counts) > self._max_scanned:
            raise self._too_many()
        keyed: list[tuple[float | str, str, Account]] = []
        scanned = 0
        async with aclosing(self._each("", is_newest_first=False)) as each:
            async for account in each:
                scanned += 1
                if query.filter.fits(account):
                    keyed.append((value_of(account), account.id, account))
        keyed.sort(key=lambda entry: entry[:2], reverse=not is_ascending)
        if mark is not None:
            behind = (mark.value, mark.id)
            keyed = [
                entry
                for entry in keyed
                if (entry[:2] > behind if is_ascending else entry[:2] < behind)
            ]
        shown = keyed[: query.limit]
        more = ""
        if len(keyed) > len(shown):
            value, name, _ = shown[-1]
            more = _write_mark(_Mark(query.sort, is_ascending, value, name))
        return FoundAccounts([account for _, _, account in shown], more, scanned)

    def _too_many(self) -> InvalidRequestError:
        return InvalidRequestError(
            f"More than {self._max_scanned} accounts cannot be sorted like this. Sort by created; "
            "filters work there.",
            param="sort",
            code="too_many_accounts",
        )


def _position(account: Account) -> str:
    """Return the store's cursor behind an account."""
    return f"{account.created_at_s * 1000:.0f}:{account.id}"


def _write_mark(mark: _Mark) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(mark)).decode().rstrip("=")


def _read_mark(cursor: str, sort: Sort, *, is_ascending: bool) -> _Mark | None:
    if not cursor:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        mark = _MARK_DECODER.decode(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        raise _bad_cursor() from None
    is_text = isinstance(mark.value, str)
    if (mark.sort, mark.is_ascending, is_text) != (sort, is_ascending, sort is Sort.ID):
        raise _bad_cursor()
    return mark


def _bad_cursor() -> InvalidRequestError:
    return InvalidRequestError(
        "This cursor does not belong to this order; begin without one.", param="cursor"
    )
