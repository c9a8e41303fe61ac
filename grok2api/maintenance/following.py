"""Runs the jobs that settings ask for, and begins anew with other settings when they change."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import structlog

from grok2api.config.schema import Settings
from grok2api.maintenance.runner import Runner
from grok2api.services.cleanup import end_if_cancelled
from grok2api.services.settings_watch import SettingsWatch

log = structlog.get_logger(__name__)

OpenRunner = Callable[[Settings], AbstractAsyncContextManager[Runner]]


class FollowingRunner:
    """A candidate whose jobs are always those of the settings in force."""

    __slots__ = ("_open_runner", "_watch")

    def __init__(self, watch: SettingsWatch, open_runner: OpenRunner) -> None:
        self._watch = watch
        self._open_runner = open_runner

    async def run(self) -> None:
        """Campaign and work until cancelled; between two settings another process may lead."""
        if self._watch.is_unread:  # nothing is done by a guess of what is set
            await self._watch.next()
        while True:
            async with (
                self._open_runner(self._watch.settings) as runner,
                asyncio.TaskGroup() as group,
            ):
                work = group.create_task(runner.run())
                await self._watch.next()
                work.cancel()
            log.info("jobs_begin_anew")
            end_if_cancelled()
