"""Leaving a stream stops it at once, and nothing is left behind."""

import asyncio
import socket
from pathlib import Path

import pytest

from grok2api.errors import UpstreamTimeoutError, UpstreamUnavailableError
from grok2api.upstream.curl import CurlTransport, open_transport
from grok2api.upstream.transport import Exit, Timeouts

PATIENT = Timeouts(connect_s=10, header_s=60, idle_s=60)
DIRECT = Exit()

pytestmark = pytest.mark.timeout(30)


async def stay_silent(peer) -> None:
    """Take a request and never answer."""
    await peer.read_request()
    await peer.wait_gone()


async def send_one_chunk(peer) -> None:
    """Start a body and fall silent."""
    await peer.read_request()
    await peer.start_chunks()
    await peer.chunk(b"one")
    await peer.wait_gone()


async def cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def count_sockets() -> int:
    return len(list(Path("/dev/fd").iterdir()))


async def test_leaving_before_any_read_disconnects(serve, transport: CurlTransport):
    server = await serve(send_one_chunk)

    async with transport.open(server.get(), DIRECT, PATIENT):
        pass

    assert await server.peers[0].is_gone.wait()


async def test_leaving_after_a_read_disconnects(serve, transport: CurlTransport):
    server = await serve(send_one_chunk)

    async with transport.open(server.get(), DIRECT, PATIENT) as stream:
        await stream.read()

    assert await server.peers[0].is_gone.wait()


async def test_an_exception_in_the_context_disconnects(serve, transport: CurlTransport):
    server = await serve(send_one_chunk)

    with pytest.raises(ZeroDivisionError):
        async with transport.open(server.get(), DIRECT, PATIENT):
            raise ZeroDivisionError

    assert await server.peers[0].is_gone.wait()


async def test_cancelling_before_the_headers_disconnects(serve, transport: CurlTransport, until):
    server = await serve(stay_silent)

    async def call() -> None:
        async with transport.open(server.get(), DIRECT, PATIENT):
            pass

    task = asyncio.create_task(call())  # noqa: TID251
    await until(lambda: bool(server.peers and server.peers[0].head))
    await cancel(task)

    assert await server.peers[0].is_gone.wait()
    assert transport.sessions.active == 0


async def test_cancelling_a_waiting_read_disconnects(serve, transport: CurlTransport):
    server = await serve(send_one_chunk)
    has_first = asyncio.Event()

    async def call() -> None:
        async with transport.open(server.get(), DIRECT, PATIENT) as stream:
            await stream.read()
            has_first.set()
            await stream.read()

    task = asyncio.create_task(call())  # noqa: TID251
    await has_first.wait()
    await cancel(task)

    assert await server.peers[0].is_gone.wait()
    assert transport.sessions.active == 0


async def test_cancelling_while_connecting_leaves_nothing(transport: CurlTransport, serve, until):
    server = await serve(lambda peer: peer.wait_gone())
    request = type(server.get())("GET", f"https://127.0.0.1:{server.port}/", ())

    async def call() -> None:
        async with transport.open(request, DIRECT, PATIENT):
            pass

    task = asyncio.create_task(call())  # noqa: TID251
    await until(lambda: bool(server.peers))
    await cancel(task)

    assert await server.peers[0].is_gone.wait()
    assert transport.sessions.active == 0


async def test_leaving_a_paused_stream_disconnects(serve, transport: CurlTransport, until):
    async def flood(peer) -> None:
        await peer.read_request()
        await peer.start_chunks()
        try:
            while True:
                await peer.chunk(b"x" * 65536)
        finally:
            peer.is_gone.set()

    server = await serve(flood)

    async with transport.open(server.get(), DIRECT, PATIENT) as stream:
        await until(lambda: stream.buffered_bytes >= 1024 * 1024)

    assert await server.peers[0].is_gone.wait()
    assert stream.buffered_bytes == 0


async def test_aborting_one_stream_leaves_the_others_alone(serve, transport: CurlTransport):
    may_end = asyncio.Event()

    async def script(peer) -> None:
        await peer.read_request()
        await peer.start_chunks()
        await may_end.wait()
        await peer.chunk(b"end")
        await peer.write(b"0\r\n\r\n")

    server = await serve(script)

    async with transport.open(server.get(), DIRECT, PATIENT) as kept:
        async with transport.open(server.get(), DIRECT, PATIENT):
            pass
        may_end.set()
        assert await kept.read() == b"end"
        assert await kept.read() == b""


