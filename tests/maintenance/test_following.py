"""Maintenance works by the settings in force, and by none while it does not know them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from grok2api.config.schema import Settings
from grok2api.config.sources import Sources
from grok2api.errors import SettingsError
from grok2api.maintenance.following import FollowingRunner
from grok2api.maintenance.leader import Leader
from grok2api.maintenance.runner import Job, Runner
from grok2api.services.settings_watch import SettingsWatch
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient
from grok2api.store.leader import LeaderStore
from grok2api.store.settings import SettingsStore

pytestmark = pytest.mark.timeout(60)


class Bench:
    """A maintenance process whose one job notes the settings that it works by."""

    def __init__(self, redis: RedisClient, cipher: SecretCipher) -> None:
        self._redis = redis
        self.store = SettingsStore(redis, cipher)
        self.watch = SettingsWatch(self.store, Sources(), Settings())
        self.worked: asyncio.Queue[int] = asyncio.Queue()
        self.broken = asyncio.Event()
        self.is_mended = True

    def build_runner(self, settings: Settings) -> Runner:
        async def work(_: int) -> None:
            self.worked.put_nowait(settings.retry.max_attempts)
            await asyncio.Event().wait()

        if not self.is_mended:
            self.broken.set()
            raise SettingsError("no")
        return Runner(Leader(LeaderStore(self._redis), ttl_s=60), [Job("job", 60.0, work)])

    async def put(self, attempts: int) -> None:
        values = {"retry.max_attempts": attempts}
        await self.store.save(values, await self.store.revision(), by="x", changed=values.keys())


@pytest.fixture
def bench(redis: RedisClient, cipher: SecretCipher) -> Bench:
    return Bench(redis, cipher)


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[None]:
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        task = group.create_task(FollowingRunner(bench.watch, bench.build_runner).run())
        yield
        task.cancel()


async def test_jobs_begin_anew_with_changed_settings(bench: Bench) -> None:
    await bench.watch.begin()
    async with running(bench):
        assert await bench.worked.get() == 3
        await bench.put(7)
        assert await bench.worked.get() == 7


async def test_jobs_that_cannot_be_built_change_nothing_and_are_tried_again(bench: Bench) -> None:
    await bench.watch.begin()
    async with running(bench):
        assert await bench.worked.get() == 3
        bench.is_mended = False
        await bench.put(7)
        await bench.broken.wait()
        assert bench.watch.settings.retry.max_attempts == 3
        bench.is_mended = True
        assert await bench.worked.get() == 7


async def test_nothing_is_done_before_the_settings_are_known(bench: Bench) -> None:
    await bench.put(7)

    async with running(bench):  # without `begin`, as where the store was away
        assert await bench.worked.get() == 7
