"""Kept media without bytes, at a time that only the test moves."""

import pytest

from grok2api.domain.ids import MediaId
from grok2api.domain.media import MediaKind, MediaPlace, StoredMedia, build_place
from grok2api.store.connection import RedisClient
from grok2api.store.leader import Elected, LeaderStore
from grok2api.store.media import MediaIndex
from grok2api.store.media_replies import Reserved, StaleEpoch
from grok2api.store.media_upkeep import MediaUpkeepIndex, Sighting
from tests.lua.conftest import NOW_MS

IMAGE, VIDEO = MediaKind.IMAGE, MediaKind.VIDEO
PNG = "image/png"
WRITE_S = 100.0
AGAIN_S = 60.0
"""After so long the leader is told once more what is to be removed."""


def id_of(name: str) -> MediaId:
    """Return an id that begins with a digit."""
    return MediaId(name.rjust(32, "0"))


def place_of(name: str, copy: int = 1, kind: MediaKind = IMAGE) -> str:
    return build_place(kind, id_of(name), PNG, f"{copy:08x}")


def sighting(name: str, copy: int = 1, size: int = 10) -> Sighting:
    facts = MediaPlace(IMAGE, id_of(name), PNG)
    return Sighting(place_of(name, copy), facts, size, NOW_MS / 1000 - 1000)


class MediaMaker:
    """Shorthand for tests: objects are named by letters, copies of the same content by numbers."""

    def __init__(self, redis: RedisClient) -> None:
        self.index = MediaIndex(redis, now_ms=NOW_MS)
        self.upkeep = MediaUpkeepIndex(redis, now_ms=NOW_MS)
        self.epoch = 0
        self.is_done = False
        self._leaders = LeaderStore(redis, now_ms=NOW_MS)

    async def elect(self, owner: str) -> int:
        reply = await self._leaders.campaign(owner, ttl_s=10)
        self._leaders.now_ms += 10_000
        assert isinstance(reply, Elected)
        self.epoch = reply.epoch
        return reply.epoch

    async def reserve(
        self, name: str, copy: int = 1, *, size: int = 10, limit: int | None = None
    ) -> object:
        return await self.index.reserve(
            IMAGE,
            id_of(name),
            place_of(name, copy),
            size_bytes=size,
            limit_bytes=limit,
            write_s=WRITE_S,
        )

    async def keep(self, name: str, copy: int = 1) -> StoredMedia | None:
        return await self.index.keep(IMAGE, id_of(name), place_of(name, copy), PNG)

    async def put(self, *names: str, size: int = 10) -> None:
        """Keep objects that must be new; the time moves on by a millisecond for each."""
        for name in names:
            assert await self.reserve(name, size=size) == Reserved()
            kept = await self.keep(name)
            assert kept is not None
            assert kept.place == place_of(name)
            self.wait(0.001)

    async def find(self, name: str) -> StoredMedia | None:
        return await self.index.find(IMAGE, id_of(name))

    async def names(self) -> list[str]:
        """Return what is kept, the newest first."""
        page = await self.index.list(IMAGE, skip=0, limit=100)
        return [item.id.lstrip("0") for item in page.items]

    async def numbers(self) -> tuple[int, int, int]:
        """Return how many objects there are, their bytes, and the bytes that come."""
        usage = await self.index.usage(IMAGE)
        return usage.count, usage.bytes, usage.reserved

    async def ended(self, epoch: int | None = None) -> list[str]:
        """Return what the leader has to remove now."""
        epoch = self.epoch if epoch is None else epoch
        found = await self.upkeep.take_ended(IMAGE, most=100, epoch=epoch)
        assert not isinstance(found, StaleEpoch)
        return sorted(found)

    async def evict(
        self, limit: int | None, target: int, *, idle_s: float = 0.0, most: int = 100
    ) -> object:
        """Return the places of what goes; `is_done` is kept."""
        reply = await self.index.evict(
            IMAGE,
            limit_bytes=limit,
            target_bytes=target,
            idle_s=idle_s,
            most=most,
            epoch=self.epoch,
        )
        if isinstance(reply, StaleEpoch):
            return reply
        self.is_done = reply.is_done
        return reply.places

    def wait(self, seconds: float) -> None:
        self.index.now_ms += round(seconds * 1000)
        self.upkeep.now_ms = self.index.now_ms


@pytest.fixture
async def media(redis: RedisClient) -> MediaMaker:
    maker = MediaMaker(redis)
    await maker.elect("first")
    return maker
