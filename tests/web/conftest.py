"""The edge on a real socket, in front of a provider that plays a script on a real store."""

import asyncio
import io
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import httpx2
import msgspec
import pytest
import structlog
import uvicorn
from starlette.applications import Starlette

from grok2api.assembly import UsageParts, join_cluster
from grok2api.clock import SystemClock
from grok2api.config.accounts import SelectionSettings
from grok2api.config.schema import (
    AccountSettings,
    BootSettings,
    ChatSettings,
    RetrySettings,
    SecuritySettings,
    Settings,
    StreamSettings,
)
from grok2api.config.sources import Sources
from grok2api.domain.account import Credentials, Mode, Pool, ProviderKind, Tier
from grok2api.domain.catalogue import CATALOGUE
from grok2api.domain.chat import ChatRequest, EventBatch, Finished, TextDelta
from grok2api.domain.files import InputFile
from grok2api.domain.ids import AccountId
from grok2api.domain.model import OPERATIONS, Capability, Route
from grok2api.domain.quota import QuotaReport, Reading
from grok2api.errors import UpstreamUnavailableError
from grok2api.providers.base import Provider
from grok2api.providers.grok_web.credentials import GrokWebCredentials
from grok2api.providers.media import AssetPage, Download
from grok2api.providers.session import UploadedFile, UpstreamSession
from grok2api.services.admin_auth import AdminAuth
from grok2api.services.admission import Admissions, CallKeeper
from grok2api.services.attempt import DispatchParts
from grok2api.services.chat import ChatService
from grok2api.services.cleanup import Cleanup
from grok2api.services.client_keys import ClientKeys
from grok2api.services.dispatch import Dispatcher
from grok2api.services.explain import Explainer
from grok2api.services.files import FileDesk
from grok2api.services.health import Health
from grok2api.services.image_chat import ImageChat
from grok2api.services.images import ImageService
from grok2api.services.leases import LeaseKeeper
from grok2api.services.lender import Lender, build_policy
from grok2api.services.media import MediaLibrary, build_media_library
from grok2api.services.media_links import MediaLinks
from grok2api.services.models import ModelCatalog
from grok2api.services.operator import build_operator
from grok2api.services.overview import Overview
from grok2api.services.pictures import Pictures
from grok2api.services.rate_limits import RateLimits
from grok2api.services.records import build_records, open_recorder
from grok2api.services.responses import Responses, open_responses
from grok2api.services.sessions import Sessions
from grok2api.services.settings import SettingsDesk
from grok2api.services.summaries import Summaries
from grok2api.services.video_chat import VideoChat
from grok2api.services.video_parts import VideoParts
from grok2api.services.video_references import VideoReferences
from grok2api.services.videos import Videos, open_videos
from grok2api.store.account_edits import AccountEdits
from grok2api.store.account_timers import AccountTimers
from grok2api.store.accounts import AccountStore, NewAccount
from grok2api.store.admissions import AdmissionStore
from grok2api.store.cipher import SecretCipher
from grok2api.store.client_keys import ClientKeyStore
from grok2api.store.connection import RedisClient, open_redis, ping
from grok2api.store.lanes import LaneStore
from grok2api.store.leader import LeaderStore
from grok2api.store.logins import LoginStore
from grok2api.store.rate_limits import RateLimitStore
from grok2api.store.responses import ResponseStore
from grok2api.store.sessions import SessionStore
from grok2api.store.settings import SettingsStore
from grok2api.store.videos import VideoStore
from grok2api.store.wakeups import Wakeups
from grok2api.telemetry.logging import configure_logging
from grok2api.telemetry.metrics import open_metrics
from grok2api.telemetry.tracing import Tracing
from grok2api.upstream.fetch import open_fetcher
from grok2api.upstream.guard import GuardRules
from grok2api.web.application import build_app
from grok2api.web.client_address import TrustedProxies
from grok2api.web.graphs import Graphs, OpenState
from grok2api.web.server import GuardedProtocol
from grok2api.web.state import AppState
from tests.services.shelf import Shelf
from tests.web.filmer import Filmer
from tests.web.painter import Painter

API_KEY = "sk-test-0123456789abcdefghijklmnop"
LINK_KEY = b"k" * 32
SESSION = "eyJhbGciOiJIUzI1NiJ9.planted-session-secret"
MODEL = "grok-chat-fast"
WAIT_S = 20.0
"""An upper bound for what a test waits for; nothing is asserted about how long it took."""

