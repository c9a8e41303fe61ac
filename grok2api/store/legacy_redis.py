"""Reads the accounts that an older version kept in a Redis. Nothing is written there."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

from redis.exceptions import ResponseError

from grok2api.errors import SettingsError
from grok2api.store.connection import RedisClient, open_redis
from grok2api.store.failure import STORE_ERRORS, explain_failure

MAX_KEYS: Final = 2_000_000
"""So many accounts are read at most: a scan ends, whatever the server answers."""

_PREFIX: Final = b"accounts:record:"
_SCANNED_AT_ONCE: Final = "500"
_CONNECTIONS: Final = 8
_TIMEOUT_S: Final = 10.0
_SCHEMES: Final = ("redis://", "rediss://", "unix://", "redis+sentinel://", "rediss+sentinel://")
_FIELDS: Final = (
    "token",
    "pool",
    "status",
    "tags",
    "created_at",
    "deleted_at",
    "state_reason",
    "ext",
)

Rows = list[dict[str, object]]


@asynccontextmanager
async def open_legacy_redis(url: str) -> AsyncIterator[AsyncIterator[Rows]]:
    """Connect to `url` and yield the accounts there in batches, as they stand.

    Raises:
        SettingsError: the URL cannot be used, or the server does not answer.
    """
    if not url.startswith(_SCHEMES):
        raise SettingsError(f"accounts are imported from a URL of {', '.join(_SCHEMES)} only")
    try:
        async with (
            open_redis(url, pool_size=_CONNECTIONS, timeout_s=_TIMEOUT_S) as redis,
            aclosing(_scan(redis)) as batches,
        ):
            yield batches
    except _LegacyReadError as error:
        raise SettingsError(f"the Redis to import from cannot be read ({error})") from None


class _LegacyReadError(Exception):
    """The other Redis failed; errors of our own store pass by."""


async def _scan(redis: RedisClient) -> AsyncGenerator[Rows, None]:
    cursor, seen = b"0", set[bytes]()
    while True:
        cursor, found = await _read(
            redis, "SCAN", cursor, "MATCH", _PREFIX + b"*", "COUNT", _SCANNED_AT_ONCE
        )
        fresh = [key for key in dict.fromkeys(found) if key not in seen]  # SCAN may repeat itself
        seen.update(fresh)
        if len(seen) > MAX_KEYS:
            raise SettingsError(f"the Redis to import from has more than {MAX_KEYS} accounts")
        if fresh:
            yield await _read_records(redis, fresh)
        if int(cursor) == 0:
            return


async def _read_records(redis: RedisClient, found: Sequence[bytes]) -> Rows:
    waiting = iter(enumerate(found))
    rows: Rows = [{} for _ in found]

    async def work() -> None:
        for at, key in waiting:
            rows[at] = await _read_record(redis, key)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(_CONNECTIONS):
                group.create_task(work())
    except* _LegacyReadError as failures:
        first = failures.exceptions[0]
        raise first from None
    return rows


async def _read_record(redis: RedisClient, key: bytes) -> dict[str, object]:
    """Return the fields of one account; none of a key that is not an account's."""
    values: list[bytes | None] | None = await _read(redis, "HMGET", key, *_FIELDS)
    if values is None:
        return {}
    record: dict[str, object] = {
        name: value.decode("utf-8", "replace")
        for name, value in zip(_FIELDS, values, strict=True)
        if value is not None
    }
    return {"token": key.removeprefix(_PREFIX).decode("utf-8", "replace"), **record}


async def _read(redis: RedisClient, command: str, *args: str | bytes) -> Any:
    try:
        return await redis.execute_command(command, *args)
    except STORE_ERRORS as error:
        if isinstance(error, ResponseError) and str(error).startswith("WRONGTYPE"):
            return None
        raise _LegacyReadError(explain_failure(error, command).detail) from error
