"""Adds up what all accounts have left, for metrics: slowly, page by page."""

import asyncio
from collections import Counter
from functools import partial
from typing import Final

from grok2api.domain.account import Mode, Pool, Status
from grok2api.domain.pool_member import Account
from grok2api.maintenance.leader import LeadershipLostError
from grok2api.maintenance.runner import Job
from grok2api.services.cleanup import end_if_cancelled
from grok2api.store.account_replies import StaleEpoch
from grok2api.store.accounts import AccountStore
from grok2api.store.quota_left import QuotaLeftStore

INTERVAL_S: Final = 60.0
"""Pause between two walks."""
BELIEVED_S: Final = 3600.0
_PAGE: Final = 500
_USABLE: Final = frozenset({Status.ACTIVE, Status.COOLING, Status.EXHAUSTED})


def build_quota_totals(accounts: AccountStore, store: QuotaLeftStore) -> Job:
    """Return the job. It works half of the time at most, so that a million accounts hurt nobody."""
    return Job("quota_totals", INTERVAL_S, partial(_add_up, accounts, store))


async def _add_up(accounts: AccountStore, store: QuotaLeftStore, epoch: int) -> None:
    left: Counter[tuple[Pool, Mode]] = Counter()
    cursor, clock = "", asyncio.get_running_loop().time
    while True:
        started_s = clock()
        page = await accounts.list(cursor=cursor, limit=_PAGE)
        for account in page.accounts:
            _add(account, left)
        cursor = page.next_cursor
        if not cursor:
            break
        await asyncio.sleep(clock() - started_s)
        end_if_cancelled()
    if isinstance(await store.keep(left, epoch=epoch, ttl_s=BELIEVED_S), StaleEpoch):
        raise LeadershipLostError("another has taken the lead")


def _add(account: Account, left: Counter[tuple[Pool, Mode]]) -> None:
    if account.status not in _USABLE:
        return
    for mode, window in account.windows.items():
        if window.is_known:
            left[account.pool, mode] += window.remaining
