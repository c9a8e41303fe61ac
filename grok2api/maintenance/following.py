"""Runs the jobs that settings ask for, and begins anew with other settings when they change."""

import asyncio
from collections.abc import Callable

import structlog

from grok2api.config.schema import Settings
from grok2api.errors import GatewayError
from grok2api.maintenance.runner import Runner
from grok2api.services.cleanup import end_if_cancelled
from grok2api.services.settings_watch import SettingsWatch

log = structlog.get_logger(__name__)

BuildRunner = Callable[[Settings], Runner]


class FollowingRunner:
    """A candidate whose jobs are always those of the settings in force."""

    __slots__ = ("_build_runner", "_watch")

    def __init__(self, watch: SettingsWatch, build_runner: BuildRunner) -> None:
        self._watch = watch
        self._build_runner = build_runner

    async def run(self) -> None:
        """Campaign and work until cancelled; between two settings another process may lead.

        Raises:
            GatewayError: there are no jobs yet, and those of the settings cannot be built.
        """
        if self._watch.is_unread:  # nothing is done by a guess of what is set
            await self._watch.next()
        runner = self._build_runner(self._watch.settings)
        while True:
            async with asyncio.TaskGroup() as group:
                work = group.create_task(runner.run())
                runner = await self._next_runner()
                work.cancel()
            log.info("jobs_begin_anew")
            end_if_cancelled()

    async def _next_runner(self) -> Runner:
        """Wait for other settings; those whose jobs cannot be built change nothing yet."""
        while True:
            before = self._watch.settings
            settings = await self._watch.next()
            try:
                return self._build_runner(settings)
            except GatewayError as error:
                self._watch.refuse(before, error)
