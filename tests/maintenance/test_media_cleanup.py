"""The jobs that hold limits of media and reconcile their index."""

from pathlib import Path

import pytest

from grok2api.config.media import CacheSettings, LocalCacheSettings
from grok2api.config.schema import Settings
from grok2api.domain.media import MediaKind
from grok2api.maintenance.jobs.media_cleanup import build_media_jobs
from grok2api.maintenance.leader import LeadershipLostError
from grok2api.services.cleanup import Cleanup
from grok2api.services.media import build_media_library
from grok2api.services.media_upkeep import build_media_upkeep
from grok2api.store.connection import RedisClient
from grok2api.store.leader import Elected, LeaderStore

SETTINGS = Settings(
    cache=CacheSettings(
        local=LocalCacheSettings(image_max_mb=1, clean_interval_s=7, reconcile_interval_s=77)
    )
)


async def lead(redis: RedisClient, owner: str) -> int:
    leaders = LeaderStore(redis)
    await leaders.resign("me")
    reply = await leaders.campaign(owner, ttl_s=10)
    assert isinstance(reply, Elected)
    return reply.epoch


async def test_jobs_hold_limits_and_notice_lost_bytes(redis: RedisClient, tmp_path: Path) -> None:
    upkeep = build_media_upkeep(redis, tmp_path, SETTINGS)
    cleanup_job, reconcile_job = build_media_jobs(upkeep, SETTINGS.cache.local)
    async with Cleanup() as cleanup:
        library = build_media_library(redis, tmp_path, SETTINGS, cleanup)
        for number in range(6):
            await library.put(MediaKind.IMAGE, bytes([number]) * 200_000, "image/png")
    epoch = await lead(redis, "me")

    await cleanup_job.run(epoch)

    assert (await library.usage())[0].count == 3
    for path in (tmp_path / "media" / "image").rglob("*.png"):
        path.unlink()
    await reconcile_job.run(epoch)
    assert (await library.usage())[0].count == 0
    assert (cleanup_job.interval_s, reconcile_job.interval_s) == (7, 77)


async def test_replaced_leader_learns_of_it(redis: RedisClient, tmp_path: Path) -> None:
    jobs = build_media_jobs(build_media_upkeep(redis, tmp_path, SETTINGS), SETTINGS.cache.local)
    epoch = await lead(redis, "me")
    await lead(redis, "other")

    for job in jobs:
        with pytest.raises(LeadershipLostError):
            await job.run(epoch)
