"""The read commands allowed outside scripts. They change nothing and never walk a whole key."""

from collections.abc import Sequence
from typing import Any

from grok2api.store.connection import RedisClient
from grok2api.store.failure import STORE_ERRORS, explain_failure


async def hash_get(redis: RedisClient, key: str, field: str) -> bytes | None:
    """Return one field of a hash."""
    found: bytes | None = await _read(redis, "HGET", key, field)
    return found


async def hash_get_many(redis: RedisClient, key: str, fields: Sequence[str]) -> list[bytes | None]:
    """Return some fields of a hash, in the order asked for."""
    found: list[bytes | None] = await _read(redis, "HMGET", key, *fields)
    return found


async def hash_length(redis: RedisClient, key: str) -> int:
    """Return how many fields a hash has."""
    found: int = await _read(redis, "HLEN", key)
    return found


async def hash_all(redis: RedisClient, key: str) -> dict[str, bytes]:
    """Return a whole hash, one that is known to be small."""
    found: dict[bytes, bytes] = await _read(redis, "HGETALL", key)
    return {name.decode(): value for name, value in found.items()}


async def hash_some(redis: RedisClient, key: str, count: int) -> dict[str, bytes]:
    """Return about `count` fields of a hash and their values; all of a small one."""
    _, found = await _read(redis, "HSCAN", key, "0", "COUNT", str(count))
    return {name.decode(): value for name, value in found.items()}


async def count_between(redis: RedisClient, key: str, least: int, below: int) -> int:
    """Return how many members of a sorted set have a score from `least` to below `below`."""
    found: int = await _read(redis, "ZCOUNT", key, str(least), f"({below}")
    return found


async def page_of_scores(
    redis: RedisClient, key: str, cursor: str, limit: int, *, is_reversed: bool = False
) -> list[tuple[str, float]]:
    """Return up to `limit` members and scores of a sorted set behind `cursor`, "score:member".

    A cursor whose member is gone goes on at its score, where members that were seen come again.
    """
    rank = 0
    if cursor:
        score, _, member = cursor.partition(":")
        found = await _read(redis, "ZREVRANK" if is_reversed else "ZRANK", key, member)
        bounds = (f"({score}", "+inf") if is_reversed else ("-inf", f"({score}")
        rank = await _read(redis, "ZCOUNT", key, *bounds) if found is None else int(found) + 1
    order = ("REV",) if is_reversed else ()
    raw = await _read(redis, "ZRANGE", key, str(rank), str(rank + limit - 1), *order, "WITHSCORES")
    return [(raw[at].decode(), float(raw[at + 1])) for at in range(0, len(raw), 2)]


async def range_after(redis: RedisClient, key: str, after: str, limit: int) -> list[str]:
    """Return up to `limit` members behind `after`, of a sorted set whose scores are equal."""
    first = f"({after}" if after else "-"
    found: list[bytes] = await _read(
        redis, "ZRANGEBYLEX", key, first, "+", "LIMIT", "0", str(limit)
    )
    return [member.decode() for member in found]


async def stream_after(
    redis: RedisClient, key: str, position: str, *, wait_ms: int
) -> list[tuple[str, dict[str, str]]]:
    """Return up to 1000 entries of a stream behind `position`, waiting for the first of them."""
    raw = await _read(
        redis, "XREAD", "COUNT", "1000", "BLOCK", str(wait_ms), "STREAMS", key, position
    )
    entries = raw[0][1] if raw else []
    return [
        (entry_id.decode(), {name.decode(): value.decode() for name, value in fields.items()})
        for entry_id, fields in entries
    ]


async def stream_range(
    redis: RedisClient, key: str, position: str, limit: int
) -> list[tuple[str, dict[str, bytes]]]:
    """Return up to `limit` entries of a stream behind `position`, "" for its beginning."""
    first = f"({position}" if position else "-"
    raw = await _read(redis, "XRANGE", key, first, "+", "COUNT", str(limit))
    return [
        (entry_id.decode(), {name.decode(): value for name, value in fields.items()})
        for entry_id, fields in raw
    ]


async def range_below(
    redis: RedisClient, key: str, below: str, limit: int
) -> list[tuple[str, str]]:
    """Return up to `limit` members of a sorted set and their scores, the highest first.

    `below` is a score that is not reached any more; "" is above all.
    """
    highest = f"({below}" if below else "+inf"
    found: list[bytes] = await _read(
        redis, "ZREVRANGEBYSCORE", key, highest, "-inf", "WITHSCORES", "LIMIT", "0", str(limit)
    )
    words = [word.decode() for word in found]
    return list(zip(words[::2], words[1::2], strict=True))


async def range_from(redis: RedisClient, key: str, first: int, limit: int) -> list[str]:
    """Return up to `limit` members of a sorted set from place `first` on, the lowest first."""
    found: list[bytes] = await _read(redis, "ZRANGE", key, str(first), str(first + limit - 1))
    return [member.decode() for member in found]


async def list_range(redis: RedisClient, key: str, first: int, limit: int) -> list[bytes]:
    """Return up to `limit` entries of a list from place `first` on."""
    found: list[bytes] = await _read(redis, "LRANGE", key, str(first), str(first + limit - 1))
    return found


async def server_time_ms(redis: RedisClient) -> int:
    """Return the server's time in ms since epoch."""
    seconds, microseconds = await _read(redis, "TIME")
    return int(seconds) * 1000 + int(microseconds) // 1000


async def _read(redis: RedisClient, command: str, *args: str) -> Any:
    try:
        return await redis.execute_command(command, *args)
    except STORE_ERRORS as error:
        raise explain_failure(error, command) from error
