"""Writes finished requests to a file, as JSON lines."""

import asyncio
from types import TracebackType
from typing import Final

import structlog

from grok2api.clock import Clock
from grok2api.domain.usage import FinishedRequest
from grok2api.services.backlog import Backlog
from grok2api.services.cleanup import Cleanup, end_if_cancelled
from grok2api.services.endless import Endless
from grok2api.services.request_rows import encode_lines
from grok2api.telemetry.rotating_file import RotatingFile

log = structlog.get_logger(__name__)

_MAX_WAITING: Final = 4096
_AT_ONCE: Final = 256


class RequestFile(Endless):
    """A file of finished requests; a thread writes it, so that no disk holds anybody up.

    Leaving the context writes what waits. What cannot be written is told in the log.
    """

    __slots__ = ("_backlog", "_cleanup", "_clock", "_file")

    def __init__(self, file: RotatingFile, clock: Clock, *, every_s: float) -> None:
        super().__init__()
        self._file = file
        self._clock = clock
        self._cleanup = Cleanup()
        self._backlog: Backlog[FinishedRequest] = Backlog(
            "request_file", most=_MAX_WAITING, at_once=_AT_ONCE, every_s=every_s
        )

    def record(self, finished: FinishedRequest) -> None:
        """Remember a finished request."""
        self._backlog.put(finished)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await super().__aexit__(kind, error, trace)
        finally:
            while batch := self._backlog.take_now():
                await self._write(batch)

    async def _run_for_ever(self) -> None:
        while True:
            # To its end, also when it is cancelled: nobody could say what was written of it.
            await self._cleanup.run(self._write(await self._backlog.take()))
            end_if_cancelled()

    async def _write(self, batch: list[FinishedRequest]) -> None:
        try:
            await asyncio.to_thread(self._append, batch)
        except OSError as error:
            log.error(  # noqa: TRY400 -- where it failed in here says nothing
                "request_file_not_written", requests=len(batch), detail=error.strerror
            )

    def _append(self, batch: list[FinishedRequest]) -> None:
        self._file.append(encode_lines(batch), self._clock.now_s())
