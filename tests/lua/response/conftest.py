"""Kept responses at a time that only the test moves."""

import msgspec
import pytest

from grok2api.domain.ids import ClientKeyId, ResponseId
from grok2api.domain.response import EventSlice, KeptResponse, ResponseState
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient
from grok2api.store.responses import Limits, ResponseStore
from tests.lua.conftest import NOW_MS

MINE, THEIRS = ClientKeyId("key_mine"), ClientKeyId("key_theirs")
ONE, TWO, THREE = ResponseId("resp_1"), ResponseId("resp_2"), ResponseId("resp_3")
LIMITS = Limits(keep_s=60.0, max_count=3, max_bytes=4000, replay_s=10.0)
LEASE_S = 5.0


def kept(response_id: ResponseId = ONE, owner: ClientKeyId = MINE, **facts: object) -> KeptResponse:
    """Return a response with sensible values."""
    response = KeptResponse(id=response_id, owner=owner, body=b"body", items=(b"item",))
    return msgspec.structs.replace(response, **facts)


def running(response_id: ResponseId = ONE) -> KeptResponse:
    return kept(response_id, state=ResponseState.IN_PROGRESS, is_background=True)


def events(first: int, last: int, **facts: bool) -> EventSlice:
    return EventSlice(first, last, f"{first}-{last}".encode(), **facts)


class ResponseMaker:
    """Shorthand for tests."""

    def __init__(self, store: ResponseStore) -> None:
        self.store = store

    async def save(self, *ids: ResponseId, limits: Limits = LIMITS) -> None:
        for response_id in ids:
            assert await self.store.save(kept(response_id), limits)
            self.wait(0.001)

    async def start(self, response_id: ResponseId = ONE) -> None:
        assert await self.store.save(running(response_id), LIMITS, lease_s=LEASE_S)

    async def append(self, told: EventSlice | None, response_id: ResponseId = ONE) -> bool:
        return await self.store.append(MINE, response_id, told, lease_s=LEASE_S)

    async def finish(self, told: EventSlice, response_id: ResponseId = ONE) -> bool:
        return await self.store.finish(kept(response_id, body=b"whole"), told, LIMITS)

    async def find(self, response_id: ResponseId = ONE) -> KeptResponse | None:
        return await self.store.find(MINE, response_id)

    async def states(self) -> dict[str, str]:
        found = [await self.find(name) for name in (ONE, TWO, THREE)]
        return {response.id: response.state.value for response in found if response}

    async def told(self, response_id: ResponseId = ONE) -> list[EventSlice]:
        return list((await self.store.read_events(MINE, response_id, ""))[1])

    def wait(self, seconds: float) -> None:
        self.store.now_ms += round(seconds * 1000)


@pytest.fixture
def responses(redis: RedisClient, cipher: SecretCipher) -> ResponseMaker:
    return ResponseMaker(ResponseStore(redis, cipher, now_ms=NOW_MS))
