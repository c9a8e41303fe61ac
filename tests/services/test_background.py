"""Background responses while the store is away for a moment, and while the worker stops."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from grok2api.domain.ids import ClientKeyId, ResponseId
from grok2api.domain.response import EventSlice, KeptResponse, ResponseState
from grok2api.errors import GatewayError, ShuttingDownError
from grok2api.services.background import Background, Ending, Tell
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient
from grok2api.store.responses import Limits, ResponseStore

LIMITS = Limits(keep_s=60.0, max_count=10, max_bytes=100_000)
OWNER, NAME = ClientKeyId("key_1"), ResponseId("resp_1")
KEPT = KeptResponse(id=NAME, owner=OWNER, body=b"begun", state=ResponseState.IN_PROGRESS)
WAIT_S = 20.0


class Line:
    """A connection to the store that can be cut."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self.is_cut = False
        self.failures = 0

    async def execute_command(self, *args: str | bytes | float) -> Any:
        if self.is_cut:
            self.failures += 1
            raise RedisConnectionError("cut")
        return await self._redis.execute_command(*args)

    async def aclose(self) -> None:
        pass


class Work:
    """Says a word, waits, says another."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.has_stopped = asyncio.Event()

    async def produce(self, tell: Tell) -> Ending:
        try:
            tell(EventSlice(0, 1, b"a"))
            await self.go_on.wait()
            tell(EventSlice(2, 2, b"b"))
            return Ending(ResponseState.COMPLETED, b"whole", EventSlice(3, 3, b"c"))
        finally:
            self.has_stopped.set()

    def fail(self, error: GatewayError) -> Ending:
        return Ending(ResponseState.FAILED, error.kind.value.encode(), EventSlice(9, 9, b"f"))


@pytest.fixture
def line(redis: RedisClient) -> Line:
    return Line(redis)


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
async def background(line: Line, cipher: SecretCipher) -> AsyncIterator[Background]:
    async with Background(ResponseStore(line, cipher), LIMITS, max_running=1) as running:
        yield running


@pytest.fixture
def store(redis: RedisClient, cipher: SecretCipher) -> ResponseStore:
    return ResponseStore(redis, cipher)


async def until(is_true: Any) -> None:
    async with asyncio.timeout(WAIT_S):
        while not is_true():  # noqa: ASYNC110 - the store has no event to wait for
            await asyncio.sleep(0.01)


async def told(store: ResponseStore) -> bytes:
    return b"".join(s.data for s in (await store.read_events(OWNER, NAME, ""))[1])


async def state_of(store: ResponseStore) -> tuple[str, bytes]:
    found = await store.find(OWNER, NAME)
    assert found is not None
    return found.state.value, found.body


async def test_nothing_is_lost_while_the_store_is_away(
    background: Background, line: Line, work: Work, store: ResponseStore
) -> None:
    await background.start(KEPT, work.produce, work.fail)
    line.is_cut = True
    await until(lambda: line.failures >= 2)
    line.is_cut = False
    work.go_on.set()
    await until(lambda: background.running == 0)

    assert await told(store) == b"abc"
    assert await state_of(store) == ("completed", b"whole")


async def test_an_end_is_told_once_the_store_is_back(
    background: Background, line: Line, work: Work, store: ResponseStore
) -> None:
    await background.start(KEPT, work.produce, work.fail)
    line.is_cut = True
    work.go_on.set()
    await work.has_stopped.wait()
    await until(lambda: line.failures >= 2)
    line.is_cut = False
    await until(lambda: background.running == 0)

    assert await told(store) == b"abc"
    assert await state_of(store) == ("completed", b"whole")


async def test_a_worker_that_stops_begins_nothing_and_fails_what_is_late(
    background: Background, work: Work, store: ResponseStore
) -> None:
    await background.start(KEPT, work.produce, work.fail)

    await background.close(0.01)

    assert work.has_stopped.is_set()
    assert await state_of(store) == ("failed", b"shutting_down")
    assert await told(store) == b"af"
    with pytest.raises(ShuttingDownError):
        await background.start(KEPT, work.produce, work.fail)
