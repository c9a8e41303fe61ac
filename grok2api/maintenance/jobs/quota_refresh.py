"""Asks the upstream about accounts whose quota is due, and at once when requests find none left."""

import asyncio
from typing import Final

from grok2api.config.accounts import RefreshSettings
from grok2api.domain.ids import AccountId
from grok2api.maintenance.leader import LeadershipLostError
from grok2api.maintenance.runner import Job
from grok2api.services.cleanup import end_if_cancelled
from grok2api.services.quota import REFRESH_LIMIT_S, QuotaService
from grok2api.store.account_edits import AccountEdits
from grok2api.store.account_replies import StaleEpoch

IDLE_S: Final = 1.0
"""Pause between two looks for due accounts."""
CLAIM_S: Final = 1.5 * REFRESH_LIMIT_S
"""Whoever took an account and has written nothing by then has died."""


def build_quota_refresh(edits: AccountEdits, quota: QuotaService, settings: RefreshSettings) -> Job:
    """Return the job. It does nothing where the settings say so."""
    return Job("quota_refresh", IDLE_S, _QuotaRefresh(edits, quota, settings).run)


class _QuotaRefresh:
    """Takes accounts as fast as they are done, `concurrency` at the same time."""

    __slots__ = ("_edits", "_quota", "_settings")

    def __init__(self, edits: AccountEdits, quota: QuotaService, settings: RefreshSettings) -> None:
        self._edits = edits
        self._quota = quota
        self._settings = settings

    async def run(self, epoch: int) -> None:
        """Work until nothing is due.

        Raises:
            LeadershipLostError: another has taken the lead.
        """
        if not self._settings.enabled:
            return
        try:
            async with asyncio.TaskGroup() as group:
                await self._work(group, epoch)
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def _work(self, group: asyncio.TaskGroup, epoch: int) -> None:
        running: dict[AccountId, asyncio.Task[None]] = {}
        while True:
            running = {i: task for i, task in running.items() if not task.done()}
            taken = await self._take(self._settings.concurrency - len(running), epoch)
            for account_id in taken:
                if account_id not in running:  # a request may bring forward what is under way
                    task = group.create_task(self._refresh(account_id, epoch))
                    running[account_id] = task
            if not running:
                return
            if not taken or len(running) >= self._settings.concurrency:
                await asyncio.wait(
                    running.values(), timeout=IDLE_S, return_when=asyncio.FIRST_COMPLETED
                )
            end_if_cancelled()

    async def _take(self, limit: int, epoch: int) -> list[AccountId]:
        if limit == 0:
            return []
        taken = await self._edits.take_due(limit, claim_s=CLAIM_S, epoch=epoch)
        if isinstance(taken, StaleEpoch):
            raise _lost()
        return [account_id for account_id, _ in taken]

    async def _refresh(self, account_id: AccountId, epoch: int) -> None:
        if isinstance(await self._quota.refresh(account_id, epoch=epoch), StaleEpoch):
            raise _lost()


def _lost() -> LeadershipLostError:
    return LeadershipLostError("another has taken the lead")
