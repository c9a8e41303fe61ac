"""Work that is worth doing only while its client waits for it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from starlette.types import Receive

from grok2api.errors import ShuttingDownError
from grok2api.web.drain import Drain

RETRY_AFTER_S = 1.0


class ClientLeftError(Exception):
    """The client closed its connection; nobody reads an answer."""


class _Stop:
    """Ends the body of a `timeout` scope for a reason of ours."""

    __slots__ = ("_scope", "reason")

    def __init__(self, scope: asyncio.Timeout) -> None:
        self._scope = scope
        self.reason: Exception | None = None

    def client_left(self) -> None:
        self._end(ClientLeftError())

    def shutting_down(self) -> None:
        self._end(
            ShuttingDownError(
                "This server is restarting; please send the request again.",
                retry_after_s=RETRY_AFTER_S,
            )
        )

    def _end(self, reason: Exception) -> None:
        if self.reason is None:
            self.reason = reason
            self._scope.reschedule(0)


@asynccontextmanager
async def client_present(receive: Receive, drain: Drain) -> AsyncIterator[None]:
    """Cancel the body as soon as the client leaves, or when this worker must stop.

    The request's body must have been read. The body of the block runs in the caller's own task, so
    its clean-up runs to its end before this raises.

    Raises:
        ClientLeftError: the client closed the connection.
        ShuttingDownError: the grace period of a stopping worker is over.
    """
    stop: _Stop | None = None
    try:
        async with asyncio.timeout(None) as scope:
            stop = _Stop(scope)
            async with companion(_watch(receive, stop)):
                with drain.listening(stop.shutting_down):
                    yield
    except TimeoutError:
        if stop is None or stop.reason is None:
            raise
        raise stop.reason from None


@asynccontextmanager
async def companion(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `work` beside the body; it ends with it.

    This is a task group of one whose body's errors stay as they are: a TaskGroup would wrap them.
    """
    task = asyncio.get_running_loop().create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait((task,))
        if not task.cancelled():
            task.result()


async def _watch(receive: Receive, stop: _Stop) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    stop.client_left()
