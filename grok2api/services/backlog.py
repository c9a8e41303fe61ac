"""A bounded queue in memory that is emptied in batches."""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Generic, TypeVar

import structlog

log = structlog.get_logger(__name__)

ItemT = TypeVar("ItemT")


class Backlog(Generic[ItemT]):
    """Items that wait for their batch, `most` at a time; what comes beyond is dropped.

    A batch has up to `at_once` items. An item that comes after a silence is one at once; the next
    batch gathers until `every_s` seconds later, unless it is full or an item is urgent. `name` is
    said in the log when items are dropped: when it begins, and how many they were when items are
    taken again.
    """

    __slots__ = (
        "_arrived",
        "_at_once",
        "_every_s",
        "_items",
        "_most",
        "_name",
        "_next_s",
        "_untold",
        "_urge",
    )

    def __init__(self, name: str, *, most: int, at_once: int, every_s: float) -> None:
        self._name = name
        self._most = most
        self._at_once = at_once
        self._every_s = every_s
        self._next_s = 0.0
        self._items: deque[ItemT] = deque()
        self._arrived, self._urge = asyncio.Event(), asyncio.Event()
        self._untold = 0

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: ItemT, *, is_urgent: bool = False) -> bool:
        """Add an item; False if it was dropped."""
        if len(self._items) >= self._most:
            if not self._untold:
                log.warning("backlog_full", backlog=self._name, most=self._most)
            self._untold += 1
            return False
        self._items.append(item)
        self._arrived.set()
        if is_urgent or len(self._items) >= self._at_once:
            self._urge.set()
        return True

    async def take(self) -> list[ItemT]:
        """Wait for a batch and return it; it has at least one item."""
        await self._arrived.wait()
        clock = asyncio.get_running_loop().time
        if clock() < self._next_s:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._next_s):
                    await self._urge.wait()
        self._next_s = clock() + self._every_s
        return self.take_now()

    def take_now(self) -> list[ItemT]:
        """Return the next batch as it is; empty when nothing waits."""
        batch = [self._items.popleft() for _ in range(min(self._at_once, len(self._items)))]
        if not self._items:
            self._arrived.clear()
            self._urge.clear()
        if self._untold:
            log.error("backlog_dropped", backlog=self._name, dropped=self._untold)
            self._untold = 0
        return batch