async def test_many_aborts_leak_neither_sockets_nor_handles(serve, transport: CurlTransport, until):
    server = await serve(send_one_chunk)

    async def abort_one() -> None:
        async with transport.open(server.get(), DIRECT, PATIENT) as stream:
            await stream.read()

    await abort_one()
    assert await server.peers[0].is_gone.wait()
    await asyncio.sleep(0.05)  # the server closes its end, too
    before = count_sockets()
    for _ in range(20):
        await asyncio.gather(*(abort_one() for _ in range(10)))

    await until(lambda: count_sockets() <= before)
    (session,) = transport.sessions.open_sessions
    assert session.active == 0
    assert session.multi.transfers == 0
    assert session.idle_handles == 10
    assert session.multi.sockets == 0


async def test_a_handle_serves_again_after_an_abort(serve, transport: CurlTransport):
    async def script(peer) -> None:
        while True:
            await peer.read_request()
            await peer.start_chunks()
            await peer.chunk(b"part")
            if peer.head.startswith(b"GET /whole"):
                await peer.write(b"0\r\n\r\n")

    server = await serve(script)

    for _ in range(3):
        async with transport.open(server.get("/open"), DIRECT, PATIENT) as stream:
            assert await stream.read() == b"part"
        async with transport.open(server.get("/whole"), DIRECT, PATIENT) as stream:
            assert await stream.read() == b"part"
            assert await stream.read() == b""


async def test_a_full_transport_says_so_and_slots_come_back(serve):
    server = await serve(send_one_chunk)

    async with open_transport(2) as transport:
        async with (
            transport.open(server.get(), DIRECT, PATIENT),
            transport.open(server.get(), Exit(profile="chrome"), PATIENT),
        ):
            with pytest.raises(UpstreamUnavailableError) as caught:
                async with transport.open(server.get(), DIRECT, PATIENT):
                    pass
        async with transport.open(server.get(), DIRECT, PATIENT) as stream:
            assert await stream.read() == b"one"

    assert caught.value.code == "upstream_connections_exhausted"


async def test_a_slot_that_becomes_free_soon_is_used(serve):
    server = await serve(send_one_chunk)
    may_leave = asyncio.Event()

    async with open_transport(1) as transport, asyncio.TaskGroup() as tasks:

        async def hold() -> None:
            async with transport.open(server.get(), DIRECT, PATIENT):
                await may_leave.wait()

        tasks.create_task(hold())
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(0.1, may_leave.set)
        async with transport.open(server.get(), DIRECT, PATIENT) as stream:
            assert await stream.read() == b"one"


async def test_closing_the_transport_ends_streams_under_way(serve, until):
    server = await serve(send_one_chunk)
    before = count_sockets()
    transport = open_transport(4)
    has_first = asyncio.Event()

    async def call() -> None:
        async with transport.open(server.get(), DIRECT, PATIENT) as stream:
            await stream.read()
            has_first.set()
            with pytest.raises(UpstreamUnavailableError, match="broke off"):
                await stream.read()

    async with asyncio.TaskGroup() as tasks, transport:
        tasks.create_task(call())
        await has_first.wait()

    await until(lambda: count_sockets() == before)
    assert transport.sessions.active == 0


async def test_a_timeout_retires_the_connections_of_its_exit(serve, transport: CurlTransport):
    async def script(peer) -> None:
        while True:
            await peer.read_request()
            if peer.head.startswith(b"GET /stall"):
                await peer.wait_gone()
                return
            await peer.answer(b"ok")

    server = await serve(script)

    async def call(path: str, timeouts: Timeouts) -> None:
        async with transport.open(server.get(path), DIRECT, timeouts) as stream:
            await stream.read()

    await call("/", PATIENT)
    old = transport.sessions.open_sessions
    with pytest.raises(UpstreamTimeoutError):
        await call("/stall", Timeouts(5, 0.1, 5))
    await call("/", PATIENT)

    assert transport.sessions.open_sessions != old
    assert len(transport.sessions.open_sessions) == 1


async def test_unused_exits_are_dropped(serve, transport: CurlTransport):
    async def script(peer) -> None:
        await peer.read_request()
        await peer.answer(b"ok")

    server = await serve(script)

    for number in range(70):
        exit_ = Exit(proxy_url=f"http://user{number}:pass@127.0.0.1:{unused_port()}")
        with pytest.raises(UpstreamUnavailableError):
            async with transport.open(server.get(), exit_, PATIENT):
                pass

    assert len(transport.sessions.open_sessions) == 64


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
