"""Work that goes on for as long as its owner is open."""

import asyncio
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Final, Self

_AGAIN_S: Final = 0.25


class Endless(ABC):
    """An async context manager with one loop of its own, for the whole process.

    Leaving the context cancels the loop and waits for its end. A loop that fails ends what runs
    in the context.
    """

    __slots__ = ("_group", "_task")

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        self._task = self._group.create_task(self._run_for_ever())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            # A cancellation can get lost on its way (see `end_if_cancelled`): it is said again.
            while self._task is not None and not self._task.done():
                self._task.cancel()
                await asyncio.wait((self._task,), timeout=_AGAIN_S)
        finally:
            await self._group.__aexit__(None, None, None)

    @abstractmethod
    async def _run_for_ever(self) -> None:
        """Loop; call `end_if_cancelled` in each round."""
