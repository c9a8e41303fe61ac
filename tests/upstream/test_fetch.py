"""Fetching what clients name, over real connections: pinned, bounded, and with nothing of ours."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from grok2api.upstream.curl import CurlTransport
from grok2api.upstream.fetch import Fetcher, FetchError
from grok2api.upstream.guard import Guard, GuardRules, Resolve, resolve_name
from tests.upstream.conftest import Peer, Script, Serve, Server

LIMIT = 1024 * 1024
WAIT_S = 10.0
LOOPBACK = ("127.0.0.1/32",)


def fetcher_for(
    transport: CurlTransport,
    *servers: Server,
    trusted: tuple[str, ...] = LOOPBACK,
    resolve: Resolve = resolve_name,
    timeout_s: float = WAIT_S,
) -> Fetcher:
    rules = GuardRules(ports=frozenset(server.port for server in servers), trusted=trusted)
    return Fetcher(transport, Guard(rules, resolve), timeout_s=timeout_s)


def answers(body: bytes, *, status: str = "200 OK", extra: bytes = b"") -> Script:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.answer(body, status, extra)

    return script


def redirects(location: str) -> Script:
    return answers(b"", status="302 Found", extra=f"Location: {location}\r\n".encode())


async def test_file_comes_with_its_type_and_name(serve: Serve, transport: CurlTransport) -> None:
    server = await serve(answers(b"hello", extra=b"Content-Type: text/plain\r\n"))

    found = await fetcher_for(transport, server).fetch(f"{url_of(server)}/a%20b.txt?x=1", LIMIT)

    assert (found.content, found.media_type, found.name) == (b"hello", "text/plain", "a b.txt")


async def test_server_names_the_file_if_it_wants(serve: Serve, transport: CurlTransport) -> None:
    extra = b'Content-Disposition: attachment; filename="report.pdf"\r\n'
    server = await serve(answers(b"x", extra=extra))

    assert (await fetcher_for(transport, server).fetch(url_of(server), LIMIT)).name == "report.pdf"


async def test_request_carries_nothing_of_ours(
    serve: Serve, transport: CurlTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://user:secret@127.0.0.1:1")
    server = await serve(answers(b"x", extra=b"Set-Cookie: a=b\r\n"))
    fetcher = fetcher_for(transport, server)

    await fetcher.fetch(url_of(server), LIMIT)
    await fetcher.fetch(url_of(server), LIMIT)

    assert len(server.peers) == 2, "no connection is used twice"
    for peer in server.peers:
        names = {line.partition(":")[0].lower() for line in peer.head.decode().split("\r\n")[1:-2]}
        assert names == {"host", "accept", "accept-encoding", "user-agent"}


async def test_connection_goes_where_was_checked_whatever_the_name_means(
    serve: Serve, transport: CurlTransport
) -> None:
    server = await serve(answers(b"here"))
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    fetcher = fetcher_for(transport, server, resolve=resolve)

    # This name has no address, so only the checked one can have been connected to.
    found = await fetcher.fetch(f"http://files.example.com:{server.port}/x", LIMIT)

    assert found.content == b"here"
    assert asked == ["files.example.com"]
    assert server.peers[0].header("host") == f"files.example.com:{server.port}"


async def test_second_address_serves_where_the_first_is_dead(
    serve: Serve, transport: CurlTransport
) -> None:
    server = await serve(answers(b"here"))

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.9", "127.0.0.1"]

    fetcher = fetcher_for(transport, server, trusted=("127.0.0.0/8",), resolve=resolve)

    assert (await fetcher.fetch(f"http://a.example.com:{server.port}/", LIMIT)).content == b"here"


@asynccontextmanager
async def canary() -> AsyncIterator[tuple[int, list[object]]]:
    """A listener on an address that must not be reached, and who came."""
    came: list[object] = []
    server = await asyncio.start_server(lambda reader, writer: came.append(writer), "127.0.0.2", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], came


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.2:{port}/secret",
        "http://2130706434:{port}/",
        "http://0x7f.0.0.2:{port}/",
        "http://[::ffff:127.0.0.2]:{port}/",
        "http://user@127.0.0.1:{own}/",
        "//127.0.0.2:{port}/",
        "http://localhost:{port}/",
        "file:///etc/passwd",
        "http://127.0.0.1:22/",
    ],
)
async def test_redirect_to_a_place_inside_is_refused(
    serve: Serve, transport: CurlTransport, location: str
) -> None:
    async with canary() as (port, came):

        async def script(peer: Peer) -> None:
            own = peer.writer.get_extra_info("sockname")[1]
            await redirects(location.format(port=port, own=own))(peer)

        server = await serve(script)
        rules = GuardRules(ports=frozenset({server.port, port}), trusted=LOOPBACK)
        fetcher = Fetcher(transport, Guard(rules), timeout_s=WAIT_S)

        with pytest.raises(FetchError):
            await fetcher.fetch(url_of(server), LIMIT)

        assert came == []
        assert len(server.peers) == 1


async def test_name_with_one_address_inside_is_not_connected_to(
    serve: Serve, transport: CurlTransport
) -> None:
    server = await serve(answers(b"x"))

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1", "127.0.0.2"]

    with pytest.raises(FetchError, match="public address"):
        await fetcher_for(transport, server, resolve=resolve).fetch(
            f"http://a.example.com:{server.port}/", LIMIT
        )

    assert server.peers == []


async def test_name_is_checked_anew_at_every_redirect(
    serve: Serve, transport: CurlTransport
) -> None:
    server = await serve(redirects("/again"))
    meanings = [["127.0.0.1"], ["10.0.0.1"]]

    async def rebind(host: str, port: int) -> list[str]:
        return meanings.pop(0)

    with pytest.raises(FetchError, match="public address"):
        await fetcher_for(transport, server, resolve=rebind).fetch(
            f"http://a.example.com:{server.port}/", LIMIT
        )

    assert meanings == []
    assert len(server.peers) == 1


async def test_three_redirects_are_followed_and_no_fourth(
    serve: Serve, transport: CurlTransport
) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        left = int(peer.head.split()[1][1:])
        if left:
            extra = f"Location: /{left - 1}\r\n".encode()
            await peer.answer(b"", "307 Temporary Redirect", extra)
        else:
            await peer.answer(b"found")

    server = await serve(script)
    fetcher = fetcher_for(transport, server)

    assert (await fetcher.fetch(f"{url_of(server)}/3", LIMIT)).content == b"found"
    with pytest.raises(FetchError, match="redirected"):
        await fetcher.fetch(f"{url_of(server)}/4", LIMIT)


@pytest.mark.parametrize("status", ["401 No", "404 Not Found", "204 Empty", "500 Oh", "304 Same"])
async def test_only_a_success_is_a_file(
    serve: Serve, transport: CurlTransport, status: str
) -> None:
    server = await serve(answers(b"", status=status))

    with pytest.raises(FetchError, match=status[:3]):
        await fetcher_for(transport, server).fetch(url_of(server), LIMIT)


async def test_file_that_says_it_is_too_large_is_not_read(
    serve: Serve, transport: CurlTransport
) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n")
        await peer.wait_gone()

    server = await serve(script)

    with pytest.raises(FetchError, match="larger than 1 MB") as caught:
        await fetcher_for(transport, server).fetch(url_of(server), LIMIT)

    assert caught.value.is_too_large
    async with asyncio.timeout(WAIT_S):
        await server.peers[0].is_gone.wait()


@pytest.mark.parametrize("extra", [b"", b"Content-Encoding: gzip\r\n"])
async def test_endless_file_is_cut_at_the_limit(
    serve: Serve, transport: CurlTransport, extra: bytes
) -> None:
    sent = 0
    piece = gzip.compress(bytes(64 * LIMIT)) if extra else bytes(65536)

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.read_request()
        await peer.start_chunks(extra)
        while True:
            await peer.chunk(piece)
            sent += len(piece)

    server = await serve(script)

    with pytest.raises(FetchError, match="larger"):
        await fetcher_for(transport, server).fetch(url_of(server), LIMIT)

    assert sent < 64 * LIMIT


async def test_dripping_server_has_a_total_limit(serve: Serve, transport: CurlTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.start_chunks()
        while True:
            await peer.chunk(b"x")
            await asyncio.sleep(0.01)

    server = await serve(script)

    with pytest.raises(FetchError, match=r"0\.3 seconds"):
        await fetcher_for(transport, server, timeout_s=0.3).fetch(url_of(server), LIMIT)


async def test_silent_server_is_left(serve: Serve, transport: CurlTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.wait_gone()

    server = await serve(script)

    with pytest.raises(FetchError):
        await fetcher_for(transport, server, timeout_s=0.2).fetch(url_of(server), LIMIT)


async def test_broken_file_is_no_file(serve: Serve, transport: CurlTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    server = await serve(script)

    with pytest.raises(FetchError, match="broke off"):
        await fetcher_for(transport, server).fetch(url_of(server), LIMIT)


async def test_nobody_there_is_told_as_such(transport: CurlTransport) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        rules = GuardRules(ports=frozenset({port}), trusted=LOOPBACK)

        with pytest.raises(FetchError, match="could not be reached"):
            await Fetcher(transport, Guard(rules), timeout_s=WAIT_S).fetch(
                f"http://127.0.0.1:{port}/", LIMIT
            )


def url_of(server: Server) -> str:
    return f"http://127.0.0.1:{server.port}"


async def test_resolver_of_the_system_is_asked() -> None:
    assert await resolve_name("127.0.0.1", 80) == ["127.0.0.1"]
    with pytest.raises(OSError, match=r".+"):
        await resolve_name("no-such-name.invalid", 80)
