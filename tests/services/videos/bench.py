"""Video jobs on a real store and a real media library, before an upstream that plays a script."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import msgspec
from redis.exceptions import ConnectionError as RedisConnectionError

from grok2api.clock import SystemClock
from grok2api.config.accounts import SelectionSettings
from grok2api.config.media import LocalCacheSettings, MediaSettings, VideoSettings
from grok2api.config.schema import AccountSettings, ChatSettings, FileSettings, RetrySettings
from grok2api.domain.account import Mode, Pool, ProviderKind, Tier
from grok2api.domain.files import InputFile
from grok2api.domain.ids import ClientKeyId
from grok2api.domain.media import MediaKind
from grok2api.domain.quota import Source, Window
from grok2api.domain.video import VideoMade, VideoPart, VideoPlan, VideoRequest, VideoStep
from grok2api.domain.video_job import VideoJob
from grok2api.errors import UpstreamUnavailableError
from grok2api.media.objects import open_object_store
from grok2api.providers.base import Provider
from grok2api.providers.media import AssetPage
from grok2api.providers.session import UploadedFile, UpstreamSession
from grok2api.services.attempt import DispatchParts
from grok2api.services.cleanup import Cleanup
from grok2api.services.files import FileDesk
from grok2api.services.leases import LeaseKeeper
from grok2api.services.lender import Lender, build_policy
from grok2api.services.media import MediaLibrary
from grok2api.services.models import ModelCatalog
from grok2api.services.video_fetch import VideoFetcher
from grok2api.services.video_parts import VideoParts
from grok2api.services.video_references import VideoReferences
from grok2api.services.video_runner import VideoRunner
from grok2api.services.videos import Videos
from grok2api.store.account_timers import AccountTimers
from grok2api.store.accounts import AccountStore
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient, open_redis
from grok2api.store.media import MediaIndex
from grok2api.store.videos import VideoLimits, VideoStore
from grok2api.store.wakeups import Wakeups
from grok2api.upstream.fetch import open_fetcher
from grok2api.upstream.guard import GuardRules
from tests.conftest import AccountMaker
from tests.services.conftest import PlainCredentials, ScriptedChat, build_pictures

MINE = ClientKeyId("key_mine")
WAIT_S = 30.0
BEAT_S, CLAIM_S = 0.05, 0.6
TOTAL = 100
SUPER = Pool(ProviderKind.GROK_WEB, Tier.SUPER)
MODES = (Mode.VIDEO, Mode.VIDEO_720P)
PICTURE = b"\x89PNG\r\n\x1a\n" + b"p" * 100_000


@dataclass
class Submission:
    """One part that the upstream was asked for."""

    prompt: str
    part: int
    account: str


@dataclass
class ScriptedUpstream:
    """Makes a video of each prompt; stops at the stages in `gates`, fails as `errors` say.

    `errors` are raised once each, in their order. `content` is what lies at a URL.
    """

    asked: list[Submission] = field(default_factory=list)
    uploads: list[tuple[str, bytes]] = field(default_factory=list)
    attached: list[list[str]] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    upscaled: list[str] = field(default_factory=list)
    content: dict[str, bytes] = field(default_factory=dict)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    reached: dict[str, asyncio.Event] = field(default_factory=dict)
    waiting: Counter[str] = field(default_factory=Counter)
    errors: dict[str, list[Exception]] = field(default_factory=dict)
    has_ids: bool = True
    pause_s: float = 0.0

    def stop_at(self, stage: str) -> None:
        self.gates[stage], self.reached[stage] = asyncio.Event(), asyncio.Event()

    def let_go(self) -> None:
        for gate in self.gates.values():
            gate.set()

    def fail(self, stage: str, *errors: Exception) -> None:
        self.errors[stage] = list(errors)

    async def pass_by(self, stage: str) -> None:
        if self.pause_s:
            await asyncio.sleep(self.pause_s)
        if stage in self.gates:
            self.waiting[stage] += 1
            self.reached[stage].set()
            await self.gates[stage].wait()
        if self.errors.get(stage):
            raise self.errors[stage].pop(0)

    async def upload(
        self, file: InputFile, session: UpstreamSession, *, for_media: bool = False
    ) -> UploadedFile:
        assert for_media
        await self.pass_by("upload")
        self.uploads.append((session.credentials.session.removeprefix("session-of-"), file.content))
        return UploadedFile(f"file-{len(self.uploads)}")

    async def delete(self, file_id: str, session: UpstreamSession) -> None:
        self.deleted.append(file_id)

    async def prepare(self, request: VideoRequest, session: UpstreamSession) -> VideoPlan:
        await self.pass_by("prepare")
        self.attached.append([file.id for file in session.attachments])
        return VideoPlan(prompt=request.prompt)

    @asynccontextmanager
    async def render(
        self,
        request: VideoRequest,
        plan: VideoPlan,
        parts: tuple[VideoPart, ...],
        session: UpstreamSession,
    ) -> AsyncIterator[AsyncIterator[list[VideoStep | VideoMade]]]:
        await self.pass_by("submit")
        account = session.credentials.session.removeprefix("session-of-")
        self.asked.append(Submission(request.prompt, len(parts), account))
        part = VideoPart(video_id=secrets.token_hex(8), post_id="p")
        # It is made there, whether or not anybody listens.
        self.content[self.guess_url(part, session)] = request.prompt.encode() * 50_000
        await self.pass_by("taken")
        yield self._events(part, session)

    async def _events(
        self, part: VideoPart, session: UpstreamSession
    ) -> AsyncIterator[list[VideoStep | VideoMade]]:
        for percent in (10, 60):
            yield [VideoStep(percent, part if self.has_ids else VideoPart())]
            await self.pass_by("step")
        await self.pass_by("made")
        yield [VideoMade(msgspec.structs.replace(part, url=self.guess_url(part, session)))]

    async def upscale(self, part: VideoPart, session: UpstreamSession) -> str:
        self.upscaled.append(part.url)
        await self.pass_by("upscale")
        url = part.url + "/hd"
        self.content[url] = b"large"
        return url

    def guess_url(self, part: VideoPart, session: UpstreamSession) -> str:
        name = session.credentials.session
        return f"https://assets.test/{name}/{part.video_id}" if part.video_id else ""

    async def list_page(self, session: UpstreamSession, token: str = "") -> AssetPage:
        return AssetPage(())

    @asynccontextmanager
    async def download(
        self, url: str, session: UpstreamSession, *, is_video: bool = False
    ) -> AsyncIterator["ScriptedDownload"]:
        assert is_video
        await self.pass_by("download")
        owner = url.split("/")[3]
        if url not in self.content or owner != session.credentials.session:
            raise UpstreamUnavailableError("It is not there.", status=404)
        yield ScriptedDownload(self, self.content[url])


@dataclass
class ScriptedDownload:
    """A file in pieces."""

    upstream: ScriptedUpstream
    content: bytes
    media_type: str = "application/octet-stream"
    size_bytes: int | None = None

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        half = len(self.content) // 2
        yield self.content[:half]
        await self.upstream.pass_by("chunk")
        yield self.content[half:]


class Line:
    """A connection to the store that can be cut."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self.is_cut = False

    async def execute_command(self, *args: str | bytes | float) -> Any:
        if self.is_cut:
            raise RedisConnectionError("cut")
        return await self._redis.execute_command(*args)

    async def aclose(self) -> None:
        pass


