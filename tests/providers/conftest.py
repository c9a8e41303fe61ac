"""A site that is played: scripted sockets and answers behind the transport's contract."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from grok2api.domain.account import Credentials, Mode, Tier
from grok2api.domain.chat import ChatEvent, ChatRequest, Message, Role, TextPart
from grok2api.domain.model import Capability, Model, Route
from grok2api.domain.upstream import UpstreamRequest, UpstreamStatus
from grok2api.providers.grok_web.client import GrokWebChat
from grok2api.providers.grok_web.options import GrokWebOptions
from grok2api.providers.session import UpstreamSession
from grok2api.upstream.frames import MAX_MESSAGE_BYTES
from grok2api.upstream.transport import (
    Exit,
    HandshakeRefusedError,
    Timeouts,
    UpstreamSocket,
    UpstreamStream,
)

USER_ID = "00000000-0000-4000-8000-000000000001"
TOKEN = "eyJ0eXAiOiJKV1QifQ.eyJzIjoiYWJjIn0.c2ln"
TIMEOUTS = Timeouts(connect_s=5.0, header_s=5.0, idle_s=5.0)
Step = bytes | Exception | None
"""What one read brings: bytes, a failure, or silence without end."""
REQUEST = ChatRequest(model="grok-chat-fast", messages=(Message(Role.USER, (TextPart("Hi"),)),))


@dataclass
class PlayedClock:
    now: float = 1_767_225_600.0
    monotonic: float = 1000.0

    def now_s(self) -> float:
        return self.now

    def monotonic_s(self) -> float:
        return self.monotonic


async def silence() -> None:
    await asyncio.Event().wait()


@dataclass
class PlayedStream:
    """An HTTP answer: each step is one read."""

    steps: list[Step] = field(default_factory=list)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    is_closed: bool = False

    async def read(self) -> bytes:
        step = self.steps.pop(0) if self.steps else b""
        if step is None:
            await silence()
        if isinstance(step, Exception):
            raise step
        return step or b""

    async def read_head(self, limit_bytes: int) -> bytes:
        body = b""
        while piece := await self.read():
            body += piece
        return body[:limit_bytes]


def to_socket_event(kind: str, **members: object) -> bytes:
    return msgspec.json.encode({"session_id": "c-1", "event": {"type": kind, **members}})


def text_chunk(text: str) -> bytes:
    chunk = {"text": {"text": text, "channel": "CHANNEL_ASSISTANT_RESPONSE"}}
    return to_socket_event("response.chunk", chunk=chunk)


DONE = to_socket_event("response.done", response={"id": "r-1", "status": "completed"})


class PlayedSocket:
    """A socket. It confirms sessions of chats by itself; then each step is one wake-up."""

    def __init__(self, *steps: list[bytes] | Exception | None, confirms: bool = True) -> None:
        self.sent: list[dict[str, Any]] = []
        self.is_closed = False
        self.pinged = asyncio.Event()
        self.waits = asyncio.Event()
        self._steps = list(steps)
        self._confirms = confirms

    async def send(self, message: bytes) -> None:
        decoded = msgspec.json.decode(message)
        self.sent.append(decoded)
        event = decoded.get("event", {"type": ""})
        if event["type"] == "ping":
            self.pinged.set()
        if event["type"] == "session.create" and self._confirms:
            self._steps.insert(
                0,
                [
                    to_socket_event("conversation.attached", conversation={"id": "c-1"}),
                    to_socket_event("session.created", client_event_id=event["event_id"]),
                ],
            )

    async def receive(self) -> list[bytes]:
        step = self._steps.pop(0) if self._steps else None
        if step is None:
            self.waits.set()
            await silence()
        if isinstance(step, Exception):
            raise step
        return step or []


@dataclass
class PlayedSite:
    """A Transport that answers from what a test put into it."""

    socket: PlayedSocket | UpstreamStatus | Exception | None = None
    answers: dict[str, PlayedStream | Exception] = field(default_factory=dict)
    requests: list[UpstreamRequest] = field(default_factory=list)
    exits: list[Exit] = field(default_factory=list)

    @asynccontextmanager
    async def open(
        self, request: UpstreamRequest, exit_: Exit, timeouts: Timeouts
    ) -> AsyncIterator[UpstreamStream]:
        self.requests.append(request)
        self.exits.append(exit_)
        answer = self.answers[request.url.removeprefix("https://grok.com")]
        if isinstance(answer, Exception):
            raise answer
        try:
            yield answer
        finally:
            answer.is_closed = True

    @asynccontextmanager
    async def connect(
        self,
        request: UpstreamRequest,
        exit_: Exit,
        timeouts: Timeouts,
        *,
        limit_bytes: int = MAX_MESSAGE_BYTES,
    ) -> AsyncIterator[UpstreamSocket]:
        self.requests.append(request)
        self.exits.append(exit_)
        if isinstance(self.socket, UpstreamStatus):
            raise HandshakeRefusedError(self.socket)
        if isinstance(self.socket, Exception):
            raise self.socket
        assert self.socket is not None
        try:
            yield self.socket
        finally:
            self.socket.is_closed = True


@dataclass
class Desk:
    """A backend in front of a played site."""

    site: PlayedSite
    clock: PlayedClock
    options: GrokWebOptions
    remembered: list[str] = field(default_factory=list)
    cookies: str = ""
    user_id: str = USER_ID

    async def _remember(self, user_id: str) -> None:
        self.remembered.append(user_id)

    def chat(self) -> GrokWebChat:
        return GrokWebChat(self.site, self.options, self.clock)

    def session(self) -> UpstreamSession:
        return UpstreamSession(Credentials(TOKEN, self.cookies), self.user_id, self._remember)

    def set(self, **changes: object) -> None:
        self.options = msgspec.structs.replace(self.options, **changes)

    async def ask(self, request: ChatRequest = REQUEST) -> list[list[ChatEvent]]:
        """Ask once and return the batches."""
        batches: list[list[ChatEvent]] = []
        await self.ask_into(batches, request)
        return batches

    async def ask_into(
        self, batches: list[list[ChatEvent]], request: ChatRequest = REQUEST
    ) -> None:
        async with self.chat().stream_chat(request, ROUTE, self.session()) as events:
            async for batch in events:
                batches.append(batch)  # noqa: PERF401 - an error must not lose what came before


ROUTE = Route(
    "grok-chat-fast",
    Model("grok-chat-fast", "Grok Chat Fast", Capability.CHAT, Mode.FAST, (Tier.BASIC,)),
    (Mode.FAST,),
)
DeskMaker = Callable[[], Desk]


@pytest.fixture
def desk() -> Desk:
    options = GrokWebOptions(
        user_agent="Mozilla/5.0 (Macintosh) Chrome/146.0.0.0 Safari/537.36",
        profile="chrome146",
        timeouts=TIMEOUTS,
    )
    return Desk(PlayedSite(), PlayedClock(), options)
