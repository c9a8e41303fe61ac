"""Batches with a leader that may work on them, at a time that only the test moves."""

import pytest

from grok2api.domain.batch import BatchKind, BatchParams
from grok2api.domain.ids import AccountId, BatchId
from grok2api.store.batch_replies import Added, Created, Started
from grok2api.store.batch_results import BatchResults
from grok2api.store.batches import BatchStore, Claimed
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient
from grok2api.store.leader import Elected, LeaderStore
from tests.lua.conftest import NOW_MS

KEEP_S = 3600.0
ONE = BatchId("bat_1")


class BatchMaker:
    """Shorthand for tests: batches and claims with sensible values."""

    def __init__(self, store: BatchStore, redis: RedisClient) -> None:
        self.store = store
        self.epoch = 0
        self.results = BatchResults(redis, SecretCipher([b"k" * 32]))
        self._leaders = LeaderStore(redis, now_ms=NOW_MS)

    async def elect(self, owner: str) -> int:
        """Make `owner` lead, after the lease of whoever led; return its epoch."""
        reply = await self._leaders.campaign(owner, ttl_s=10)
        self._leaders.now_ms += 10_000
        assert isinstance(reply, Elected)
        self.epoch = reply.epoch
        return reply.epoch

    async def open(self, batch_id: BatchId = ONE, *items: str) -> None:
        reply = await self.store.create(
            batch_id, BatchKind.DELETE, BatchParams(), created_by="admin", keep_s=KEEP_S
        )
        assert reply == Created()
        if items:
            added = await self.store.add(batch_id, [AccountId(item) for item in items])
            assert isinstance(added, Added)

    async def start(self, batch_id: BatchId, *items: str) -> None:
        await self.open(batch_id, *items)
        assert await self.store.start(batch_id) == Started()

    async def take(
        self,
        batch_id: BatchId = ONE,
        *,
        limit: int = 10,
        claimer: str = "me",
        ttl_s: float = 60.0,
    ) -> list[AccountId]:
        """Take items that must be given, in alphabetical order."""
        reply = await self.store.take(batch_id, claimer, limit=limit, ttl_s=ttl_s, epoch=self.epoch)
        assert isinstance(reply, Claimed), reply
        return sorted(reply.items)

    async def finish(self, *items: str, batch_id: BatchId = ONE, why: str = "") -> object:
        return await self.store.finish(
            batch_id, {AccountId(item): why for item in items}, epoch=self.epoch
        )

    async def keep(self, item: str, result: bytes = b"{}", *, batch_id: BatchId = ONE) -> bool:
        return await self.results.keep(batch_id, AccountId(item), result, epoch=self.epoch)

    async def kept(self, batch_id: BatchId = ONE) -> dict[AccountId, bytes]:
        """Return what is kept of a batch that is small enough for one page."""
        page = await self.results.page(batch_id)
        assert page.next_cursor == ""
        return page.results

    async def numbers(self, batch_id: BatchId = ONE) -> tuple[str, int, int, int, int]:
        """Return state, total, ok, fail and skipped."""
        batch = await self.store.find(batch_id)
        assert batch is not None
        return batch.state.value, batch.total, batch.ok, batch.fail, batch.skipped


@pytest.fixture
async def batches(redis: RedisClient) -> BatchMaker:
    maker = BatchMaker(BatchStore(redis, now_ms=NOW_MS), redis)
    await maker.elect("first")
    return maker
