"""Frees what ran out in quiet times, in every worker, whether or not a maintenance process runs."""

import asyncio
import random
from types import TracebackType
from typing import Self

import structlog

from grok2api.errors import StoreUnavailableError
from grok2api.services.cleanup import end_if_cancelled
from grok2api.store.account_timers import AccountTimers

log = structlog.get_logger(__name__)


class Reaper:
    """Handles due timers every `interval_s` seconds, in one task for the whole process.

    It needs no leader: what is due is due, and handling it twice changes nothing.
    """

    __slots__ = ("_group", "_interval_s", "_task", "_timers")

    def __init__(self, timers: AccountTimers, *, interval_s: float) -> None:
        self._timers = timers
        self._interval_s = interval_s
        self._group = asyncio.TaskGroup()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        self._task = self._group.create_task(self._reap_for_ever())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()
        await self._group.__aexit__(None, None, None)

    async def _reap_for_ever(self) -> None:
        while True:
            # Workers start at the same moment; they need not come at the same moment for ever.
            await asyncio.sleep(self._interval_s * random.uniform(0.5, 1))  # noqa: S311
            try:
                await self._timers.reap()
            except StoreUnavailableError as error:
                log.warning("leases_not_reaped", detail=error.detail)
            end_if_cancelled()
