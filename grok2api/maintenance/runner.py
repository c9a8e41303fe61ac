"""Runs jobs while this process leads, and cancels all of them when it no longer does."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from grok2api.errors import GatewayError
from grok2api.maintenance.leader import Leader, LeadershipLostError
from grok2api.services.cleanup import end_if_cancelled

log = structlog.get_logger(__name__)

_JITTER: Final = 0.1


@dataclass(frozen=True, slots=True)
class Job:
    """Work to be repeated: `run` takes the leader's epoch, is bounded and may be repeated.

    It raises LeadershipLostError when a script answers that its epoch is stale.
    """

    name: str
    interval_s: float
    run: Callable[[int], Awaitable[None]]


class Runner:
    """Leads when it can, and works while it does."""

    __slots__ = ("_jobs", "_leader")

    def __init__(self, leader: Leader, jobs: Sequence[Job]) -> None:
        self._leader = leader
        self._jobs = jobs

    async def run(self) -> None:
        """Campaign and work until cancelled, then resign.

        Leadership that is lost is sought again.
        """
        while True:
            try:
                epoch = await self._leader.win()
                end_if_cancelled()
                await self._work(epoch)
            finally:
                # When a renewal failed too: it may have been granted without our knowing.
                await self._leader.resign()

    async def _work(self, epoch: int) -> None:
        """Run all jobs until leadership is lost."""
        try:
            async with asyncio.TaskGroup() as group:
                for job in self._jobs:
                    group.create_task(_repeat(job, epoch), name=job.name)
                await self._leader.keep(epoch)
        except* LeadershipLostError as lost:
            log.warning("leadership_lost", epoch=epoch, reason=str(lost.exceptions[0]))
        end_if_cancelled()


async def _repeat(job: Job, epoch: int) -> None:
    while True:
        try:
            await job.run(epoch)
        except LeadershipLostError:
            raise
        except GatewayError as error:
            log.warning("job_failed", job=job.name, error=error.kind.value, detail=error.detail)
        except Exception:
            log.exception("job_failed", job=job.name)
        end_if_cancelled()
        # So that jobs, and leaders that follow each other, do not fall into step.
        await asyncio.sleep(job.interval_s * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311
