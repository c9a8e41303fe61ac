"""HTTP streams over curl: what arrives, what is sent, and how it ends."""

import asyncio
import gzip

import pytest
from msgspec import structs

from grok2api.errors import (
    InternalError,
    SettingsError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from grok2api.upstream.curl import CurlTransport
from grok2api.upstream.transfer import HIGH_WATER_BYTES
from grok2api.upstream.transport import Exit, Timeouts, UpstreamStream

PATIENT = Timeouts(connect_s=5, header_s=10, idle_s=10)
DIRECT = Exit()

pytestmark = pytest.mark.timeout(30)


async def read_all(stream: UpstreamStream) -> bytes:
    parts = []
    while data := await stream.read():
        parts.append(data)
    return b"".join(parts)


async def test_status_headers_and_body_arrive(serve, transport: CurlTransport):
    async def script(peer):
        await peer.read_request()
        await peer.answer(b"no", "429 Too Many", b"Retry-After: 7\r\nX-Two: a\r\nX-Two: b\r\n")

    server = await serve(script)

    async with transport.open(server.get(), DIRECT, PATIENT) as stream:
        body = await read_all(stream)

    assert (stream.status, body) == (429, b"no")
    assert stream.headers["retry-after"] == "7"
    assert stream.headers["x-two"] == "a, b"


async def test_headers_arrive_before_the_body(serve, transport: CurlTransport):
    may_go_on = asyncio.Event()

    async def script(peer):
        await peer.read_request()
        await peer.start_chunks()
        await may_go_on.wait()
        await peer.chunk(b"late")
        await peer.write(b"0\r\n\r\n")

    server = await serve(script)

    async with transport.open(server.get(), DIRECT, PATIENT) as stream:
        assert stream.status == 200
        may_go_on.set()
        assert await read_all(stream) == b"late"


async def test_informational_answers_are_skipped(serve, transport: CurlTransport):
    async def script(peer):
        await peer.read_request()
        await peer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        await peer.answer(b"final")

    server = await serve(script)

    async with transport.open(server.get(), DIRECT, PATIENT) as stream:
        assert stream.status == 200
        assert "link" not in stream.headers
        assert await read_all(stream) == b"final"


async def test_one_read_returns_all_that_waits(serve, transport: CurlTransport, until):
    has_written = asyncio.Event()

    async def script(peer):
        await peer.read_request()
        await peer.start_chunks()
        for number in range(50):
            await peer.chunk(b"%02d" % number)
        await peer.write(b"0\r\n\r\n")
        has_written.set()
        await peer.wait_gone()

    server = await serve(script)

    async with transport.open(server.get(), DIRECT, PATIENT) as stream:
        await has_written.wait()
        await until(lambda: stream.buffered_bytes == 100)
        first = await stream.read()
        rest = await stream.read()

    assert first == b"".join(b"%02d" % number for number in range(50))
    assert rest == b""


async def test_only_our_headers_are_sent_and_in_our_order(serve, transport: CurlTransport):
    ours = (
        ("Content-Type", "application/json"),
        ("Accept", "*/*"),
        ("User-Agent", "Mozilla/5.0 test"),
        ("Cookie", "sso=A; sso-rw=A"),
        ("x-empty", ""),
        ("Origin", "https://grok.com"),
    )

    async def script(peer):
        await peer.read_request()
        await peer.answer()

    server = await serve(script)

    for profile in ("", "chrome", "firefox", "safari"):
        exit_ = Exit(profile=profile)
        async with transport.open(server.post(b'{"a":1}', *ours), exit_, PATIENT) as stream:
            await read_all(stream)
        peer = server.peers[-1]
        lines = peer.head.decode().split("\r\n")[:-2]
        assert lines == [
            "POST / HTTP/1.1",
            f"Host: 127.0.0.1:{server.port}",
            "Content-Type: application/json",
            "Accept: */*",
            "User-Agent: Mozilla/5.0 test",
            "Cookie: sso=A; sso-rw=A",
            "x-empty:",
            "Origin: https://grok.com",
            "Content-Length: 7",
        ], profile
        assert peer.body == b'{"a":1}'


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD"])
async def test_a_reused_handle_sends_the_method_asked_for(
    serve, transport: CurlTransport, method: str
):
    async def script(peer):
        for _ in range(3):
            await peer.read_request()
            body = b"" if peer.head.startswith(b"HEAD") else b"ok"
            await peer.answer(body)

    server = await serve(script)
    plain = server.get()
    asked = type(plain)(method, plain.url, (), b"body" if method in {"POST", "PUT"} else b"")

    for request in (server.post(b"12345678"), asked, plain):
        async with transport.open(request, DIRECT, PATIENT) as stream:
            await read_all(stream)
        peer = server.peers[0]
        assert peer.head.startswith(request.method.encode() + b" / ")
        assert peer.body == request.body

    assert len(server.peers) == 1


async def test_a_header_with_a_line_break_is_refused(serve, transport: CurlTransport):
    server = await serve(lambda peer: peer.wait_gone())

    with pytest.raises(InternalError):
        async with transport.open(server.get("/", ("Cookie", "a\r\nX: y")), DIRECT, PATIENT):
            pass

    assert transport.sessions.active == 0


async def test_cookies_are_not_kept_between_requests(serve, transport: CurlTransport):
    heads = []

    async def script(peer):
        for _ in range(2):
            heads.append(await peer.read_request())
            await peer.answer(b"", "200 OK", b"Set-Cookie: sid=A; Path=/\r\n")

    server = await serve(script)

    for profile in ("", "chrome"):
        for _ in range(2):
            async with transport.open(server.get(), Exit(profile=profile), PATIENT) as stream:
                await read_all(stream)

    assert len(heads) == 4
    assert not any(b"cookie" in head.lower() for head in heads)


async def test_redirects_are_not_followed(serve, transport: CurlTransport):
    async def script(peer):
        await peer.read_request()
        await peer.answer(b"", "302 Found", b"Location: /elsewhere\r\n")
        await peer.wait_gone()

    server = await serve(script)

    async with transport.open(server.get(), DIRECT, PATIENT) as stream:
        assert (stream.status, stream.headers["location"]) == (302, "/elsewhere")


@pytest.mark.parametrize("url", ["file:///etc/hostname", "gopher://127.0.0.1/", "ftp://127.0.0.1/"])
async def test_other_schemes_are_refused(serve, transport: CurlTransport, url: str):
    server = await serve(lambda peer: peer.wait_gone())
    request = type(server.get())("GET", url, ())

    with pytest.raises(UpstreamUnavailableError) as caught:
        async with transport.open(request, DIRECT, PATIENT):
            pass

    assert caught.value.code == "upstream_network_error"


async def test_compressed_bodies_are_decoded(serve, transport: CurlTransport):
    async def script(peer):
        await peer.read_request()
        await peer.answer(gzip.compress(b"hello " * 1000), extra=b"Content-Encoding: gzip\r\n")

    server = await serve(script)

    async with transport.open(
        server.get("/", ("Accept-Encoding", "gzip, deflate, br, zstd")), DIRECT, PATIENT
    ) as stream:
        assert await read_all(stream) == b"hello " * 1000
    assert server.peers[0].header("accept-encoding") == "gzip, deflate, br, zstd"


async def test_connections_are_reused_within_an_exit_only(serve, transport: CurlTransport):
    async def script(peer):
        while True:
            await peer.read_request()
            await peer.answer(b"ok")

    server = await serve(script)

    for exit_ in (DIRECT, DIRECT, Exit(profile="chrome"), Exit(profile="chrome"), DIRECT):
        async with transport.open(server.get(), exit_, PATIENT) as stream:
            await read_all(stream)

    assert len(server.peers) == 2


async def test_forgotten_exits_get_new_connections(serve, transport: CurlTransport):
    async def script(peer):
        while True:
            await peer.read_request()
            await peer.answer(b"ok")

    server = await serve(script)

    for _ in range(2):
        async with transport.open(server.get(), DIRECT, PATIENT) as stream:
            await read_all(stream)
        transport.forget(DIRECT)

    assert len(server.peers) == 2
    assert transport.sessions.open_sessions == ()


async def test_a_dead_kept_connection_is_replaced(serve, transport: CurlTransport):
    async def script(peer):
        await peer.read_request()
        await peer.answer(b"ok")

    server = await serve(script)  # closes after each answer without saying so

    for _ in range(5):
        async with transport.open(server.post(b"x"), DIRECT, PATIENT) as stream:
            assert await read_all(stream) == b"ok"

    assert len(server.peers) == 5


async def test_what_may_be_sent_only_once_is_not_repeated(serve, transport: CurlTransport):
    """curl repeats what it sends over a kept connection that turns out to be dead."""
    costly = 0

    async def script(peer):
        nonlocal costly
        while True:
            await peer.read_request()
            if peer.body == b"costly":
                costly += 1
                return  # hangs up, and nobody knows whether it took it on
            await peer.answer(b"ok")

    server = await serve(script)
    async with transport.open(server.post(b"x"), DIRECT, PATIENT) as stream:
        await read_all(stream)
    request = structs.replace(server.post(b"costly"), is_only_once=True)

    with pytest.raises(UpstreamUnavailableError) as caught:
        async with transport.open(request, DIRECT, PATIENT):
            pass

    assert costly == 1
    assert caught.value.was_sent
    async with transport.open(server.post(b"x"), DIRECT, PATIENT) as stream:
        await read_all(stream)
    assert len(server.peers) == 2  # the first connection was kept for what may be repeated


async def test_thirty_streams_run_side_by_side(serve, transport: CurlTransport):
    async def script(peer):
        await peer.read_request()
        await peer.start_chunks()
        for number in range(20):
            await peer.chunk(b"%d;" % number)
            await asyncio.sleep(0.005)
        await peer.write(b"0\r\n\r\n")

    server = await serve(script)

    async def one() -> bytes:
        async with transport.open(server.get(), DIRECT, PATIENT) as stream:
            return await read_all(stream)

    bodies = await asyncio.gather(*(one() for _ in range(30)))

    assert set(bodies) == {b"".join(b"%d;" % number for number in range(20))}


async def test_a_slow_reader_stops_the_sender(serve, transport: CurlTransport):
    sent = 0
    total = 32 * 1024 * 1024
    block = b"x" * 65536

    async def script(peer):
        nonlocal sent
        await peer.read_request()
        await peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        while sent < total:
            await peer.write(block)
            sent += len(block)

    server = await serve(script)

    async with transport.open(server.get(), DIRECT, PATIENT) as stream:
        before = -1
        while sent != before or stream.buffered_bytes < HIGH_WATER_BYTES:  # until nothing moves
            before = sent
            await asyncio.sleep(0.2)
        assert sent < total
        assert stream.buffered_bytes < HIGH_WATER_BYTES + 65536
        assert len(await read_all(stream)) == total


async def test_read_head_is_bounded_and_leaves_the_rest(serve, transport: CurlTransport):
    async def script(peer):
        await peer.read_request()
        await peer.answer(b"a" * 100 + b"b" * 100)

    server = await serve(script)

    async with transport.open(server.get(), DIRECT, PATIENT) as stream:
        assert await stream.read_head(100) == b"a" * 100
        assert await read_all(stream) == b"b" * 100


async def test_read_head_of_a_cut_body_returns_what_came(serve, transport: CurlTransport):
    async def script(peer):
        await peer.read_request()
        await peer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nblocked")

    server = await serve(script)

    async with transport.open(server.get(), DIRECT, PATIENT) as stream:
        assert await stream.read_head(1000) == b"blocked"


async def test_a_cut_body_is_an_error_after_its_bytes(serve, transport: CurlTransport):
    async def script(peer):
        await peer.read_request()
        await peer.start_chunks()
        await peer.chunk(b"half")

    server = await serve(script)

    async with transport.open(server.get(), DIRECT, PATIENT) as stream:
        assert await stream.read() == b"half"
        with pytest.raises(UpstreamUnavailableError) as caught:
            await stream.read()

    assert caught.value.code == "upstream_stream_truncated"


async def test_a_silent_stream_hits_the_idle_deadline(serve, transport: CurlTransport):
    async def script(peer):
        await peer.read_request()
        await peer.start_chunks()
        await peer.chunk(b"one")
        await peer.wait_gone()

    server = await serve(script)
    hasty = Timeouts(connect_s=5, header_s=5, idle_s=0.2)

    async with transport.open(server.get(), DIRECT, hasty) as stream:
        assert await stream.read() == b"one"
        with pytest.raises(UpstreamTimeoutError) as caught:
            await stream.read()
        assert await server.peers[0].is_gone.wait()

    assert caught.value.code == "upstream_stream_idle_timeout"


async def test_a_reader_that_rests_is_not_an_idle_stream(serve, transport: CurlTransport):
    async def script(peer):
        await peer.read_request()
        await peer.start_chunks()
        for _ in range(4):
            await peer.chunk(b"x")
            await asyncio.sleep(0.1)
        await peer.write(b"0\r\n\r\n")

    server = await serve(script)
    hasty = Timeouts(connect_s=5, header_s=5, idle_s=2)

    async with transport.open(server.get(), DIRECT, hasty) as stream:
        assert await stream.read() == b"x"
        await asyncio.sleep(2.2)
        assert await read_all(stream) == b"xxx"


async def test_missing_headers_hit_the_header_deadline(serve, transport: CurlTransport):
    async def script(peer):
        await peer.read_request()
        await peer.wait_gone()

    server = await serve(script)

    with pytest.raises(UpstreamTimeoutError) as caught:
        async with transport.open(server.get(), DIRECT, Timeouts(5, 0.2, 5)):
            pass

    assert caught.value.code == "upstream_header_timeout"
    assert await server.peers[0].is_gone.wait()


async def test_a_tls_handshake_that_never_ends_hits_the_connect_deadline(
    serve, transport: CurlTransport
):
    server = await serve(lambda peer: peer.wait_gone())
    request = type(server.get())("GET", f"https://127.0.0.1:{server.port}/", ())

    with pytest.raises(UpstreamTimeoutError) as caught:
        async with transport.open(request, DIRECT, Timeouts(0.2, 5, 5)):
            pass

    assert caught.value.code == "upstream_connect_timeout"


async def test_connecting_beyond_the_header_deadline_is_a_connect_timeout(
    serve, transport: CurlTransport
):
    server = await serve(lambda peer: peer.wait_gone())
    request = type(server.get())("GET", f"https://127.0.0.1:{server.port}/", ())

    with pytest.raises(UpstreamTimeoutError) as caught:
        async with transport.open(request, DIRECT, Timeouts(5, 0.2, 5)):
            pass

    assert caught.value.code == "upstream_connect_timeout"


async def test_a_refused_connection_is_a_network_error(serve, transport: CurlTransport):
    server = await serve(lambda peer: peer.wait_gone())
    request = server.get("/", ("Cookie", "sso=SECRET"))
    await server.close()

    with pytest.raises(UpstreamUnavailableError) as caught:
        async with transport.open(request, DIRECT, PATIENT):
            pass

    assert caught.value.code == "upstream_network_error"
    assert caught.value.detail == "curl 7 COULDNT_CONNECT"


async def test_a_peer_that_hangs_up_before_its_headers_is_a_network_error(
    serve, transport: CurlTransport
):
    async def script(peer):
        await peer.read_request()

    server = await serve(script)

    with pytest.raises(UpstreamUnavailableError) as caught:
        async with transport.open(server.get(), DIRECT, PATIENT):
            pass

    assert caught.value.code == "upstream_network_error"


async def test_a_host_without_name_is_a_network_error(transport: CurlTransport, serve):
    server = await serve(lambda peer: peer.wait_gone())
    request = type(server.get())("GET", "http://no-such-host.invalid/", ())

    with pytest.raises(UpstreamUnavailableError) as caught:
        async with transport.open(request, DIRECT, PATIENT):
            pass

    assert caught.value.code == "upstream_network_error"


async def test_an_unknown_profile_is_a_settings_error(serve, transport: CurlTransport):
    server = await serve(lambda peer: peer.wait_gone())

    with pytest.raises(SettingsError, match="netscape"):
        async with transport.open(server.get(), Exit(profile="netscape"), PATIENT):
            pass