Play = Callable[[], AsyncIterator[EventBatch]]


def question(**changes: object) -> dict[str, object]:
    """Return the smallest chat body, changed."""
    body: dict[str, object] = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Hello"}],
    }
    return body | changes


async def answer_hello() -> AsyncIterator[EventBatch]:
    yield [TextDelta("Hel"), TextDelta("lo")]
    yield [TextDelta(" there"), Finished()]


@dataclass
class Script:
    """An upstream that plays `play`; says which sessions came, and whether one is connected."""

    play: Play = answer_hello
    sessions: list[str] = field(default_factory=list)
    affinities: list[str] = field(default_factory=list)
    requests: list[ChatRequest] = field(default_factory=list)
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def stream_chat(
        self, request: ChatRequest, route: Route, session: UpstreamSession
    ) -> AsyncIterator[AsyncIterator[EventBatch]]:
        self.sessions.append(session.credentials.session)
        self.affinities.append(request.affinity.digest)
        self.requests.append(request)
        self.opened.set()
        try:
            yield self.play()
        finally:
            self.closed.set()


class Preferences:
    """An upstream that keeps what account owners set; `refusing` sessions it refuses."""

    def __init__(self) -> None:
        self.sensitive: dict[str, bool] = {}
        self.refusing: set[str] = set()

    async def set_sensitive_content(self, session: UpstreamSession, *, is_on: bool) -> None:
        if session.credentials.session in self.refusing:
            raise UpstreamUnavailableError("The upstream is in trouble.")
        self.sensitive[session.credentials.session] = is_on


class Drawer:
    """An upstream that keeps every file it is given; `for_media` are those to make media of."""

    def __init__(self) -> None:
        self.files: dict[str, InputFile] = {}
        self.for_media: list[str] = []

    async def upload(
        self, file: InputFile, session: UpstreamSession, *, for_media: bool = False
    ) -> UploadedFile:
        self.files[file.ref] = msgspec.structs.replace(file)
        if for_media:
            self.for_media.append(file.ref)
        return UploadedFile(f"file_{len(self.files)}")

    async def delete(self, file_id: str, session: UpstreamSession) -> None:
        return


class Cupboard:
    """What accounts keep at the upstream: files on `shelf`, the videos of `filmer`."""

    def __init__(self, shelf: Shelf, filmer: Filmer) -> None:
        self._shelf = shelf
        self._filmer = filmer

    async def list_page(self, session: UpstreamSession, token: str = "") -> AssetPage:
        return await self._shelf.list_page(session, token)

    async def delete(self, asset_id: str, session: UpstreamSession) -> None:
        await self._shelf.delete(asset_id, session)

    def download(
        self, url: str, session: UpstreamSession, *, is_video: bool = False
    ) -> AbstractAsyncContextManager[Download]:
        return self._filmer.download(url, session, is_video=is_video)


class Books:
    """An upstream that tells accounts 7 of 30 queries; those that are `refusing` nothing."""

    def __init__(self) -> None:
        self.refusing: set[str] = set()

    async def read_quota(self, session: UpstreamSession, tier: Tier) -> QuotaReport:
        if session.credentials.session in self.refusing:
            raise UpstreamUnavailableError("The upstream is in trouble.")
        return QuotaReport((Reading(Mode.FAST, 7, 30, 86_400, 60.0),), {})