class Worker:
    """What one process has: its connection, its leases, its runner."""

    def __init__(self, bench: "VideoBench", settings: VideoSettings, claim_s: float) -> None:
        self.bench = bench
        self.settings = settings
        self.claim_s = claim_s
        self.line = Line(bench.redis)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        enter, bench = self._stack.enter_async_context, self.bench
        accounts = AccountStore(self.line, bench.cipher)
        account = AccountSettings(
            max_concurrency=bench.concurrency, selection=SelectionSettings(wait_s=0.2)
        )
        for_wakeups = await enter(open_redis(bench.url, pool_size=1, timeout_s=20.0))
        cleanup = await enter(Cleanup())
        keeper = await enter(LeaseKeeper(accounts, ttl_s=bench.lease_ttl_s))
        policy = msgspec.structs.replace(build_policy(account), lease_ttl_s=bench.lease_ttl_s)
        lender = await enter(Lender(accounts, Wakeups(for_wakeups), keeper, cleanup, policy))
        fetcher = await enter(open_fetcher(4, GuardRules(), timeout_s=5.0))
        parts = DispatchParts(
            accounts=accounts,
            providers=bench.providers,
            keeper=keeper,
            cleanup=cleanup,
            clock=SystemClock(),
            lender=lender,
            retry=RetrySettings(base_delay_s=0.0),
            account=account,
            chat=ChatSettings(),
            files=FileDesk(fetcher, FileSettings()),
            pictures=build_pictures(bench.redis, bench.folder, cleanup),
        )
        objects = open_object_store(MediaSettings(), bench.folder)
        library = MediaLibrary(objects, MediaIndex(self.line), LocalCacheSettings(), cleanup)
        store, references = (
            VideoStore(self.line, bench.cipher),
            VideoReferences(library, bench.cipher),
        )
        video_parts = VideoParts(parts, store, library, references, self.settings)
        self.runner = await enter(
            VideoRunner(
                video_parts,
                VideoFetcher(video_parts, pause_s=0.05, limit_s=1.0),
                beat_s=BEAT_S,
                claim_s=self.claim_s,
            )
        )
        self.videos = Videos(
            store,
            references,
            ModelCatalog(accounts),
            VideoLimits(max_open=self.settings.max_jobs_per_key, keep_s=self.settings.keep_s),
            self.runner,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def idle(self) -> None:
        """Wait until it works on nothing."""
        async with asyncio.timeout(WAIT_S):
            while self.runner.running:  # noqa: ASYNC110 - polled
                await asyncio.sleep(0.01)

    async def crash(self) -> None:
        """Stop so that nothing of it reaches the store any more."""
        self.line.is_cut = True
        await self.runner.close(0.0)


@dataclass
class VideoBench:
    """All that a test of video jobs needs."""

    redis: RedisClient
    url: str
    cipher: SecretCipher
    folder: Path
    upstream: ScriptedUpstream = field(default_factory=ScriptedUpstream)
    concurrency: int = 8
    lease_ttl_s: float = 60.0

    def __post_init__(self) -> None:
        upstream = self.upstream
        provider = Provider(
            ProviderKind.GROK_WEB,
            PlainCredentials(),
            ScriptedChat(),
            files=upstream,
            assets=upstream,
            videos=upstream,
        )
        self.providers = {ProviderKind.GROK_WEB: provider}
        self.accounts = AccountMaker(AccountStore(self.redis, self.cipher))

    def worker(self, claim_s: float = CLAIM_S, **settings: Any) -> Worker:
        facts = {"find_timeout_s": 0.5, "timeout_s": 5.0, "max_jobs_per_key": 1000} | settings
        return Worker(self, VideoSettings(**facts), claim_s)

    async def add(self, *names: str) -> None:
        """Add accounts with a hundred videos of each resolution."""
        windows = {mode: Window(TOTAL, TOTAL, 86_400, Source.REAL) for mode in MODES}
        await self.accounts.save(*names, pool=SUPER, windows=windows)

    async def look(self, job: VideoJob) -> VideoJob:
        found = await VideoStore(self.redis, self.cipher).find(MINE, job.id)
        assert found is not None
        return found

    async def end(self, job: VideoJob) -> VideoJob:
        """Wait until a job has ended."""
        async with asyncio.timeout(WAIT_S):
            while not (found := await self.look(job)).has_ended:  # noqa: ASYNC110 - polled
                await asyncio.sleep(0.01)
        return found

    async def keep_no_input(self) -> None:
        """Wait until no reference is kept."""
        async with asyncio.timeout(WAIT_S):
            while await self.media(MediaKind.INPUT):  # noqa: ASYNC110 - polled
                await asyncio.sleep(0.01)

    async def reach(self, stage: str) -> None:
        async with asyncio.timeout(WAIT_S):
            await self.upstream.reached[stage].wait()

    async def used(self, name: str = "a", mode: Mode = Mode.VIDEO_720P) -> tuple[int, int]:
        """Return how many queries an account has used up, and how many it holds."""
        account = await self.accounts.look(name)
        window = account.windows[mode]
        return TOTAL - window.remaining, window.held

    async def open_leases(self) -> int:
        page = await self.accounts.store.list()
        return sum(account.open_leases for account in page.accounts)

    async def media(self, kind: MediaKind) -> int:
        return (await MediaIndex(self.redis).usage(kind)).count

    async def settle(self) -> None:
        """Wait until no lease is open; those of the dead end by themselves."""
        async with asyncio.timeout(WAIT_S):
            while await self.open_leases():
                await AccountTimers(self.redis).reap()
                await asyncio.sleep(0.05)


def ask(prompt: str = "a boat", **options: Any) -> VideoRequest:
    return VideoRequest(**({"model": "grok-imagine-video", "prompt": prompt} | options))


def picture(name: str = "a.png") -> InputFile:
    return InputFile(f"file:{name}", name, "image/png", PICTURE)


async def make(worker: Worker, prompt: str = "a boat", key: str = "", **options: Any) -> VideoJob:
    request = ask(prompt, **options)
    begun = await worker.videos.create(MINE, request, shown={"size": "x"}, idempotency_key=key)
    return begun.job
