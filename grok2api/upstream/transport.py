"""What a provider needs of the network: one streamed HTTP request, one WebSocket."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from msgspec import Struct

from grok2api.domain.upstream import UpstreamRequest, UpstreamStatus
from grok2api.upstream.frames import MAX_MESSAGE_BYTES


class Timeouts(Struct, frozen=True):
    """Deadlines of one upstream call, in seconds."""

    connect_s: float
    header_s: float
    idle_s: float


class Exit(Struct, frozen=True):
    """The way out of one call: proxy URL ("" = direct) and browser profile of curl ("" = none).

    `pinned` is the only `address:port` that is connected to, whatever a URL says ("" = as it says).
    Connections are pooled per exit.
    """

    proxy_url: str = ""
    profile: str = ""
    pinned: str = ""

    def __repr__(self) -> str:
        return f"Exit(profile={self.profile!r}, is_direct={not self.proxy_url})"


class UpstreamStream(Protocol):
    """An answer whose headers have come."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> dict[str, str]:
        """Names in lower case."""
        ...

    async def read(self) -> bytes:
        """Return the bytes that have arrived, at least one; b"" at the end.

        All that waits is returned at once. A reader that does not read slows the sender.

        Raises:
            UpstreamTimeoutError: nothing came within the idle deadline.
            UpstreamUnavailableError: the connection broke.
        """
        ...

    async def read_head(self, limit_bytes: int) -> bytes:
        """Return at most `limit_bytes` of the body, for an error that wants to be understood."""
        ...


class UpstreamSocket(Protocol):
    """An open WebSocket."""

    async def send(self, message: bytes) -> None:
        """Send one text message."""
        ...

    async def receive(self) -> list[bytes]:
        """Return the text messages that have arrived, at least one; [] when the peer has closed.

        Raises:
            UpstreamTimeoutError: nothing came within the idle deadline.
            UpstreamUnavailableError: the connection broke.
        """
        ...


class HandshakeRefusedError(Exception):
    """A WebSocket handshake was answered with an ordinary HTTP response.

    Carries it as an `UpstreamStatus` in `answer`.
    """

    def __init__(self, answer: UpstreamStatus) -> None:
        super().__init__(f"handshake answered with {answer.status}")
        self.answer = answer


class Transport(Protocol):
    """Opens connections. Leaving a context stops the transfer at once."""

    def open(
        self, request: UpstreamRequest, exit_: Exit, timeouts: Timeouts
    ) -> AbstractAsyncContextManager[UpstreamStream]:
        """Send a request and wait for its headers.

        Raises:
            UpstreamTimeoutError: `code` is `upstream_connect_timeout` or `upstream_header_timeout`.
            UpstreamUnavailableError: no connection; its `scope` is EGRESS.
        """
        ...

    def connect(
        self,
        request: UpstreamRequest,
        exit_: Exit,
        timeouts: Timeouts,
        *,
        limit_bytes: int = MAX_MESSAGE_BYTES,
    ) -> AbstractAsyncContextManager[UpstreamSocket]:
        """Open a WebSocket (`request.url` is ws:// or wss://) for messages up to `limit_bytes`.

        Raises:
            HandshakeRefusedError: the answer was not 101.
            UpstreamTimeoutError, UpstreamUnavailableError: as `open`.
        """
        ...
