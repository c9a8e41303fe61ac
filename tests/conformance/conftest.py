"""The gateway's client of grok.com in front of the simulator, over real connections."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from msgspec import Struct, structs

from grok2api.clock import SystemClock
from grok2api.domain.account import Credentials, Mode, Tier
from grok2api.domain.chat import ChatRequest, EventBatch, Message, Role, TextPart
from grok2api.domain.model import Capability, Model, Route
from grok2api.providers.grok_web.client import GrokWebChat
from grok2api.providers.grok_web.options import ChatTransport, GrokWebOptions
from grok2api.providers.session import UpstreamSession
from grok2api.simulator.options import SimulatorOptions
from grok2api.upstream.curl import CurlTransport, open_transport
from grok2api.upstream.transport import Timeouts
from tests.simulator.client import AGENT, Site, open_site

SESSION = "sim-session-0001-abcdefgh"
ROUTE = Route("m", Model("m", "M", Capability.CHAT, Mode.FAST, (Tier.BASIC,)), (Mode.FAST,))


class Counterpart(Struct):
    """A client and the simulated site it talks to."""

    site: Site
    transport: CurlTransport
    timeouts: Timeouts = Timeouts(5.0, 5.0, 5.0)

    @asynccontextmanager
    async def ask(
        self, prompt: str, protocol: ChatTransport = "auto", *, session: str = SESSION
    ) -> AsyncIterator[AsyncIterator[EventBatch]]:
        """Open one turn that asks `prompt`."""
        request = ChatRequest(model="m", messages=(Message(Role.USER, (TextPart(prompt),)),))
        options = structs.replace(self.options(), chat_transport=protocol)
        chat = GrokWebChat(self.transport, options, SystemClock())
        async with chat.stream_chat(request, ROUTE, upstream_session(session)) as events:
            yield events

    def options(self) -> GrokWebOptions:
        """Settings of a client of this site."""
        return GrokWebOptions(
            grok_url=self.site.url,
            assets_url=self.site.url,
            user_agent=AGENT,
            profile="chrome146",
            timeouts=self.timeouts,
        )


def upstream_session(session: str = SESSION) -> UpstreamSession:
    """An account of the site in use."""

    async def remember(user_id: str) -> None:
        pass

    return UpstreamSession(Credentials(session), "", remember)


@asynccontextmanager
async def open_counterpart() -> AsyncIterator[Counterpart]:
    """Run a site that knows one account, `one`, and a client in front of it."""
    async with open_site(SimulatorOptions()) as site, open_transport(8) as transport:
        await site.register({"session": SESSION, "name": "one"})
        yield Counterpart(site, transport)


@pytest.fixture
async def counterpart() -> AsyncIterator[Counterpart]:
    async with open_counterpart() as opened:
        yield opened
