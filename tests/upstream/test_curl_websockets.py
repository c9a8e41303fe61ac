"""WebSockets over curl: messages, refusals, and every way to end."""

import asyncio
from collections.abc import Callable

import pytest

from grok2api.errors import (
    UpstreamProtocolError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from grok2api.upstream.curl import CurlTransport
from grok2api.upstream.transport import Exit, HandshakeRefusedError, Timeouts, UpstreamSocket

PATIENT = Timeouts(connect_s=5, header_s=10, idle_s=10)
DIRECT = Exit()
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

pytestmark = pytest.mark.timeout(30)

Frame = Callable[..., bytes]


async def receive_count(socket: UpstreamSocket, count: int) -> list[bytes]:
    messages: list[bytes] = []
    while len(messages) < count:
        batch = await socket.receive()
        assert batch, "the peer closed too early"
        messages += batch
    return messages


async def test_messages_go_both_ways(serve, transport: CurlTransport, build_frame: Frame):
    async def script(peer) -> None:
        await peer.accept_websocket()
        while True:
            opcode, payload = await peer.read_frame()
            if opcode != TEXT:
                return
            await peer.write(build_frame(payload))

    server = await serve(script)
    sent = [b"", b"short", "grüße 你好 🙂".encode(), b"m" * 126, b"l" * 70_000]

    async with transport.connect(server.websocket(), DIRECT, PATIENT) as socket:
        for message in sent:
            await socket.send(message)
        assert await receive_count(socket, len(sent)) == sent


async def test_the_handshake_has_our_headers(serve, transport: CurlTransport):
    async def script(peer) -> None:
        await peer.accept_websocket()
        await peer.wait_gone()

    server = await serve(script)
    request = server.websocket(
        "/ws/mgw/?uid=1", ("Origin", "https://grok.com"), ("User-Agent", "UA"), ("Cookie", "sso=A")
    )

    for profile in ("", "chrome"):
        async with transport.connect(request, Exit(profile=profile), PATIENT):
            pass
        peer = server.peers[-1]
        names = [line.split(":")[0] for line in peer.head.decode().split("\r\n")[:-2]]
        assert names == [
            "GET /ws/mgw/?uid=1 HTTP/1.1",
            "Host",
            "Upgrade",
            "Origin",
            "User-Agent",
            "Cookie",
            "Sec-WebSocket-Version",
            "Sec-WebSocket-Key",
            "Connection",
        ]
        assert peer.header("connection") == "Upgrade"
        assert peer.header("upgrade") == "websocket"


async def test_a_burst_arrives_whole_and_in_order(serve, transport: CurlTransport, build_frame):
    burst = [b'{"n":%d}' % number for number in range(2000)]

    async def script(peer) -> None:
        await peer.accept_websocket()
        await peer.write(*(build_frame(message) for message in burst))
        await peer.wait_gone()

    server = await serve(script)

    async with transport.connect(server.websocket(), DIRECT, PATIENT) as socket:
        assert await receive_count(socket, len(burst)) == burst


async def test_frames_with_the_handshake_answer_are_not_lost(
    serve, transport: CurlTransport, build_frame
):
    async def script(peer) -> None:
        writer, peer.writer = peer.writer, _Collector(peer.writer)
        await peer.accept_websocket()
        writer.write(peer.writer.data + build_frame(b"eager"))
        peer.writer = writer
        await peer.wait_gone()

    server = await serve(script)

    async with transport.connect(server.websocket(), DIRECT, PATIENT) as socket:
        assert await socket.receive() == [b"eager"]


class _Collector:
    """Keeps what is written, to send it together with more."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data

    async def drain(self) -> None:
        pass


async def test_fragments_are_joined_around_control_frames(
    serve, transport: CurlTransport, build_frame, until
):
    answers: list[tuple[int, bytes]] = []

    async def script(peer) -> None:
        await peer.accept_websocket()
        await peer.write(build_frame(b"one ", TEXT, is_final=False))
        await peer.write(build_frame(b"are you there?", PING))
        await peer.write(build_frame(b"two ", 0, is_final=False))
        await peer.write(build_frame(b"three", 0))
        answers.append(await peer.read_frame())
        await peer.wait_gone()

    server = await serve(script)

    async with transport.connect(server.websocket(), DIRECT, PATIENT) as socket:
        assert await socket.receive() == [b"one two three"]
        await until(lambda: bool(answers))

    assert answers == [(PONG, b"are you there?")]


async def test_frames_cut_anywhere_are_read(serve, transport: CurlTransport, build_frame):
    messages = [b"a", b"b" * 200, b"c" * 70_000, b"d"]

    async def script(peer) -> None:
        await peer.accept_websocket()
        data = b"".join(build_frame(message) for message in messages)
        for start in range(220):
            await peer.write(data[start : start + 1])
            await asyncio.sleep(0)
        await peer.write(data[220:])
        await peer.wait_gone()

    server = await serve(script)

    async with transport.connect(server.websocket(), DIRECT, PATIENT) as socket:
        assert await receive_count(socket, len(messages)) == messages


async def test_binary_messages_are_ignored(serve, transport: CurlTransport, build_frame):
    async def script(peer) -> None:
        await peer.accept_websocket()
        await peer.write(build_frame(b"\0\1", BINARY), build_frame(b"text"))
        await peer.wait_gone()

    server = await serve(script)

    async with transport.connect(server.websocket(), DIRECT, PATIENT) as socket:
        assert await socket.receive() == [b"text"]


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "429 Too Many Requests"])
async def test_a_refused_handshake_has_status_headers_and_body(
    serve, transport: CurlTransport, status: str
):
    async def script(peer) -> None:
        await peer.read_request()
        await peer.answer(b'{"error":"blocked-user"}', status, b"Retry-After: 9\r\n")
        await peer.wait_gone()

    server = await serve(script)

    with pytest.raises(HandshakeRefusedError) as caught:
        async with transport.connect(server.websocket(), Exit(profile="chrome"), PATIENT):
            pass

    answer = caught.value.answer
    assert answer.status == int(status[:3])
    assert answer.headers["retry-after"] == "9"
    assert answer.body == b'{"error":"blocked-user"}'
    assert await server.peers[0].is_gone.wait()


async def test_a_long_refusal_is_cut_at_64_kib(serve, transport: CurlTransport):
    async def script(peer) -> None:
        await peer.read_request()
        await peer.answer(b"x" * 1_000_000, "403 Forbidden")

    server = await serve(script)

    with pytest.raises(HandshakeRefusedError) as caught:
        async with transport.connect(server.websocket(), DIRECT, PATIENT):
            pass

    assert len(caught.value.answer.body) == 64 * 1024


async def test_a_handshake_answer_with_a_wrong_key_is_an_error(serve, transport: CurlTransport):
    async def script(peer) -> None:
        await peer.read_request()
        await peer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Accept: bm9wZQ==\r\n\r\n"
        )
        await peer.wait_gone()

    server = await serve(script)

    with pytest.raises(UpstreamProtocolError):
        async with transport.connect(server.websocket(), DIRECT, PATIENT):
            pass


async def test_a_silent_handshake_hits_the_header_deadline(serve, transport: CurlTransport):
    async def script(peer) -> None:
        await peer.read_request()
        await peer.wait_gone()

    server = await serve(script)

    with pytest.raises(UpstreamTimeoutError) as caught:
        async with transport.connect(server.websocket(), DIRECT, Timeouts(5, 0.2, 5)):
            pass

    assert caught.value.code == "upstream_header_timeout"
    assert await server.peers[0].is_gone.wait()


async def test_a_close_frame_ends_after_the_messages_before_it(
    serve, transport: CurlTransport, build_frame, until
):
    replies: list[tuple[int, bytes]] = []

    async def script(peer) -> None:
        await peer.accept_websocket()
        await peer.write(build_frame(b"last"), build_frame(b"\x03\xf3bye", CLOSE))
        replies.append(await peer.read_frame())

    server = await serve(script)

    async with transport.connect(server.websocket(), DIRECT, PATIENT) as socket:
        assert await socket.receive() == [b"last"]
        assert await socket.receive() == []
        assert await socket.receive() == []
        assert socket.close_code == 1011
        with pytest.raises(UpstreamUnavailableError):
            await socket.send(b"too late")

    await until(lambda: bool(replies))
    assert replies == [(CLOSE, b"\x03\xe8")]


async def test_a_cut_connection_is_an_error(serve, transport: CurlTransport, build_frame):
    async def script(peer) -> None:
        await peer.accept_websocket()
        await peer.write(build_frame(b"first"), build_frame(b"never whole")[:5])

    server = await serve(script)

    async with transport.connect(server.websocket(), DIRECT, PATIENT) as socket:
        assert await socket.receive() == [b"first"]
        with pytest.raises(UpstreamUnavailableError) as caught:
            await socket.receive()
        with pytest.raises(UpstreamUnavailableError):
            await socket.send(b"too late")

    assert caught.value.code == "upstream_stream_truncated"


async def test_a_silent_socket_hits_the_idle_deadline(serve, transport: CurlTransport):
    async def script(peer) -> None:
        await peer.accept_websocket()
        await peer.wait_gone()

    server = await serve(script)

    async with transport.connect(server.websocket(), DIRECT, Timeouts(5, 5, 0.2)) as socket:
        with pytest.raises(UpstreamTimeoutError) as caught:
            await socket.receive()

    assert caught.value.code == "upstream_stream_idle_timeout"
    assert await server.peers[0].is_gone.wait()


@pytest.mark.parametrize(
    "junk",
    [
        b"\xc1\x01x",  # reserved bit
        b"\x83\x01x",  # unknown opcode
        b"\x81\x81abcdx",  # masked by the server
        b"\x80\x01x",  # continuation of nothing
        b"\x09\x01x",  # fragmented ping
        b"\x81\x7f\x00\x00\x00\x00\x01\x00\x00\x01",  # 16 MiB and one byte
    ],
)
async def test_broken_frames_are_a_protocol_error(serve, transport: CurlTransport, junk: bytes):
    async def script(peer) -> None:
        await peer.accept_websocket()
        await peer.write(junk)
        await peer.wait_gone()

    server = await serve(script)

    async with transport.connect(server.websocket(), DIRECT, PATIENT) as socket:
        with pytest.raises(UpstreamProtocolError):
            await socket.receive()


async def test_a_message_of_16_mib_is_read(serve, transport: CurlTransport, build_frame):
    message = b"x" * (16 * 1024 * 1024)

    async def script(peer) -> None:
        await peer.accept_websocket()
        await peer.write(build_frame(message))
        await peer.wait_gone()

    server = await serve(script)

    async with transport.connect(server.websocket(), DIRECT, PATIENT) as socket:
        assert await socket.receive() == [message]


async def test_leaving_sends_a_close_frame_and_disconnects(serve, transport: CurlTransport):
    frames: list[tuple[int, bytes]] = []

    async def script(peer) -> None:
        await peer.accept_websocket()
        frames.append(await peer.read_frame())
        await peer.wait_gone()

    server = await serve(script)

    async with transport.connect(server.websocket(), DIRECT, PATIENT):
        pass

    assert await server.peers[0].is_gone.wait()
    assert frames == [(CLOSE, b"\x03\xe8")]


async def test_cancelling_a_receive_disconnects(serve, transport: CurlTransport):
    frames: list[tuple[int, bytes]] = []
    is_open = asyncio.Event()

    async def script(peer) -> None:
        await peer.accept_websocket()
        frames.append(await peer.read_frame())
        await peer.wait_gone()

    server = await serve(script)

    async def call() -> None:
        async with transport.connect(server.websocket(), DIRECT, PATIENT) as socket:
            is_open.set()
            await socket.receive()

    task = asyncio.create_task(call())  # noqa: TID251
    await is_open.wait()
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await server.peers[0].is_gone.wait()
    assert frames == [(CLOSE, b"\x03\xe8")]
    assert transport.sessions.active == 0


async def test_a_cancelled_receive_loses_no_message(serve, transport: CurlTransport, build_frame):
    may_write = asyncio.Event()

    async def script(peer) -> None:
        await peer.accept_websocket()
        await may_write.wait()
        await peer.write(build_frame(b"kept"))
        await peer.wait_gone()

    server = await serve(script)

    async with transport.connect(server.websocket(), DIRECT, PATIENT) as socket:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await socket.receive()
        may_write.set()
        assert await socket.receive() == [b"kept"]


async def test_a_slow_reader_stops_the_sender(serve, transport: CurlTransport, build_frame):
    total = 4000
    sent = 0
    message = b"x" * 8192

    async def script(peer) -> None:
        nonlocal sent
        await peer.accept_websocket()
        for _ in range(total):
            await peer.write(build_frame(message))
            sent += 1
        await peer.wait_gone()

    server = await serve(script)

    async with transport.connect(server.websocket(), DIRECT, PATIENT) as socket:
        before = -1
        while sent != before or not sent:  # until nothing moves
            before = sent
            await asyncio.sleep(0.2)
        assert sent < total
        assert len(await receive_count(socket, total)) == total


async def test_a_peer_that_reads_nothing_blocks_the_sender(
    serve, transport: CurlTransport, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("grok2api.upstream.websocket.WRITE_TIMEOUT_S", 0.3)
    is_over = asyncio.Event()

    async def script(peer) -> None:
        await peer.accept_websocket()
        await is_over.wait()

    server = await serve(script)

    async with transport.connect(server.websocket(), DIRECT, PATIENT) as socket:
        with pytest.raises(UpstreamTimeoutError) as caught:
            await socket.send(b"x" * 15_000_000)
    is_over.set()

    assert caught.value.code == "upstream_write_timeout"


async def test_sending_works_while_the_reader_rests(serve, transport: CurlTransport, build_frame):
    got: list[int] = []

    async def script(peer) -> None:
        await peer.accept_websocket()
        flood = asyncio.create_task(  # noqa: TID251
            peer.write(*[build_frame(b"x" * 65536)] * 400)
        )
        while len(got) < 5:
            got.append(len((await peer.read_frame())[1]))
        await flood

    server = await serve(script)

    async with transport.connect(server.websocket(), DIRECT, PATIENT) as socket:
        await asyncio.sleep(0.2)  # long enough for the buffer to fill
        for _ in range(5):
            await socket.send(b"ping")
        await receive_count(socket, 400)

    assert got == [4] * 5
