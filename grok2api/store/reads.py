"""The read commands allowed outside scripts. They change nothing and never walk a whole key."""

from collections.abc import Sequence
from typing import Any, Final

from grok2api.store.connection import RedisClient
from grok2api.store.failure import STORE_ERRORS, explain_failure

_MARGIN: Final = 64
"""Members that may come or go between two reads of one page."""


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


async def sorted_length(redis: RedisClient, key: str) -> int:
    """Return how many members a sorted set has."""
    found: int = await _read(redis, "ZCARD", key)
    return found


async def hash_all(redis: RedisClient, key: str) -> dict[str, bytes]:
    """Return a whole hash, one that is known to be small."""
    found: dict[bytes, bytes] = await _read(redis, "HGETALL", key)
    return {name.decode(): value for name, value in found.items()}


async def hash_some(redis: RedisClient, key: str, count: int) -> dict[str, bytes]:
    """Return about `count` fields of a hash and their values; all of a small one."""
    _, found = await _read(redis, "HSCAN", key, "0", "COUNT", str(count))
    return {name.decode(): value for name, value in found.items()}


async def hash_page(
    redis: RedisClient, key: str, cursor: str, count: int
) -> tuple[str, dict[str, bytes]]:
    """Return about `count` fields of a hash from `cursor` on, and the next cursor.

    It begins and ends with "0". A field that stays comes at least once, and rarely twice.
    """
    following, found = await _read(redis, "HSCAN", key, cursor, "COUNT", str(count))
    return str(int(following)), {name.decode(): value for name, value in found.items()}


async def count_between(redis: RedisClient, key: str, least: int, below: int) -> int:
    """Return how many members of a sorted set have a score from `least` to below `below`."""
    found: int = await _read(redis, "ZCOUNT", key, str(least), f"({below}")
    return found


async def page_of_scores(
    redis: RedisClient, key: str, cursor: str, limit: int, *, is_reversed: bool = False
) -> list[tuple[str, float]]:
    """Return up to `limit` members and scores of a sorted set behind `cursor`, "score:member".

    A cursor whose member is gone goes on where it stood, also among members of the same score.
    Members that come and go meanwhile move no other out of the pages or into two of them.
    """
    rank = 0
    if cursor:
        rank = await _rank_behind(redis, key, cursor, is_reversed=is_reversed)
    # The rank may have moved since it was asked for: read more, and drop what is not behind.
    first, last = max(0, rank - _MARGIN), rank + limit + _MARGIN
    order = ("REV",) if is_reversed else ()
    raw = await _read(redis, "ZRANGE", key, str(first), str(last), *order, "WITHSCORES")
    pairs = [(float(raw[at + 1]), bytes(raw[at])) for at in range(0, len(raw), 2)]
    if cursor:
        score, _, member = cursor.partition(":")
        mark = (float(score), member.encode())
        pairs = [pair for pair in pairs if (pair < mark if is_reversed else pair > mark)]
    return [(member.decode(), score) for score, member in pairs[:limit]]


async def _rank_behind(redis: RedisClient, key: str, cursor: str, *, is_reversed: bool) -> int:
    """Return the rank of the first member behind a cursor, in a few reads where that is gone."""
    score, _, member = cursor.partition(":")
    found = await _read(redis, "ZREVRANK" if is_reversed else "ZRANK", key, member)
    if found is not None:
        return int(found) + 1
    bounds = (f"({score}", "+inf") if is_reversed else ("-inf", f"({score}")
    low = int(await _read(redis, "ZCOUNT", key, *bounds))
    high = low + int(await _read(redis, "ZCOUNT", key, score, score))
    command = "ZREVRANGE" if is_reversed else "ZRANGE"
    while low < high:
        middle = (low + high) // 2
        raw = await _read(redis, command, key, str(middle), str(middle))
        if raw and (raw[0] > member.encode()) == is_reversed:
            low = middle + 1
        else:
            high = middle
    return low


async def range_after(redis: RedisClient, key: str, after: str, limit: int) -> list[str]:
    """Return up to `limit` members behind `after`, of a sorted set whose scores are equal."""
    first = f"({after}" if after else "-"
    found: list[bytes] = await _read(
        redis, "ZRANGEBYLEX", key, first, "+", "LIMIT", "0", str(limit)
    )
    return [member.decode() for member in found]


async def range_of_prefix(
    redis: RedisClient, key: str, prefix: str, after: str, limit: int, *, is_reversed: bool = False
) -> list[str]:
    """Return up to `limit` members that begin with `prefix`, of a set whose scores are equal.

    They come in the order of their letters, or in reverse; those behind the member `after`, or
    from the first on if that is "".
    """
    lowest, highest = f"[{prefix}", f"({prefix}\x7f"
    if is_reversed:
        bounds = (f"({after}" if after else highest, lowest)
    else:
        bounds = (f"({after}" if after else lowest, highest)
    command = "ZREVRANGEBYLEX" if is_reversed else "ZRANGEBYLEX"
    found: list[bytes] = await _read(redis, command, key, *bounds, "LIMIT", "0", str(limit))
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


async def stream_backwards(
    redis: RedisClient, key: str, position: str, limit: int, *, end: str = "-"
) -> list[tuple[str, dict[str, bytes]]]:
    """Return up to `limit` entries of a stream before `position`, the newest first.

    "" is behind its last; `end` is the oldest that counts.
    """
    first = f"({position}" if position else "+"
    raw = await _read(redis, "XREVRANGE", key, first, end, "COUNT", str(limit))
    return [
        (entry_id.decode(), {name.decode(): value for name, value in fields.items()})
        for entry_id, fields in raw
    ]


async def stream_entry(redis: RedisClient, key: str, position: str) -> dict[str, bytes] | None:
    """Return the entry of a stream at `position`."""
    raw = await _read(redis, "XRANGE", key, position, position)
    return {name.decode(): value for name, value in raw[0][1].items()} if raw else None


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
