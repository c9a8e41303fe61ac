"""Services on a real store, in front of a provider that plays a script."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from grok2api.clock import SystemClock
from grok2api.config.accounts import SelectionSettings
from grok2api.config.schema import (
    AccountSettings,
    ChatSettings,
    FileSettings,
    RetrySettings,
    Settings,
)
from grok2api.domain.account import Credentials, Mode, Pool, ProviderKind, Tier
from grok2api.domain.chat import ChatRequest, EventBatch, Message, Role, TextPart
from grok2api.domain.ids import AccountId
from grok2api.domain.model import Route
from grok2api.providers.base import ImportEntry, ImportFinding, ImportRefusal, Provider
from grok2api.providers.session import UpstreamSession
from grok2api.services.attempt import DispatchParts
from grok2api.services.chat import ChatService
from grok2api.services.cleanup import Cleanup
from grok2api.services.dispatch import Dispatcher
from grok2api.services.files import FileDesk
from grok2api.services.leases import LeaseKeeper
from grok2api.services.lender import Lender, build_policy
from grok2api.services.media import build_media_library
from grok2api.services.media_links import MediaLinks
from grok2api.services.models import ModelCatalog
from grok2api.services.pictures import Pictures
from grok2api.store.accounts import AccountStore, NewAccount
from grok2api.store.connection import RedisClient, open_redis
from grok2api.store.wakeups import Wakeups
from grok2api.upstream.fetch import open_fetcher
from grok2api.upstream.guard import GuardRules

BASIC = Pool(ProviderKind.GROK_WEB, Tier.BASIC)
Play = Callable[[UpstreamSession], AsyncIterator[EventBatch]]


@dataclass
class ScriptedChat:
    """Plays the next script of `plays` for each call; notes who was asked and who was closed."""

    plays: list[Play] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    modes: list[Mode] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    is_asked: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def stream_chat(
        self, request: ChatRequest, route: Route, session: UpstreamSession
    ) -> AsyncIterator[AsyncIterator[EventBatch]]:
        name = session.credentials.session
        self.asked.append(name)
        self.modes.append(route.mode)
        self.is_asked.set()
        play = self.plays.pop(0)
        try:
            yield play(session)
        finally:
            self.closed.append(name)


class PlainCredentials:
    """One session a line; `bad` is refused."""

    def parse_record(self, line: int, record: Mapping[str, object]) -> ImportFinding:
        return ImportEntry(line, Credentials(str(record["token"])))

    def parse_import(self, text: str) -> list[ImportFinding]:
        return [
            ImportRefusal(number, "is bad")
            if line == "bad"
            else ImportEntry(number, Credentials(line))
            for number, line in enumerate(text.splitlines(), 1)
        ]


@dataclass
class Bench:
    """All that a service test needs."""

    chat: ChatService
    script: ScriptedChat
    store: AccountStore
    parts: DispatchParts
    providers: dict[ProviderKind, Provider]

    async def add(self, *sessions: str, pool: Pool = BASIC) -> list[AccountId]:
        ids = [AccountId(f"acc_{session}") for session in sessions]
        for account_id, session in zip(ids, sessions, strict=True):
            await self.store.save(
                NewAccount(
                    id=account_id,
                    pool=pool,
                    credentials=Credentials(session),
                    mask="…",
                    created_at_s=1.0,
                )
            )
        return ids

    async def open_leases(self) -> int:
        return sum(account.open_leases for account in (await self.store.list()).accounts)

    async def statuses(self) -> dict[str, str]:
        return {a.id: a.status.value for a in (await self.store.list()).accounts}


def ask(text: str = "Hello", **options: object) -> ChatRequest:
    message = Message(Role.USER, (TextPart(text),))
    options = {"model": "grok-chat-fast"} | options
    return ChatRequest(messages=(message,), **options)  # type: ignore[arg-type]


def build_pictures(
    redis: RedisClient, folder: Path, cleanup: Cleanup, settings: Settings | None = None
) -> Pictures:
    """Return what shows pictures, kept in `folder`."""
    settings = settings or Settings()
    return Pictures(
        build_media_library(redis, folder, settings, cleanup),
        MediaLinks((b"k" * 32,), settings.media, SystemClock()),
        settings.features,
        public_url=settings.upstream.imagine_public_url,
        max_mb=settings.image.max_mb,
    )


@pytest.fixture
async def bench(
    account_store: AccountStore, redis_url: str, tmp_path: Path
) -> AsyncIterator[Bench]:
    script = ScriptedChat()
    provider = Provider(ProviderKind.GROK_WEB, PlainCredentials(), script)
    providers = {ProviderKind.GROK_WEB: provider}
    account = AccountSettings(max_concurrency=2, selection=SelectionSettings(wait_s=0.0))
    async with (
        open_redis(redis_url, pool_size=1) as for_wakeups,
        open_redis(redis_url, pool_size=4) as redis,
        Cleanup() as cleanup,
        LeaseKeeper(account_store, ttl_s=60.0) as keeper,
        Lender(
            account_store, Wakeups(for_wakeups), keeper, cleanup, build_policy(account)
        ) as lender,
        open_fetcher(4, GuardRules(), timeout_s=5.0) as fetcher,
    ):
        parts = DispatchParts(
            accounts=account_store,
            providers=providers,
            keeper=keeper,
            cleanup=cleanup,
            clock=SystemClock(),
            retry=RetrySettings(base_delay_s=0.0),
            account=account,
            lender=lender,
            chat=ChatSettings(first_event_timeout_s=1.0),
            files=FileDesk(fetcher, FileSettings()),
            pictures=build_pictures(redis, tmp_path, cleanup),
        )
        models = ModelCatalog(account_store)
        chat = ChatService(models, Dispatcher(parts), count_tokens=len)
        yield Bench(chat, script, account_store, parts, providers)
