"""Batches and the claims on their items. Every method that writes is one script."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from grok2api.domain.batch import Batch, BatchKind, BatchParams, BatchState
from grok2api.domain.ids import AccountId, BatchId
from grok2api.store import keys
from grok2api.store.batch_pages import (
    BatchPage,
    FailurePage,
    decode_params,
    read_batch,
    read_failures,
    read_page,
    read_working,
)
from grok2api.store.batch_replies import (
    Added,
    Busy,
    Cancelled,
    Cancelling,
    Created,
    Done,
    Empty,
    Finished,
    Forgotten,
    Full,
    NotOpen,
    Over,
    StaleEpoch,
    Started,
    Taken,
    TooMany,
    Unknown,
    Working,
)
from grok2api.store.connection import RedisClient
from grok2api.store.script import Script

MAX_ITEMS: Final = 1_000_000
MAX_AT_ONCE: Final = 1000
"""Items added, taken or reported by one call, and items of a batch claimed at the same time."""

_MAX_UNFINISHED: Final = 20
_MAX_KEPT: Final = 100
_MAX_FAILURES: Final = 1000
_OPEN_MS: Final = 600_000
_REASON_CHARS: Final = 300
_ENCODER = msgspec.json.Encoder()


class Claimed(Struct, frozen=True):
    """Items that the caller may work on, and what it does to them."""

    kind: BatchKind
    params: BatchParams
    items: tuple[AccountId, ...]


class BatchStore:
    """Batches. `now_ms` is for tests: the time in ms since epoch, 0 for the server's own clock.

    Every method raises StoreUnavailableError when Redis does not answer. An open batch that gets
    no items for ten minutes is forgotten.
    """

    def __init__(self, redis: RedisClient, *, now_ms: int = 0) -> None:
        self._redis = redis
        self.now_ms = now_ms
        self._create: Script[Created | Busy | Full] = Script(
            redis, "batch/create", Created | Busy | Full
        )
        self._add: Script[Added | TooMany | NotOpen | Unknown] = Script(
            redis, "batch/add", Added | TooMany | NotOpen | Unknown
        )
        self._start: Script[Started | Empty | NotOpen | Unknown] = Script(
            redis, "batch/start", Started | Empty | NotOpen | Unknown
        )
        self._take: Script[Taken | Over | StaleEpoch] = Script(
            redis, "batch/take", Taken | Over | StaleEpoch
        )
        self._finish: Script[Finished | Over | StaleEpoch] = Script(
            redis, "batch/finish", Finished | Over | StaleEpoch
        )
        self._cancel: Script[Cancelled | Cancelling | Done | Unknown] = Script(
            redis, "batch/cancel", Cancelled | Cancelling | Done | Unknown
        )
        self._forget: Script[Forgotten | Working] = Script(
            redis, "batch/forget", Forgotten | Working
        )

    async def create(
        self,
        batch_id: BatchId,
        kind: BatchKind,
        params: BatchParams,
        *,
        created_by: str,
        keep_s: float,
    ) -> Created | Busy | Full:
        """Open a batch that stays readable for `keep_s` seconds after its end.

        It is busy when 20 have not ended. It is full when 100 are kept: forget the oldest first.
        """
        return await self._create(
            keys={
                "facts": keys.batch_facts(batch_id),
                "index": keys.batch_index(),
                "open": keys.batch_open(),
                "running": keys.batch_running(),
                "finished": keys.batch_finished(),
            },
            args={
                "batch_id": batch_id,
                "kind": kind.value,
                "params": _ENCODER.encode(params),
                "created_by": created_by,
                "keep_ms": round(keep_s * 1000),
                "open_ms": _OPEN_MS,
                "max_unfinished": _MAX_UNFINISHED,
                "max_kept": _MAX_KEPT,
                "now_ms": self.now_ms,
            },
        )

    async def add(
        self, batch_id: BatchId, items: Sequence[AccountId], *, max_items: int = MAX_ITEMS
    ) -> Added | TooMany | NotOpen | Unknown:
        """Add up to 1000 items to an open batch; one that is in it already counts once."""
        if not 1 <= len(items) <= MAX_AT_ONCE:
            raise ValueError("items are out of bounds")
        return await self._add(
            keys={
                "facts": keys.batch_facts(batch_id),
                "pending": keys.batch_pending(batch_id),
                "open": keys.batch_open(),
            },
            args={
                "batch_id": batch_id,
                "max_items": max_items,
                "open_ms": _OPEN_MS,
                "now_ms": self.now_ms,
                "items": items,
            },
        )

    async def start(self, batch_id: BatchId) -> Started | Empty | NotOpen | Unknown:
        """Let the items of a batch be taken; no more are added."""
        return await self._start(
            keys={
                "facts": keys.batch_facts(batch_id),
                "pending": keys.batch_pending(batch_id),
                "open": keys.batch_open(),
                "running": keys.batch_running(),
            },
            args={"batch_id": batch_id, "now_ms": self.now_ms},
        )

    async def take(
        self, batch_id: BatchId, claimer: str, *, limit: int, ttl_s: float, epoch: int
    ) -> Claimed | Over | StaleEpoch:
        """Claim up to `limit` items for `ttl_s` seconds.

        A `claimer` that was not the last one ends all claims of the last one: whoever gives itself
        a new name must have stopped what it did under the old one.
        """
        if not 1 <= limit <= MAX_AT_ONCE:
            raise ValueError("limit is out of bounds")
        reply = await self._take(
            keys=_working_keys(batch_id),
            args={
                "batch_id": batch_id,
                "claimer": claimer,
                "limit": limit,
                "max_claimed": MAX_AT_ONCE,
                "ttl_ms": round(ttl_s * 1000),
                "epoch": epoch,
                "now_ms": self.now_ms,
            },
        )
        if not isinstance(reply, Taken):
            return reply
        items = tuple(AccountId(item) for item in reply.items.split())
        return Claimed(reply.kind, decode_params(reply.params), items)

    async def finish(
        self,
        batch_id: BatchId,
        results: Mapping[AccountId, str],
        *,
        epoch: int,
        max_failures: int = _MAX_FAILURES,
    ) -> Finished | Over | StaleEpoch:
        """Report up to 1000 claimed items: why each one failed, or "" when it did not."""
        if len(results) > MAX_AT_ONCE:
            raise ValueError("results are out of bounds")
        return await self._finish(
            keys=_working_keys(batch_id),
            args={
                "batch_id": batch_id,
                "max_failures": max_failures,
                "epoch": epoch,
                "now_ms": self.now_ms,
                "results": [
                    word for item, why in results.items() for word in (item, why[:_REASON_CHARS])
                ],
            },
        )

    async def cancel(self, batch_id: BatchId) -> BatchState | None:
        """Drop what nobody works on; return the batch's state, None if there is no such batch."""
        reply = await self._cancel(
            keys={
                "facts": keys.batch_facts(batch_id),
                "pending": keys.batch_pending(batch_id),
                "claimed": keys.batch_claimed(batch_id),
                "failures": keys.batch_failures(batch_id),
                "open": keys.batch_open(),
                "running": keys.batch_running(),
                "finished": keys.batch_finished(),
                "results": keys.batch_results(batch_id),
            },
            args={"batch_id": batch_id, "now_ms": self.now_ms},
        )
        match reply:
            case Cancelled():
                return BatchState.CANCELLED
            case Cancelling():
                return BatchState.CANCELLING
            case Done():
                return BatchState.DONE
            case Unknown():
                return None

    async def forget(self, batch_id: BatchId) -> bool:
        """Remove all that is kept of a batch; False if there is work for it."""
        reply = await self._forget(
            keys={
                "facts": keys.batch_facts(batch_id),
                "pending": keys.batch_pending(batch_id),
                "claimed": keys.batch_claimed(batch_id),
                "failures": keys.batch_failures(batch_id),
                "index": keys.batch_index(),
                "open": keys.batch_open(),
                "finished": keys.batch_finished(),
                "results": keys.batch_results(batch_id),
            },
            args={"batch_id": batch_id},
        )
        return isinstance(reply, Forgotten)

    async def find(self, batch_id: BatchId) -> Batch | None:
        """Return a batch; None if there is none of this id."""
        return await read_batch(self._redis, batch_id)

    async def list(self, *, cursor: str = "", limit: int = 20) -> BatchPage:
        """Return up to `limit` batches behind `cursor`, the newest first."""
        return await read_page(self._redis, cursor, limit)

    async def failures(self, batch_id: BatchId, *, first: int = 0, limit: int = 100) -> FailurePage:
        """Return up to `limit` of the failures that are listed, from number `first` on."""
        return await read_failures(self._redis, batch_id, first, limit)

    async def working(self) -> "tuple[BatchId, ...]":
        """Return the batches that there is work for, in the order in which they started."""
        return tuple(await read_working(self._redis))


def _working_keys(batch_id: BatchId) -> dict[str, str]:
    return {
        "facts": keys.batch_facts(batch_id),
        "pending": keys.batch_pending(batch_id),
        "claimed": keys.batch_claimed(batch_id),
        "failures": keys.batch_failures(batch_id),
        "running": keys.batch_running(),
        "finished": keys.batch_finished(),
        "results": keys.batch_results(batch_id),
        "leader": keys.leader(),
    }
