"""WebSockets over curl: the upgrade is an ordinary request, so a refusal has a status and a body.

libcurl's own WebSocket support drops the body of a refused handshake. Asking for the upgrade
ourselves over http(s) keeps the same TLS profile, delivers a refusal like any answer, and brings
many frames per wake-up through the same buffer as HTTP bodies. Reading is the answer's body,
writing is an upload of unknown length.
"""

import asyncio
import base64
import os
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from curl_cffi import CurlError, CurlOpt

from grok2api.domain.upstream import UpstreamRequest, UpstreamStatus
from grok2api.errors import UpstreamError
from grok2api.upstream import faults
from grok2api.upstream.frames import (
    MAX_MESSAGE_BYTES,
    FrameError,
    FrameParser,
    Opcode,
    accept_of,
    encode_frame,
)
from grok2api.upstream.handle import Handle, encode_headers
from grok2api.upstream.multi import Multi
from grok2api.upstream.sessions import Sessions
from grok2api.upstream.transfer import Transfer
from grok2api.upstream.transport import Exit, HandshakeRefusedError, Timeouts

WRITE_TIMEOUT_S: Final = 15.0
REFUSAL_BYTES: Final = 64 * 1024
_READ_PAUSE: Final = 0x10000001  # CURL_READFUNC_PAUSE
_SWITCHING_PROTOCOLS: Final = 101
_MESSAGE_TOO_BIG: Final = 1009
_OURS: Final = frozenset(
    {"connection", "upgrade", "sec-websocket-key", "sec-websocket-version", "content-length"}
)


class CurlWebSocket:
    """An open WebSocket. One task receives; any task may send."""

    def __init__(
        self, multi: Multi, transfer: Transfer, limit_bytes: int = MAX_MESSAGE_BYTES
    ) -> None:
        self.close_code: int | None = None  # the peer's, once it has closed; 1005 if it gave none
        self._multi = multi
        self._transfer = transfer
        self._parser = FrameParser(limit_bytes)
        self._output: deque[memoryview] = deque()
        self._is_closing = False
        self._drained: asyncio.Event = asyncio.Event()
        transfer.on_end = self._drained.set

    async def send(self, message: bytes) -> None:
        """Send one text message; return when the connection has taken it.

        Raises:
            UpstreamTimeoutError: the peer took nothing for `WRITE_TIMEOUT_S`.
            UpstreamUnavailableError: the connection is closed or broke.
        """
        if self._transfer.is_over or self._is_closing:
            raise faults.truncated("the WebSocket is closed")
        self._queue(Opcode.TEXT, message)
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                while self._output and not self._transfer.is_over:
                    self._drained.clear()
                    await self._drained.wait()
        except TimeoutError:
            self._transfer.close()
            raise faults.write_timeout(WRITE_TIMEOUT_S) from None
        if self._output:
            raise faults.truncated("the connection broke while sending")

    async def receive(self) -> list[bytes]:
        """Return the text messages that have arrived, at least one; [] when the peer has closed.

        Pings are answered here. Cancelling loses no message.

        Raises:
            UpstreamTimeoutError: nothing came within the idle deadline.
            UpstreamUnavailableError: the connection broke without a close frame.
            UpstreamProtocolError: bytes that are no frames; final for a message beyond the limit.
        """
        parser = self._parser
        while not parser.texts:
            if self.close_code is not None:
                return []
            data = await self._transfer.read()
            if not data:
                raise faults.truncated("the connection ended without a close frame")
            try:
                parser.feed(data)
            except FrameError as error:
                self._say_close(error.close_code)
                raise _explain(error) from None
            if parser.controls:
                self._answer_controls()
        texts, parser.texts = parser.texts, []
        return texts

    def take_output(self, limit_bytes: int) -> memoryview | int:
        """Give curl what is to be sent (its read callback)."""
        if not self._output:
            return _READ_PAUSE
        head = self._output[0]
        if len(head) <= limit_bytes:
            self._output.popleft()
            if not self._output:
                self._drained.set()
            return head
        self._output[0] = head[limit_bytes:]
        return head[:limit_bytes]

    def say_goodbye(self) -> None:
        """Try to get a close frame out before the connection is dropped, without waiting."""
        self._say_close(1000)

    def _say_close(self, code: int) -> None:
        if self._transfer.is_over or self._is_closing:
            return
        self._is_closing = True
        self._queue(Opcode.CLOSE, code.to_bytes(2, "big"))
        self._multi.flush()

    def _answer_controls(self) -> None:
        controls, self._parser.controls = self._parser.controls, []
        for opcode, payload in controls:
            if opcode == Opcode.PING:
                self._queue(Opcode.PONG, payload)
                continue
            self.close_code = int.from_bytes(payload[:2], "big") if len(payload) > 1 else 1005
            self._say_close(1000)
            return

    def _queue(self, opcode: Opcode, payload: bytes) -> None:
        self._output.append(memoryview(encode_frame(opcode, payload, os.urandom(4))))
        self._transfer.resume()


