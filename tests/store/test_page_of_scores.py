"""Pages of a sorted set: whole and without repetition, whatever happens between two reads."""

from collections.abc import Sequence
from typing import Any, cast

import pytest

from grok2api.store.connection import RedisClient
from grok2api.store.reads import page_of_scores

KEY = "{g2a}:test:page"
NAMES = [f"m{number:03}" for number in range(200)]


class Meddler:
    """Passes commands on; after the first question for a rank it runs `changes`."""

    def __init__(self, redis: RedisClient, changes: Sequence[tuple[str, ...]]) -> None:
        self._redis = redis
        self._changes = tuple(changes)

    async def execute_command(self, *words: Any) -> Any:
        answer = await self._redis.execute_command(*words)
        if words[0] in {"ZRANK", "ZREVRANK"}:
            for change in self._changes:
                await self._redis.execute_command(*change)
            self._changes = ()
        return answer


@pytest.fixture
async def full(redis: RedisClient) -> RedisClient:
    """Half of the members have one score, the other half one each."""
    words = [word for at, name in enumerate(NAMES) for word in (str(7 if at < 100 else at), name)]
    await redis.execute_command("ZADD", KEY, *words)
    return redis


async def page(redis: Any, cursor: str, limit: int, *, is_reversed: bool) -> list[str]:
    found = await page_of_scores(
        cast("RedisClient", redis), KEY, cursor, limit, is_reversed=is_reversed
    )
    return [member for member, _ in found]


def cursor_at(at: int) -> str:
    return f"{7 if at < 100 else at}:{NAMES[at]}"


@pytest.mark.parametrize("is_reversed", [False, True])
@pytest.mark.parametrize("at", [0, 1, 50, 98, 99, 100, 150, 198, 199])
@pytest.mark.parametrize("is_gone", [False, True])
async def test_page_begins_right_behind_its_cursor(
    full: RedisClient, at: int, *, is_reversed: bool, is_gone: bool
) -> None:
    if is_gone:
        await full.execute_command("ZREM", KEY, NAMES[at])

    found = await page(full, cursor_at(at), 30, is_reversed=is_reversed)

    rest = NAMES[:at][::-1] if is_reversed else NAMES[at + 1 :]
    assert found == rest[:30]


@pytest.mark.parametrize("is_reversed", [False, True])
@pytest.mark.parametrize("at", [50, 150])
async def test_members_that_come_and_go_between_two_reads_move_no_other(
    full: RedisClient, at: int, *, is_reversed: bool
) -> None:
    seen = NAMES[at:] if is_reversed else NAMES[: at + 1]
    score = "900" if is_reversed else "1"
    leaving = [("ZREM", KEY, name) for name in seen[10:30]]
    coming = [("ZADD", KEY, score, f"new{number}") for number in range(40)]
    rest = NAMES[:at][::-1] if is_reversed else NAMES[at + 1 :]

    fewer = await page(Meddler(full, leaving), cursor_at(at), 30, is_reversed=is_reversed)
    more = await page(Meddler(full, coming), cursor_at(at), 30, is_reversed=is_reversed)

    assert fewer == rest[:30]
    assert more == rest[:30]
