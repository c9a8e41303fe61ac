"""Our upstream client alone, without edge, store or dispatcher: what any way to the site costs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter

from grok2api.clock import SystemClock
from grok2api.config.site import ChatTransport, UpstreamSettings
from grok2api.domain.account import Credentials, ProviderKind
from grok2api.domain.catalogue import CATALOGUE
from grok2api.domain.chat import VISIBLE_EVENTS, ChatRequest, Message, Role, TextPart
from grok2api.domain.model import Route
from grok2api.providers.base import ChatBackend
from grok2api.providers.registry import GrokWebOptions, build_providers
from grok2api.providers.session import UpstreamSession
from grok2api.upstream.curl import open_transport
from grok2api.upstream.transport import Timeouts


class Bare:
    """One account, one backend."""

    def __init__(self, chat: ChatBackend, session: str) -> None:
        self._chat = chat
        self._credentials = Credentials(session)
        self._user_id = ""

    async def _remember(self, user_id: str) -> None:
        self._user_id = user_id

    async def first_event_s(self, prompt: str) -> float:
        """Return the seconds from asking to the first visible event."""
        request = ChatRequest(
            model=CATALOGUE[0].name, messages=(Message(Role.USER, (TextPart(prompt),)),)
        )
        session = UpstreamSession(self._credentials, self._user_id, self._remember)
        started = perf_counter()
        route = Route(CATALOGUE[0].name, CATALOGUE[0], (CATALOGUE[0].mode,))
        async with self._chat.stream_chat(request, route, session) as batches:
            async for batch in batches:
                if any(isinstance(event, VISIBLE_EVENTS) for event in batch):
                    return perf_counter() - started
        raise ConnectionError("the upstream gave no event")


def browser_options(url: str, transport: ChatTransport) -> GrokWebOptions:
    """Return the default options for the simulator at `url`."""
    settings = UpstreamSettings()
    return GrokWebOptions(
        grok_url=url,
        chat_transport=transport,
        user_agent=settings.user_agent,
        profile=settings.browser,
        timeouts=Timeouts(connect_s=5.0, header_s=10.0, idle_s=10.0),
    )


@asynccontextmanager
async def open_bare(url: str, transport: ChatTransport, session: str) -> AsyncIterator[Bare]:
    """Open the upstream client for the simulator at `url`."""
    async with open_transport(8) as connections:
        options = browser_options(url, transport)
        providers = build_providers(connections, options, SystemClock())
        yield Bare(providers[ProviderKind.GROK_WEB].chat, session)
