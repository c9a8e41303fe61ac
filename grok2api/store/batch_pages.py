"""Reads batches for pages and for those who work on them: bounded, and nothing is changed."""

from typing import Final

import msgspec
from msgspec import Struct

from grok2api.domain.batch import Batch, BatchFailure, BatchKind, BatchParams, BatchState
from grok2api.domain.ids import AccountId, BatchId
from grok2api.store import keys, reads
from grok2api.store.connection import RedisClient

MAX_PAGE: Final = 100
MAX_FAILURES_PAGE: Final = 1000

_NUMBERS: Final = ("total", "ok", "fail", "skipped", "more_failures")
_TIMES: Final = ("created_ms", "started_ms", "ended_ms")
_WORDS: Final = ("kind", "params", "created_by", "state")
_PARAMS_DECODER = msgspec.json.Decoder(BatchParams)


class BatchPage(Struct, frozen=True):
    """Some batches, the newest first. `next_cursor` is "" on the last page."""

    batches: list[Batch]
    next_cursor: str


class FailurePage(Struct, frozen=True):
    """Some failures, the earliest first. `next_cursor` is "" on the last page."""

    failures: list[BatchFailure]
    next_cursor: str


def decode_params(params: bytes) -> BatchParams:
    """Return what a batch keeps of how it is done."""
    return _PARAMS_DECODER.decode(params)


async def read_batch(redis: RedisClient, batch_id: BatchId) -> Batch | None:
    """Return a batch; None if there is none of this id."""
    fields = (*_WORDS, *_NUMBERS, *_TIMES)
    found = await reads.hash_get_many(redis, keys.batch_facts(batch_id), fields)
    kind, params, created_by, state = (value or b"" for value in found[: len(_WORDS)])
    if not state:
        return None
    numbers = [int(value or 0) for value in found[len(_WORDS) :]]
    total, ok, fail, skipped, more_failures, created_ms, started_ms, ended_ms = numbers
    return Batch(
        id=batch_id,
        kind=BatchKind(kind.decode()),
        params=decode_params(params),
        created_by=created_by.decode(),
        state=BatchState(state.decode()),
        total=total,
        ok=ok,
        fail=fail,
        skipped=skipped,
        more_failures=more_failures,
        created_at_s=created_ms / 1000,
        started_at_s=started_ms / 1000,
        ended_at_s=ended_ms / 1000,
    )


async def read_page(redis: RedisClient, cursor: str, limit: int) -> BatchPage:
    """Return up to `limit` batches behind `cursor`; one that is forgotten is left out."""
    limit = max(1, min(limit, MAX_PAGE))
    found = await reads.range_below(redis, keys.batch_index(), cursor, limit + 1)
    batches = [await read_batch(redis, BatchId(name)) for name, _ in found[:limit]]
    next_cursor = found[limit - 1][1] if len(found) > limit else ""
    return BatchPage([batch for batch in batches if batch is not None], next_cursor)


async def read_failures(
    redis: RedisClient, batch_id: BatchId, first: int, limit: int
) -> FailurePage:
    """Return up to `limit` failures from number `first` on, which counts from 0."""
    limit = max(1, min(limit, MAX_FAILURES_PAGE))
    found = await reads.list_range(redis, keys.batch_failures(batch_id), first, limit + 1)
    pairs = [entry.decode().partition(" ") for entry in found[:limit]]
    failures = [BatchFailure(AccountId(name), reason) for name, _, reason in pairs]
    return FailurePage(failures, str(first + limit) if len(found) > limit else "")


async def read_working(redis: RedisClient) -> list[BatchId]:
    """Return the batches that there is work for, in the order in which they started."""
    found = await reads.range_from(redis, keys.batch_running(), 0, MAX_PAGE)
    return [BatchId(name) for name in found]
