"""An answer that may call tools, with its calls taken out of the text."""

from collections.abc import AsyncIterator
from typing import Self

from grok2api.dialects.tools.sift import EventSieve
from grok2api.domain.chat import EventBatch


class SiftedBatches:
    """The batches of an answer, sent through a sieve."""

    __slots__ = ("_batches", "_sieve")

    def __init__(self, batches: AsyncIterator[EventBatch], sieve: EventSieve) -> None:
        self._batches = batches
        self._sieve = sieve

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> EventBatch:
        while True:
            events = self._sieve.take(await anext(self._batches))
            if events:
                return events
