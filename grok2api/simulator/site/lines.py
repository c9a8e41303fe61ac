"""How frames leave: through a WebSocket or as the body of an HTTP answer, well or badly."""

import asyncio
from collections.abc import Coroutine
from typing import Protocol, TypeVar

from starlette.types import Scope, Send

from grok2api.simulator.connections import Connection, connection_of, pack_message
from grok2api.simulator.frames.socket_frames import BINARY_MESSAGE
from grok2api.simulator.ledger import Call
from grok2api.simulator.script.directives import Script
from grok2api.simulator.site.gate import Answer

_TEXT, _BINARY = 1, 2
Verdict = TypeVar("Verdict")


class Line(Protocol):
    """The way from the simulator to its client."""

    async def write(self, frames: list[bytes]) -> None:
        """Send frames in one write, or in writes of `chunk` bytes if the script says so."""
        ...

    async def truncate(self, frame: bytes) -> None:
        """Send the first half of a frame."""
        ...

    async def strike(self, silent_fault: str) -> None:
        """Break the connection, or fall silent for good."""
        ...


class SocketLine:
    """A WebSocket that has been accepted."""

    def __init__(self, scope: Scope, send: Send, script: Script) -> None:
        self._scope = scope
        self._send = send
        self._connection = connection_of(scope)
        self._script = script

    async def write(self, frames: list[bytes]) -> None:
        if self._connection is None:
            for frame in frames:
                await self._send_alone(frame)
            return
        fragment = self._script.fragment
        packed = b"".join(
            pack_message(
                frame, opcode=_BINARY if frame is BINARY_MESSAGE else _TEXT, fragment=fragment
            )
            for frame in frames
        )
        await _write_pieces(self._connection, packed, self._script.chunk)

    async def truncate(self, frame: bytes) -> None:
        if self._connection is None:
            await self._send_alone(frame[: len(frame) // 2])
            return
        packed = pack_message(frame, opcode=_TEXT)
        await self._connection.write_raw(packed[: len(packed) // 2])

    async def strike(self, silent_fault: str) -> None:
        await strike(self._scope, silent_fault)

    async def _send_alone(self, frame: bytes) -> None:
        if frame is BINARY_MESSAGE:
            await self._send({"type": "websocket.send", "bytes": frame})
        else:
            await self._send({"type": "websocket.send", "text": frame.decode()})


class BodyLine:
    """The body of an HTTP answer whose headers have been sent."""

    def __init__(self, scope: Scope, send: Send, script: Script) -> None:
        self._scope = scope
        self._send = send
        self._script = script
        self._written = 0

    async def write(self, frames: list[bytes]) -> None:
        data = b"".join(map(self._frame, frames))
        size = self._script.chunk or len(data)
        for at in range(0, len(data), size or 1):
            await self._body(data[at : at + size])
            if self._script.chunk:
                await asyncio.sleep(0)

    async def truncate(self, frame: bytes) -> None:
        await self._body(frame[: len(frame) // 2])

    async def end(self) -> None:
        """End the body as HTTP wants it."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def end_stream(self) -> None:
        """End the body as the framing wants it."""
        if self._script.framing == "sse":
            await self._body(b"data: [DONE]\n\n")
        await self.end()

    async def break_off(self, call: Call) -> None:
        """End the answer as badly as the script wants it."""
        if self._script.end == "silence":
            await self.strike("hang")
        call.fail()
        if self._script.end == "reset":
            await self.strike("reset")
            return
        if self._script.end == "truncate":
            await self.truncate(b'{"result":{"response":{"token":"cut off"}}}')
        await self.end()

    async def strike(self, silent_fault: str) -> None:
        await strike(self._scope, silent_fault)

    async def _body(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    def _frame(self, frame: bytes) -> bytes:
        self._written += 1
        framing = self._script.framing
        if framing == "mixed":
            framing = ("lines", "sse", "concat")[self._written % 3]
        if framing == "sse":
            return b"event: message\ndata: " + frame + b"\n\n"
        return frame + b"\n" if framing == "lines" else frame


async def strike(scope: Scope, silent_fault: str) -> None:
    """Let a fault of the connection happen: `reset`, `drop` or `hang` (which never returns).

    Raises:
        ConnectionAbortedError: the server is not ours and gives no access to its connections.
    """
    if silent_fault == "hang":
        await asyncio.Event().wait()
    connection = connection_of(scope)
    if connection is None:
        raise ConnectionAbortedError("the script breaks the connection")
    if silent_fault == "reset":
        connection.reset()
    else:
        connection.drop()


async def send_answer(send: Send, answer: Answer, *, is_handshake: bool = False) -> None:
    """Send a whole answer, in place of a handshake if need be."""
    prefix = "websocket.http" if is_handshake else "http"
    headers = [(name.encode(), value.encode()) for name, value in answer.headers]
    headers.append((b"content-type", answer.content_type.encode()))
    headers.append((b"content-length", str(len(answer.body)).encode()))
    start = {"type": f"{prefix}.response.start", "status": answer.status, "headers": headers}
    await send(start)
    await send({"type": f"{prefix}.response.body", "body": answer.body, "more_body": False})


def own_address(scope: Scope) -> str:
    """Return the origin that the client of a request has called, without a final slash."""
    host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
    return f"{'https' if scope['scheme'] in ('https', 'wss') else 'http'}://{host}"


async def run_while(
    work: Coroutine[object, object, None], watch: Coroutine[object, object, Verdict]
) -> Verdict | None:
    """Run `work` until it ends or `watch` returns; return what `watch` returned, else None."""
    async with asyncio.TaskGroup() as group:
        worker, watcher = group.create_task(work), group.create_task(watch)
        await asyncio.wait((worker, watcher), return_when=asyncio.FIRST_COMPLETED)
        has_ended = worker.done()
        worker.cancel()
        watcher.cancel()
    return None if has_ended else watcher.result()


async def _write_pieces(connection: Connection, data: bytes, size: int) -> None:
    if not size:
        await connection.write_raw(data)
        return
    for at in range(0, len(data), size):
        await connection.write_raw(data[at : at + size])
        await asyncio.sleep(0)