@asynccontextmanager
async def open_websocket(
    sessions: Sessions,
    request: UpstreamRequest,
    exit_: Exit,
    timeouts: Timeouts,
    limit_bytes: int = MAX_MESSAGE_BYTES,
) -> AsyncIterator[CurlWebSocket]:
    """Shake hands and hand out the socket; leaving closes it at once.

    Raises:
        HandshakeRefusedError: the answer was not 101.
        UpstreamTimeoutError, UpstreamUnavailableError, SettingsError: as `CurlTransport.open`.
        UpstreamProtocolError: the answer was 101 but no WebSocket.
    """
    session, handle = await sessions.acquire(exit_, is_websocket=True)
    transfer = Transfer(session.multi, handle, timeouts)
    try:
        key = base64.b64encode(os.urandom(16))
        socket = CurlWebSocket(session.multi, transfer, limit_bytes)
        _set_upgrade(handle, request, key, timeouts)
        handle.setopt(CurlOpt.READFUNCTION, socket.take_output)
        await transfer.start()
        await _check_answer(transfer, key)
        try:
            yield socket
        finally:
            socket.say_goodbye()
    finally:
        transfer.close()
        sessions.release(session, handle, is_websocket=True)


def _set_upgrade(handle: Handle, request: UpstreamRequest, key: bytes, timeouts: Timeouts) -> None:
    scheme, separator, rest = request.url.partition("://")
    headers = (
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        *((name, value) for name, value in request.headers if name.lower() not in _OURS),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", key.decode()),
    )
    url = {"ws": "http", "wss": "https"}.get(scheme, scheme) + separator + rest
    try:
        handle.setopt(CurlOpt.URL, url.encode())
        handle.setopt(CurlOpt.CUSTOMREQUEST, b"GET")
        lines = encode_headers(headers, unsent=("Transfer-Encoding",))
        handle.setopt(CurlOpt.HTTPHEADER, lines)
        handle.setopt(CurlOpt.CONNECTTIMEOUT_MS, max(1, int(timeouts.connect_s * 1000)))
    except CurlError as error:
        raise faults.unsendable(faults.describe(error.code)) from None


def _explain(error: FrameError) -> UpstreamError:
    told = f"WebSocket: {error}"
    is_too_large = error.close_code == _MESSAGE_TOO_BIG
    return faults.too_large(told) if is_too_large else faults.protocol(told)


async def _check_answer(transfer: Transfer, key: bytes) -> None:
    if transfer.status != _SWITCHING_PROTOCOLS:
        body = await transfer.read_head(REFUSAL_BYTES)
        raise HandshakeRefusedError(UpstreamStatus(transfer.status, transfer.headers, body))
    headers = transfer.headers
    if headers.get("sec-websocket-accept") != accept_of(key):
        raise faults.protocol("WebSocket: wrong Sec-WebSocket-Accept")
    if "sec-websocket-extensions" in headers:
        raise faults.protocol("WebSocket: an extension nobody asked for")
