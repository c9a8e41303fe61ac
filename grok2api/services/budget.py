"""How much of something one process holds at a time: bytes of clients' files, turns."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from grok2api.errors import UpstreamUnavailableError

BYTES_PER_MB: Final = 1024 * 1024
INLINE_BYTES: Final = 64 * 1024
"""Less than this is looked at and decoded at once; more goes to a thread."""


@dataclass(slots=True)
class Headcount:
    """How many are at work."""

    count: int = 0


class Budget:
    """A number of bytes, or of whatever else, that is shared out in the order of asking.

    What a request needs is taken in one step, so that two half-served ones cannot block each other.
    """

    __slots__ = ("_free", "_total", "_waiting")

    def __init__(self, total: int = 0) -> None:
        self._total = total
        self._free = total
        self._waiting: deque[tuple[int, asyncio.Future[int]]] = deque()

    @property
    def free(self) -> int:
        """What nobody holds; less than nothing where more is held than there is by now."""
        return self._free

    def resize(self, total: int) -> None:
        """Share out so much from now on; who holds something keeps it."""
        self._free += total - self._total
        self._total = total
        self._serve()

    async def take(self, amount: int) -> int:
        """Wait for `amount`, or all there is if that is less; return how much it is."""
        turn: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((amount, turn))
        self._serve()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._free += turn.result()
            self._serve()
            raise

    def give(self, amount: int) -> None:
        """Give back what `take` returned, or a part of it."""
        self._free += amount
        self._serve()

    @asynccontextmanager
    async def hold(self, amount: int) -> AsyncIterator[None]:
        """Hold `amount` in the body."""
        held = await self.take(amount)
        try:
            yield
        finally:
            self.give(held)

    def _serve(self) -> None:
        while self._waiting:
            amount, turn = self._waiting[0]
            if turn.done():  # its waiter has left
                self._waiting.popleft()
                continue
            amount = min(amount, self._total)
            if amount > self._free:
                return
            self._waiting.popleft()
            self._free -= amount
            turn.set_result(amount)


async def reserve(budget: Budget, amount: int, timeout_s: float) -> int:
    """Take `amount` bytes, or all there are if that is less; return how many they are.

    Raises:
        UpstreamUnavailableError: they are not free within `timeout_s`.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await budget.take(amount)
    except TimeoutError:
        raise UpstreamUnavailableError(
            "Too many files are being worked on.", code="files_exhausted", retry_after_s=1.0
        ) from None
