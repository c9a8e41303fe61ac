"""A server on loopback that does exactly what a test tells it, well or badly."""

import asyncio
import base64
import hashlib
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import pytest
import uvloop

from grok2api.domain.upstream import UpstreamRequest
from grok2api.upstream.curl import CurlTransport, open_transport

Script = Callable[["Peer"], Awaitable[None]]


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run every test here on both loops."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Peer:
    """The server's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.head = b""
        self.body = b""
        self.is_gone = asyncio.Event()

    async def read_request(self) -> bytes:
        self.head = await self.reader.readuntil(b"\r\n\r\n")
        length = self.header("content-length")
        self.body = await self.reader.readexactly(int(length)) if length else b""
        return self.head

    def header(self, name: str) -> str:
        for line in self.head.decode().split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name:
                return value.strip()
        return ""

    async def write(self, *parts: bytes) -> None:
        self.writer.write(b"".join(parts))
        await self.writer.drain()

    async def answer(self, body: bytes = b"", status: str = "200 OK", extra: bytes = b"") -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n".encode()
        await self.write(head, extra, b"\r\n", body)

    async def start_chunks(self, extra: bytes = b"") -> None:
        await self.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", extra, b"\r\n")

    async def chunk(self, data: bytes) -> None:
        await self.write(f"{len(data):x}\r\n".encode(), data, b"\r\n")

    async def wait_gone(self) -> None:
        """Wait until the client has dropped the connection."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            pass
        self.is_gone.set()

    async def accept_websocket(self) -> None:
        await self.read_request()
        salted = self.header("sec-websocket-key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(salted.encode()).digest())  # noqa: S324
        await self.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
            b"Sec-WebSocket-Accept: ",
            accept,
            b"\r\n\r\n",
        )

    async def read_frame(self) -> tuple[int, bytes]:
        """Return opcode and payload of the client's next frame."""
        first, second = await self.reader.readexactly(2)
        assert second & 0x80, "a client must mask its frames"
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", await self.reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
        mask = await self.reader.readexactly(4)
        payload = await self.reader.readexactly(size)
        return first & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def frame(payload: bytes, opcode: int = 1, *, is_final: bool = True) -> bytes:
    """Build a server frame."""
    first = opcode | (0x80 if is_final else 0)
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", first, size) + payload
    if size < 65536:
        return struct.pack("!BBH", first, 126, size) + payload
    return struct.pack("!BBQ", first, 127, size) + payload


class Server:
    """Listens on loopback and runs a script for each connection."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.peers: list[Peer] = []
        self.port = 0
        self._tls = tls
        self._s = "s" if tls else ""
        self._script = script
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        peer = Peer(reader, writer)
        self.peers.append(peer)
        try:
            await self._script(peer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort() if writer.is_closing() else writer.close()
            self._tasks.discard(task)

    def get(self, path: str = "/", *headers: tuple[str, str]) -> UpstreamRequest:
        return UpstreamRequest("GET", f"http{self._s}://127.0.0.1:{self.port}{path}", headers)

    def post(self, body: bytes, *headers: tuple[str, str]) -> UpstreamRequest:
        return UpstreamRequest("POST", f"http{self._s}://127.0.0.1:{self.port}/", headers, body)

    def websocket(self, path: str = "/ws/", *headers: tuple[str, str]) -> UpstreamRequest:
        return UpstreamRequest("GET", f"ws{self._s}://127.0.0.1:{self.port}{path}", headers)


Serve = Callable[..., Awaitable[Server]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start servers, each with its script; all are closed at the end."""
    servers: list[Server] = []

    async def start(script: Script, tls: ssl.SSLContext | None = None) -> Server:
        server = Server(script, tls)
        await server.open()
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.close()


@pytest.fixture
async def transport() -> AsyncIterator[CurlTransport]:
    """A transport that must have nothing under way when the test ends."""
    async with open_transport(40) as transport:
        yield transport
        assert transport.sessions.active == 0
        assert all(session.multi.transfers == 0 for session in transport.sessions.open_sessions)


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Wait until something has become true; the test's own deadline ends a vain wait."""

    async def wait(is_true: Callable[[], bool]) -> None:
        while not is_true():  # noqa: ASYNC110  (what is awaited has no event)
            await asyncio.sleep(0.01)

    return wait


@pytest.fixture
def build_frame() -> Callable[..., bytes]:
    return frame
