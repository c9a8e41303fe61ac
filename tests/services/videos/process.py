"""A process that works on video jobs until it is killed; its upstream is shared with the others."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from grok2api.domain.video import VideoMade, VideoPart, VideoPlan, VideoRequest, VideoStep
from grok2api.providers.session import UpstreamSession
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient, open_redis
from tests.services.videos.bench import ScriptedDownload, ScriptedUpstream, VideoBench

LEDGER: Final = "{g2a}:test:asked"
CLAIM_S: Final = 2.0
KEY: Final = b"k" * 32


class SharedUpstream(ScriptedUpstream):
    """Its ledger lies where no process can lose it."""

    redis: RedisClient

    @asynccontextmanager
    async def render(
        self,
        request: VideoRequest,
        plan: VideoPlan,
        parts: tuple[VideoPart, ...],
        session: UpstreamSession,
    ) -> AsyncIterator[AsyncIterator[list[VideoStep | VideoMade]]]:
        await self.redis.execute_command("RPUSH", LEDGER, request.prompt)
        async with super().render(request, plan, parts, session) as events:
            yield events

    async def pass_by(self, stage: str) -> None:
        await asyncio.sleep(random.uniform(0, 0.6))  # noqa: S311 - no secret

    @asynccontextmanager
    async def download(
        self, url: str, session: UpstreamSession, *, is_video: bool = False
    ) -> AsyncIterator[ScriptedDownload]:
        self.content[url] = url.encode() * 1000  # what any process began is made
        async with super().download(url, session, is_video=is_video) as opened:
            yield opened


async def main(url: str, folder: Path) -> None:
    async with open_redis(url, pool_size=16) as redis:
        upstream = SharedUpstream()
        upstream.redis = redis
        bench = VideoBench(
            redis, url, SecretCipher([KEY]), folder, upstream, concurrency=50, lease_ttl_s=3.0
        )
        async with bench.worker(claim_s=CLAIM_S, timeout_s=60.0):
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