@dataclass
class Edge:
    """A running gateway and what a test looks at."""

    url: str
    port: int
    state: AppState
    script: Script
    store: AccountStore
    server: uvicorn.Server
    client: httpx2.AsyncClient
    preferences: Preferences
    books: Books
    shelf: Shelf
    painter: Painter
    drawer: Drawer
    data_dir: Path
    filmer: Filmer

    async def leases_are_free(self) -> None:
        """Wait until no account is held any more."""

        async def is_free() -> bool:
            return not sum(a.open_leases for a in (await self.store.list()).accounts)

        await wait_until(is_free)

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def send_chat(
        self, **changes: object
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Send a chat request over a raw connection and read nothing."""
        reader, writer = await self.open()
        writer.write(raw_chat(**changes))
        await writer.drain()
        return reader, writer


def raw_chat(**changes: object) -> bytes:
    body = msgspec.json.encode(question(**changes))
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {API_KEY}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def wait_until(is_true: Callable[[], Awaitable[bool]]) -> None:
    """Poll what nothing announces."""
    async with asyncio.timeout(WAIT_S):
        while not await is_true():  # noqa: ASYNC110 - the store has no event to wait for
            await asyncio.sleep(0.01)


class PromptServer(uvicorn.Server):
    """Sees at once that it should end; the original looks every tenth of a second."""

    async def main_loop(self) -> None:
        await self.on_tick(0)
        while not self.should_exit:  # noqa: ASYNC110 - a plain attribute of its base
            await asyncio.sleep(0.005)


@asynccontextmanager
async def run_server(app: Starlette, timeout_s: int = 5) -> AsyncIterator[uvicorn.Server]:
    """Serve `app` on a free port of this loop, by the protocol of production."""
    config = uvicorn.Config(
        app,
        port=0,
        http=GuardedProtocol,
        ws="websockets-sansio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=timeout_s,
    )
    server = PromptServer(config)
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.005)
            if serving.done():
                await serving
        try:
            yield server
        finally:
            server.should_exit = True


def port_of(server: uvicorn.Server) -> int:
    port: int = server.servers[0].sockets[0].getsockname()[1]
    return port


TEST_SETTINGS = Settings(
    retry=RetrySettings(base_delay_s=0.0),
    account=AccountSettings(max_concurrency=4, selection=SelectionSettings(wait_s=0.0)),
    chat=ChatSettings(first_event_timeout_s=30.0),
    stream=StreamSettings(commit_after_s=10.0, keep_alive_s=10.0),
    security=SecuritySettings(max_body_mb=1, body_idle_timeout_s=1.0, header_timeout_s=1.0),
)


@asynccontextmanager
async def open_graphs(open_state: OpenState, settings: Settings) -> AsyncIterator[Graphs]:
    """Open one graph, which is current for ever."""
    async with Graphs(open_state) as graphs:
        await graphs.replace(settings)
        yield graphs


class EdgeMaker:
    """Starts gateways with settings of the test's choice."""

    def __init__(self, redis_url: str, cipher: SecretCipher, data_dir: Path) -> None:
        self._redis_url = redis_url
        self._cipher = cipher
        self._data_dir = data_dir
        operations = {model.name: OPERATIONS[model.capability] for model in CATALOGUE}
        self._metrics = open_metrics(None, models=operations)

    @asynccontextmanager
    async def __call__(
        self,
        settings: Settings = TEST_SETTINGS,
        *,
        tracing: Tracing | None = None,
        proxies: TrustedProxies | None = None,
    ) -> AsyncIterator[Edge]:
        script, preferences, books = Script(), Preferences(), Books()
        painter, drawer, shelf, filmer = Painter(), Drawer(), Shelf(), Filmer()
        provider = Provider(
            ProviderKind.GROK_WEB,
            GrokWebCredentials(),
            script,
            books,
            preferences,
            drawer,
            assets=Cupboard(shelf, filmer),
            images=painter,
            videos=filmer,
        )
        states: list[AppState] = []

        @asynccontextmanager
        async def open_state(_: Settings) -> AsyncIterator[AppState]:
            async with (
                open_redis(self._redis_url) as redis,
                open_redis(self._redis_url, pool_size=1) as for_wakeups,
                Cleanup() as cleanup,
                LeaseKeeper(AccountStore(redis, self._cipher), ttl_s=60.0) as keeper,
                Lender(
                    AccountStore(redis, self._cipher),
                    Wakeups(for_wakeups),
                    keeper,
                    cleanup,
                    build_policy(settings.account),
                ) as lender,
                open_responses(
                    ResponseStore(redis, self._cipher),
                    Summaries(self._cipher),
                    settings.responses,
                ) as responses,
                open_fetcher(4, GuardRules(), timeout_s=5.0) as fetcher,
            ):
                store = AccountStore(redis, self._cipher)
                media = build_media_library(redis, self._data_dir, settings, cleanup)
                links = MediaLinks((LINK_KEY,), settings.media, SystemClock())
                models = ModelCatalog(store, aliases=settings.models.aliases)
                parts = DispatchParts(
                    accounts=store,
                    providers={provider.kind: provider},
                    lender=lender,
                    keeper=keeper,
                    cleanup=cleanup,
                    clock=SystemClock(),
                    retry=settings.retry,
                    account=settings.account,
                    chat=settings.chat,
                    files=FileDesk(fetcher, settings.files),
                    pictures=Pictures(
                        media,
                        links,
                        settings.features,
                        public_url=settings.upstream.imagine_public_url,
                        max_mb=settings.image.max_mb,
                    ),
                    meter=self._metrics,
                )
                admission_store = AdmissionStore(redis)
                async with (
                    open_videos(
                        VideoParts(
                            parts,
                            VideoStore(redis, self._cipher),
                            media,
                            VideoReferences(media, self._cipher),
                            settings.video,
                        ),
                        models,
                    ) as videos,
                    CallKeeper(admission_store, ttl_s=60.0) as calls,
                    open_recorder(redis, self._data_dir, settings.stats) as recorder,
                ):
                    usage = UsageParts(
                        Admissions(admission_store, calls, cleanup, SystemClock()),
                        recorder,
                        build_records(redis, settings.stats),
                    )
                    state = self._build(
                        settings,
                        redis,
                        parts,
                        models,
                        responses=responses,
                        videos=videos,
                        usage=usage,
                        media=media,
                        links=links,
                    )
                    state = replace(state, tracing=tracing, proxies=proxies or TrustedProxies())
                    states.append(state)
                    yield state

        async with (
            open_redis(self._redis_url) as redis,
            run_server(build_app(partial(open_graphs, open_state, settings))) as server,
        ):
            store = AccountStore(redis, self._cipher)
            await store.save(
                NewAccount(
                    AccountId("acc_1"),
                    Pool(ProviderKind.GROK_WEB, Tier.BASIC),
                    Credentials(SESSION),
                    mask="…",
                )
            )
            port = port_of(server)
            url = f"http://127.0.0.1:{port}"
            headers = {"authorization": f"Bearer {API_KEY}"}
            async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=WAIT_S) as client:
                yield Edge(
                    url,
                    port,
                    states[0],
                    script,
                    store,
                    server,
                    client,
                    preferences,
                    books,
                    shelf,
                    painter,
                    drawer,
                    self._data_dir,
                    filmer,
                )

    def _build(
        self,
        settings: Settings,
        redis: RedisClient,
        parts: DispatchParts,
        models: ModelCatalog,
        *,
        responses: Responses,
        videos: Videos,
        usage: UsageParts,
        media: MediaLibrary,
        links: MediaLinks,
    ) -> AppState:
        store, files = parts.accounts, parts.files
        dispatcher = Dispatcher(parts)
        images = ImageService(dispatcher, patience_s=settings.image.timeout_s)
        drawer = ImageChat(images, files, parts.pictures, settings.features)
        filmer = VideoChat(
            videos,
            files,
            links,
            parts.cleanup,
            settings.features.video_format,
            is_older=settings.video.protocol == "older",
        )
        keys = ClientKeys(ClientKeyStore(redis), SystemClock(), configured=(API_KEY,))
        return AppState(
            settings=settings,
            responses=responses,
            chat=ChatService(
                models,
                dispatcher,
                count_tokens=len,
                others={
                    Capability.IMAGE: drawer,
                    Capability.IMAGE_EDIT: drawer,
                    Capability.VIDEO: filmer,
                },
            ),
            files=files,
            images=images,
            videos=videos,
            usage=usage.recorder,
            admissions=usage.admissions,
            records=usage.records,
            models=models,
            keys=keys,
            admin_auth=AdminAuth(LoginStore(redis), SystemClock(), password=settings.app.app_key),
            rate_limits=RateLimits(RateLimitStore(redis), settings.security),
            operator=build_operator(redis, self._cipher, parts.providers, settings, SystemClock()),
            overview=Overview(
                store, LeaderStore(redis), strategy=settings.account.selection.strategy
            ),
            explainer=Explainer(
                store=store,
                edits=AccountEdits(redis),
                lanes=LaneStore(redis),
                timers=AccountTimers(redis),
                models=models,
                keys=keys,
                use_of_keys=usage.admissions.usage,
                policy=build_policy(settings.account),
            ),
            sessions=Sessions(SessionStore(redis)),
            config=SettingsDesk(
                SettingsStore(redis, self._cipher), Sources(), BootSettings(port=8765)
            ),
            media=media,
            links=links,
            health=Health(lambda: ping(redis)),
            clock=SystemClock(),
            metrics=self._metrics,
            cluster=join_cluster(redis, store, media),
        )


@pytest.fixture
def make_edge(redis_url: str, cipher: SecretCipher, tmp_path: Path) -> EdgeMaker:
    return EdgeMaker(redis_url, cipher, tmp_path)


@pytest.fixture
async def edge(make_edge: EdgeMaker) -> AsyncIterator[Edge]:
    async with make_edge() as running:
        yield running


@pytest.fixture
def log_output() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure_logging("debug", "json", stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
