"""Finished requests are settled once each, whatever happens to the store meanwhile."""

import asyncio
import random
from typing import Any

import msgspec
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from grok2api.domain.statistics import Dimension
from grok2api.domain.usage import FinishedRequest
from grok2api.services import usage as usage_module
from grok2api.services.backlog import Backlog
from grok2api.services.usage import MAX_WAITING, UsageRecorder
from grok2api.store import usage_keys
from grok2api.store.connection import RedisClient
from grok2api.store.request_log import RequestLogStore
from grok2api.store.usage import UsageLimits, UsageStore

pytestmark = pytest.mark.timeout(60)
NOW_MS = 1_800_000_000_000


def request(number: int, **facts: Any) -> FinishedRequest:
    finished = FinishedRequest(id=f"req_{number}", at_s=1.0, route="/v1/messages", status=200)
    return msgspec.structs.replace(finished, **facts)


class LossyRedis:
    """A store behind a line that breaks: before a script runs, or before its reply comes."""

    def __init__(self, redis: RedisClient, share: float) -> None:
        self._redis = redis
        self._chance = random.Random(7)  # noqa: S311 -- no secret
        self.share = share

    async def execute_command(self, *args: str | bytes | float) -> Any:
        if self._chance.random() < self.share:
            raise RedisConnectionError("lost on the way")
        reply = await self._redis.execute_command(*args)
        if self._chance.random() < self.share:
            raise RedisConnectionError("lost on the way back")
        return reply

    async def aclose(self) -> None:
        """Nothing of its own is open."""


def store_at(redis: RedisClient) -> UsageStore:
    return UsageStore(redis, UsageLimits(), now_ms=NOW_MS)


async def count(redis: RedisClient) -> int:
    store = store_at(redis)
    found = await store.of_hour(Dimension.STATUS, await store.read_hour())
    return sum(usage.requests for usage in found.values())


async def test_every_request_counts_once_on_a_line_that_breaks(
    redis: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_module, "_PAUSE_S", 0.0)
    lossy = LossyRedis(redis, 0.3)

    async with (
        UsageRecorder(store_at(lossy)) as one,
        UsageRecorder(store_at(lossy)) as two,
    ):
        for number in range(600):
            (one if number % 3 else two).record(request(number))
            if number % 7 == 0:
                await asyncio.sleep(0)

    assert await count(redis) == 600
    logged = await redis.execute_command("XRANGE", usage_keys.usage_log(), "-", "+")
    assert {fields[b"id"].decode() for _, fields in logged} == {f"req_{n}" for n in range(600)}
    assert len(logged) == 600
    assert (one.dropped, two.dropped) == (0, 0)


async def test_what_waits_is_settled_at_the_end_at_whatever_moment_it_comes(
    redis: RedisClient,
) -> None:
    for turns in range(40):
        async with UsageRecorder(store_at(redis)) as recorder:
            recorder.record(request(turns, call_id="call_x"))
            for _ in range(turns % 13):
                await asyncio.sleep(0)

    assert await count(redis) == 40


class SlowRedis:
    """A store that answers when `may_answer` is set; `asked` counts what it was asked."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self.may_answer = asyncio.Event()
        self.asked = 0

    async def execute_command(self, *args: str | bytes | float) -> Any:
        self.asked += 1
        await self.may_answer.wait()
        return await self._redis.execute_command(*args)

    async def aclose(self) -> None:
        """Nothing of its own is open."""


async def logged(redis: RedisClient) -> int:
    length: int = await redis.execute_command("XLEN", usage_keys.usage_log())
    return length


async def test_nothing_waits_but_for_the_batch_under_way(redis: RedisClient) -> None:
    slow = SlowRedis(redis)
    await store_at(redis).settle([request(0)], recorder="w", batch=1)  # the script is loaded
    async with UsageRecorder(store_at(slow)) as recorder:
        recorder.record(request(1))
        for _ in range(3):
            await asyncio.sleep(0)
        assert slow.asked == 1

        for number in range(2, 22):
            recorder.record(request(number))
        slow.may_answer.set()
        while await logged(redis) < 22:  # noqa: ASYNC110 -- the store has no event to wait for
            await asyncio.sleep(0)

        # The first one is told the right hour, and asks again; then all others go together.
        assert slow.asked == 3


async def test_what_is_too_much_is_dropped_counted_and_told(redis: RedisClient) -> None:
    with capture_logs() as logs:
        async with UsageRecorder(store_at(redis)) as recorder:
            for number in range(MAX_WAITING + 5):
                recorder.record(request(number))

    assert recorder.dropped == 5
    assert await count(redis) == MAX_WAITING
    assert [(line["event"], line.get("dropped")) for line in logs] == [
        ("backlog_full", None),
        ("backlog_dropped", 5),
    ]


async def test_store_that_is_gone_does_not_hold_up_the_end(
    redis: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_module, "_FLUSH_S", 0.1)
    gone = LossyRedis(redis, 1.0)

    with capture_logs() as logs:
        async with UsageRecorder(store_at(gone)) as recorder:
            for number in range(40):
                recorder.record(request(number))

    assert recorder.dropped == 40
    assert logs[-1] == {"event": "usage_lost", "log_level": "error", "requests": 40}


async def test_what_clients_wrote_is_cut_and_holds_no_secret(redis: RedisClient) -> None:
    secret = "sk-abcdefghijklmnop1234567890"
    async with UsageRecorder(store_at(redis)) as recorder:
        recorder.record(
            request(
                1, agent=f"curl Bearer {secret}", requested=f"{secret}{'x' * 900}", code="c" * 999
            )
        )

    ((_, fields),) = await redis.execute_command("XRANGE", usage_keys.usage_log(), "-", "+")
    assert b"abcdefgh" not in fields[b"record"]
    assert len(fields[b"record"]) < 500


async def test_what_clients_wrote_moves_no_cursor(redis: RedisClient) -> None:
    async with UsageRecorder(store_at(redis)) as recorder:
        recorder.record(request(1, agent="a\x9b2J", requested="b\x1b[2J\nc\u202e"))

    found = await RequestLogStore(redis).find("req_1")
    assert found is not None
    assert (found.finished.agent, found.finished.requested) == ("a�2J", "b�[2J�c�")


async def test_item_after_a_silence_and_urgent_ones_do_not_wait_for_more() -> None:
    backlog: Backlog[int] = Backlog("x", most=9, at_once=4, every_s=3600)
    backlog.put(0)

    assert await backlog.take() == [0]

    backlog.put(1)
    backlog.put(2, is_urgent=True)

    assert await backlog.take() == [1, 2]

    for number in range(9):
        backlog.put(number)
    assert [await backlog.take(), await backlog.take()] == [[0, 1, 2, 3], [4, 5, 6, 7]]
