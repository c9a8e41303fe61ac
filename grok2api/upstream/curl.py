"""The transport over libcurl with a browser's profile (curl-cffi)."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Self

from grok2api.domain.upstream import UpstreamRequest
from grok2api.errors import UpstreamTimeoutError
from grok2api.upstream.frames import MAX_MESSAGE_BYTES
from grok2api.upstream.handle import set_request
from grok2api.upstream.sessions import Sessions
from grok2api.upstream.transfer import Transfer
from grok2api.upstream.transport import Exit, Timeouts
from grok2api.upstream.websocket import CurlWebSocket, open_websocket


class CurlTransport:
    """Opens HTTP streams and WebSockets; belongs to one event loop.

    At most `max_connections` exchanges run at a time. `ca_file` names a PEM file of trusted
    authorities ("" = the system's).
    """

    def __init__(self, max_connections: int, *, ca_file: str = "") -> None:
        self.sessions = Sessions(max_connections, ca_file=ca_file)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.sessions.close()

    @asynccontextmanager
    async def open(
        self, request: UpstreamRequest, exit_: Exit, timeouts: Timeouts
    ) -> AsyncIterator[Transfer]:
        """Send a request and wait for its headers. Redirects are answers like any other.

        Raises:
            UpstreamTimeoutError: `code` is `upstream_connect_timeout` or `upstream_header_timeout`.
            UpstreamUnavailableError: no connection, or too many are open already.
            SettingsError: curl cannot use this exit.
        """
        session, handle = await self.sessions.acquire(exit_)
        transfer = Transfer(session.multi, handle, timeouts)
        try:
            set_request(handle, request, connect_s=timeouts.connect_s)
            await transfer.start()
            yield transfer
        except UpstreamTimeoutError:
            self.sessions.retire(session)  # its connections may lead nowhere
            raise
        finally:
            transfer.close()
            self.sessions.release(session, handle)

    def connect(
        self,
        request: UpstreamRequest,
        exit_: Exit,
        timeouts: Timeouts,
        *,
        limit_bytes: int = MAX_MESSAGE_BYTES,
    ) -> AbstractAsyncContextManager[CurlWebSocket]:
        """Open a WebSocket (`request.url` is ws:// or wss://) for messages up to `limit_bytes`.

        Raises:
            HandshakeRefusedError: the answer was not 101.
            UpstreamTimeoutError, UpstreamUnavailableError, SettingsError: as `open`.
            UpstreamProtocolError: the answer was 101 but no WebSocket.
        """
        return open_websocket(self.sessions, request, exit_, timeouts, limit_bytes)

    def forget(self, exit_: Exit) -> None:
        """Use none of this exit's connections again, as after a new clearance."""
        self.sessions.forget(exit_)


def open_transport(max_connections: int, *, ca_file: str = "") -> CurlTransport:
    """Return the transport; a context manager that closes everything at its end."""
    return CurlTransport(max_connections, ca_file=ca_file)
