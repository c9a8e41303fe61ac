"""Access to the bare connection, which ASGI hides: many frames in one write, and a TCP reset."""

import socket
import struct
from asyncio import Transport
from typing import Protocol, cast

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

_EXTENSION = "grok2api.simulator.connection"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_SHORT, _LONG = 126, 127
_SHORT_MAX = 0xFFFF


class Connection(Protocol):
    """A connection that can be treated badly."""

    async def write_raw(self, data: bytes) -> None:
        """Write bytes as they are, once the peer keeps up."""
        ...

    def reset(self) -> None:
        """End the connection with a TCP reset; what waits to be written is lost."""
        ...

    def drop(self) -> None:
        """End the connection in good order, without a word more."""
        ...


def connection_of(scope: Scope) -> Connection | None:
    """Return the bare connection; None under a server that is not ours."""
    return cast("Connection | None", scope.get("extensions", {}).get(_EXTENSION))


class FaultyHttpProtocol(HttpToolsProtocol):
    """Uvicorn's HTTP protocol, with its connection in the scope."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast("dict[str, object]", self.scope)["extensions"] = {_EXTENSION: self}

    async def write_raw(self, data: bytes) -> None:
        await self.flow.drain()
        self.transport.write(data)

    def reset(self) -> None:
        _reset(self.transport)

    def drop(self) -> None:
        self.transport.close()


class FaultySocketProtocol(WebSocketsSansIOProtocol):
    """Uvicorn's WebSocket protocol, with its connection in the scope."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:  # noqa: PLR2004 - otherwise there is no scope
            extensions = cast("dict[str, object]", self.scope["extensions"])
            extensions[_EXTENSION] = self

    async def write_raw(self, data: bytes) -> None:
        await self.writable.wait()
        if self.disconnected or self.close_sent:
            raise ClientDisconnected
        self.transport.write(data)

    def reset(self) -> None:
        _reset(self.transport)

    def drop(self) -> None:
        self.transport.close()


def pack_message(payload: bytes, *, opcode: int, fragment: int = 0) -> bytes:
    """Return a server's WebSocket message, in frames of at most `fragment` bytes if that is > 0."""
    if not 0 < fragment < len(payload):
        return _header(0x80 | opcode, len(payload)) + payload
    pieces = [payload[at : at + fragment] for at in range(0, len(payload), fragment)]
    last = len(pieces) - 1
    return b"".join(
        _header((0x80 if n == last else 0) | (0 if n else opcode), len(piece)) + piece
        for n, piece in enumerate(pieces)
    )


def _header(first: int, length: int) -> bytes:
    if length < _SHORT:
        return bytes((first, length))
    if length <= _SHORT_MAX:
        return struct.pack("!BBH", first, _SHORT, length)
    return struct.pack("!BBQ", first, _LONG, length)


def _reset(transport: Transport) -> None:
    peer = transport.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()
