"""A whole gateway in this process, on a real socket, in front of a simulator and a real store."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from grok2api.bootstrap import open_gateway
from grok2api.config.schema import BootSettings
from grok2api.domain.account import Credentials
from grok2api.domain.ids import AccountId
from grok2api.domain.pool_member import Account
from grok2api.providers.grok_web.options import ChatTransport
from grok2api.simulator.options import SimulatorOptions
from grok2api.store.accounts import AccountStore, NewAccount
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient, open_redis
from grok2api.web.application import build_app
from tests.conftest import BASIC
from tests.simulator.client import Site, open_site
from tests.web.conftest import port_of, run_server

KEY = "sk-test-0123456789abcdef"
SECRET_KEY = b"k" * 32
NAMES = ("a", "b", "c")
CONFIG = """
[app]
api_key = ["{key}"]
[upstream]
grok_url = "{site}"
chat_transport = "{transport}"
[retry]
base_delay_s = 0.0
max_attempts = 3
[account.selection]
wait_s = 0.0
[chat]
first_event_timeout_s = {silence_s}
idle_timeout_s = {silence_s}
"""


@dataclass(frozen=True, slots=True)
class Running:
    """A gateway; `site` and `store` know the same fresh accounts."""

    site: Site
    client: httpx2.AsyncClient
    store: AccountStore

    async def ask(self, text: str = "Hi", *, stream: bool = False) -> httpx2.Response:
        messages = [{"role": "user", "content": text}]
        body = {"model": "grok-chat-fast", "stream": stream, "messages": messages}
        return await self.client.post("/v1/chat/completions", json=body)

    async def accounts(self) -> dict[str, Account]:
        found = await self.store.find([AccountId(name) for name in NAMES])
        return {str(name): account for name, account in found.items()}


@asynccontextmanager
async def open_upstream(redis: RedisClient) -> AsyncIterator[tuple[Site, AccountStore]]:
    """Run a simulator; it and the store know three fresh accounts."""
    store = AccountStore(redis, SecretCipher([SECRET_KEY]))
    async with open_site(SimulatorOptions()) as site:
        for name in NAMES:
            session = f"session-of-{name}-0123456789"
            await site.register({"session": session, "name": name})
            await store.save(
                NewAccount(AccountId(name), BASIC, Credentials(session), mask=f"{name}…")
            )
        yield site, store


@asynccontextmanager
async def open_client(
    folder: Path,
    redis_url: str,
    site: Site,
    *,
    transport: ChatTransport = "auto",
    silence_s: float = 20.0,
) -> AsyncIterator[httpx2.AsyncClient]:
    """Run a gateway in front of `site`; gives a client of it."""
    config = CONFIG.format(key=KEY, site=site.url, transport=transport, silence_s=silence_s)
    (folder / "config.toml").write_text(config)
    boot = BootSettings(data_dir=folder, redis_url=redis_url, secret_keys=(SECRET_KEY,))
    async with (
        run_server(build_app(lambda: open_gateway(boot))) as server,
        httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{port_of(server)}",
            headers={"authorization": f"Bearer {KEY}"},
            timeout=30,
        ) as client,
    ):
        yield client


@asynccontextmanager
async def open_running(
    folder: Path, redis_url: str, transport: ChatTransport, *, silence_s: float
) -> AsyncIterator[Running]:
    """Run everything."""
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(open_redis(redis_url))
        site, store = await stack.enter_async_context(open_upstream(redis))
        client = await stack.enter_async_context(
            open_client(folder, redis_url, site, transport=transport, silence_s=silence_s)
        )
        yield Running(site, client, store)
