"""Ends that are whole: work that outlives its request has an owner, no cancellation gets lost."""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")


class Cleanup:
    """Runs short coroutines that a cancelled request must not cut.

    Use it as an async context manager; leaving it waits for all that still runs.
    """

    __slots__ = ("_running",)

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self._running:
            await asyncio.wait(self._running)

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` to its end and return its result.

        When the caller is cancelled meanwhile, that is delivered only after `work` has ended; its
        result or error is then dropped.
        """
        task = self._own(work)
        cancelled: asyncio.CancelledError | None = None
        while not task.done():
            try:
                await asyncio.wait((task,))
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            if not task.cancelled():
                task.exception()  # seen, so that nobody warns about it
            raise cancelled
        return task.result()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work`, which bounds its own time and handles its own errors, without waiting."""
        _ = self._own(work)

    def _own(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        # A TaskGroup would cancel everybody's work when one fails; this set is the owner instead.
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task


def end_if_cancelled() -> None:
    """Raise a cancellation that was delivered to this task but got lost on the way.

    Before Python 3.12 `asyncio.wait_for`, which the Redis client uses, drops one that comes with
    its result; before 3.13 a TaskGroup drops one while it has errors to tell.

    Raises:
        asyncio.CancelledError: this task was cancelled.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
