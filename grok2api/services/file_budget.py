"""How much of clients' files one process holds in memory at a time."""

import asyncio
from collections import deque
from typing import Final

from grok2api.errors import UpstreamUnavailableError

BYTES_PER_MB: Final = 1024 * 1024
INLINE_BYTES: Final = 64 * 1024
"""Less than this is looked at and decoded at once; more goes to a thread."""


class ByteBudget:
    """A number of bytes that is shared out in the order of asking.

    What a request needs is taken in one step, so that two half-served ones cannot block each other.
    """

    __slots__ = ("_free", "_total", "_waiting")

    def __init__(self, total_bytes: int) -> None:
        self._total = total_bytes
        self._free = total_bytes
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def free_bytes(self) -> int:
        """What nobody holds."""
        return self._free

    async def take(self, amount: int) -> int:
        """Wait for `amount` bytes, or all there are if it is more; return how many they are."""
        amount = min(amount, self._total)
        if not self._waiting and amount <= self._free:
            self._free -= amount
            return amount
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((amount, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._free += amount
            self._serve()
            raise
        return amount

    def give(self, amount: int) -> None:
        """Give back what `take` returned, or a part of it."""
        self._free += amount
        self._serve()

    def _serve(self) -> None:
        while self._waiting:
            amount, turn = self._waiting[0]
            if turn.done():  # its waiter has left
                self._waiting.popleft()
                continue
            if amount > self._free:
                return
            self._waiting.popleft()
            self._free -= amount
            turn.set_result(None)


async def reserve(budget: ByteBudget, amount: int, timeout_s: float) -> int:
    """Take `amount` bytes, or all there are if it is more; return how many they are.

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
