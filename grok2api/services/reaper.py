"""Frees what ran out in quiet times, in every worker, whether or not a maintenance process runs."""

import asyncio
import random

import structlog

from grok2api.errors import StoreUnavailableError
from grok2api.services.cleanup import end_if_cancelled
from grok2api.services.endless import Endless
from grok2api.store.account_timers import AccountTimers

log = structlog.get_logger(__name__)


class Reaper(Endless):
    """Handles due timers every `interval_s` seconds, in one task for the whole process.

    It needs no leader: what is due is due, and handling it twice changes nothing.
    """

    __slots__ = ("_interval_s", "_timers")

    def __init__(self, timers: AccountTimers, *, interval_s: float) -> None:
        super().__init__()
        self._timers = timers
        self._interval_s = interval_s

    async def _run_for_ever(self) -> None:
        while True:
            # Workers start at the same moment; they need not come at the same moment for ever.
            await asyncio.sleep(self._interval_s * random.uniform(0.5, 1))  # noqa: S311
            try:
                await self._timers.reap()
            except StoreUnavailableError as error:
                log.warning("leases_not_reaped", detail=error.detail)
            end_if_cancelled()
