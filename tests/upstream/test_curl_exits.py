"""Proxies and TLS: which way requests leave, and what nobody else gets to see."""

import asyncio
import datetime as dt
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from grok2api.domain.upstream import UpstreamRequest
from grok2api.errors import UpstreamUnavailableError
from grok2api.upstream.curl import CurlTransport, open_transport
from grok2api.upstream.handle import normalize_proxy
from grok2api.upstream.transport import Exit, Timeouts

PATIENT = Timeouts(connect_s=5, header_s=10, idle_s=10)

pytestmark = pytest.mark.timeout(30)


async def say_ok(peer) -> None:
    await peer.read_request()
    await peer.answer(b"ok")
    await peer.wait_gone()


async def relay(peer, port: int) -> None:
    """Pass bytes on to a port until one side ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            target.write(data)
        target.close()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(pump(peer.reader, writer))
        tasks.create_task(pump(reader, peer.writer))


async def test_an_http_proxy_tunnels_and_sees_no_cookie(serve, transport: CurlTransport):
    server = await serve(say_ok)

    async def proxy_script(peer) -> None:
        await peer.read_request()
        await peer.write(b"HTTP/1.1 200 Connection established\r\nX-Proxy: 1\r\n\r\n")
        await relay(peer, server.port)

    proxy = await serve(proxy_script)
    exit_ = Exit(proxy_url=f"http://user:secret@127.0.0.1:{proxy.port}", profile="chrome")
    request = server.get("/path", ("Cookie", "sso=TOKEN"))

    async with transport.open(request, exit_, PATIENT) as stream:
        assert await stream.read() == b"ok"
        assert "x-proxy" not in stream.headers

    head = proxy.peers[0].head.decode()
    assert head.startswith(f"CONNECT 127.0.0.1:{server.port} HTTP/1.1\r\n")
    assert "Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=" in head
    assert "TOKEN" not in head
    assert "secret" not in server.peers[0].head.decode()


async def test_a_websocket_goes_through_the_proxy(serve, transport: CurlTransport, build_frame):
    async def script(peer) -> None:
        await peer.accept_websocket()
        await peer.write(build_frame(b"through"))
        await peer.wait_gone()

    server = await serve(script)

    async def proxy_script(peer) -> None:
        await peer.read_request()
        await peer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await relay(peer, server.port)

    proxy = await serve(proxy_script)
    exit_ = Exit(proxy_url=f"http://127.0.0.1:{proxy.port}")

    async with transport.connect(server.websocket(), exit_, PATIENT) as socket:
        assert await socket.receive() == [b"through"]

    assert await server.peers[0].is_gone.wait()


async def test_a_socks_proxy_resolves_the_name_itself(serve, transport: CurlTransport):
    server = await serve(say_ok)
    names: list[bytes] = []

    async def proxy_script(peer) -> None:
        await peer.reader.readexactly((await peer.reader.readexactly(2))[1])
        await peer.write(b"\x05\x00")
        *_, kind, size = await peer.reader.readexactly(5)
        assert kind == 3, "the proxy got an address instead of a name"
        names.append(await peer.reader.readexactly(size))
        await peer.reader.readexactly(2)
        await peer.write(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
        await relay(peer, server.port)

    proxy = await serve(proxy_script)
    request = type(server.get())("GET", f"http://only.known.invalid:{server.port}/", ())

    for scheme in ("socks", "socks5", "socks5h"):
        exit_ = Exit(proxy_url=f"{scheme}://127.0.0.1:{proxy.port}")
        async with transport.open(request, exit_, PATIENT) as stream:
            assert await stream.read() == b"ok"

    assert names == [b"only.known.invalid"] * 3


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", ""),
        ("socks://h:1", "socks5h://h:1"),
        ("socks5://u:p@h:1", "socks5h://u:p@h:1"),
        ("SOCKS4://h:1", "socks4a://h:1"),
        ("socks4a://h:1", "socks4a://h:1"),
        ("http://h:1", "http://h:1"),
    ],
)
def test_socks_proxies_are_given_names(url: str, expected: str):
    assert normalize_proxy(url) == expected


@pytest.mark.parametrize("answer", [b"HTTP/1.1 407 Auth\r\nContent-Length: 0\r\n\r\n", b""])
async def test_a_refusing_proxy_is_a_network_error_without_secrets(
    serve, transport: CurlTransport, answer: bytes
):
    async def proxy_script(peer) -> None:
        await peer.read_request()
        await peer.write(answer)

    proxy = await serve(proxy_script)
    exit_ = Exit(proxy_url=f"http://user:secret@127.0.0.1:{proxy.port}")

    with pytest.raises(UpstreamUnavailableError) as caught:
        async with transport.open(proxy.get("/", ("Cookie", "sso=TOKEN")), exit_, PATIENT):
            pass

    error = caught.value
    assert error.code == "upstream_network_error"
    assert error.__cause__ is None
    for text in (str(error), repr(error), error.detail, repr(exit_)):
        assert "secret" not in text
        assert "TOKEN" not in text


async def test_an_unusable_proxy_url_is_an_error_without_secrets(serve, transport: CurlTransport):
    server = await serve(say_ok)
    exit_ = Exit(proxy_url="teleport://user:secret@127.0.0.1:1")

    with pytest.raises(UpstreamUnavailableError) as caught:
        async with transport.open(server.get(), exit_, PATIENT):
            pass

    assert "secret" not in str(caught.value) + caught.value.detail
    assert transport.sessions.active == 0


async def test_proxy_variables_of_the_environment_are_ignored(
    serve, transport: CurlTransport, monkeypatch: pytest.MonkeyPatch
):
    server = await serve(say_ok)
    for name in ("http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    async with transport.open(server.get(), Exit(), PATIENT) as stream:
        assert await stream.read() == b"ok"


async def test_no_proxy_of_the_environment_does_not_bypass_the_exit(
    serve, transport: CurlTransport, monkeypatch: pytest.MonkeyPatch
):
    server = await serve(say_ok)
    proxy = await serve(lambda peer: peer.read_request())
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    with pytest.raises(UpstreamUnavailableError):
        async with transport.open(
            server.get(), Exit(proxy_url=f"http://127.0.0.1:{proxy.port}"), PATIENT
        ):
            pass

    assert server.peers == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 and one name with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=36500))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName(
                [
                    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
                    x509.DNSName("files.example.com"),
                ]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "loopback.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + built.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def test_streams_and_websockets_work_over_tls(
    serve, certificate: Path, tls: ssl.SSLContext, build_frame
):
    async def script(peer) -> None:
        await peer.accept_websocket()
        opcode, payload = await peer.read_frame()
        assert opcode == 1
        await peer.write(build_frame(payload))
        await peer.wait_gone()

    sockets = await serve(script, tls)
    streams = await serve(say_ok, tls)

    async with open_transport(4, ca_file=str(certificate)) as transport:
        for profile in ("", "chrome", "firefox", "safari"):
            exit_ = Exit(profile=profile)
            async with transport.open(streams.get(), exit_, PATIENT) as stream:
                assert await stream.read() == b"ok"
            async with transport.connect(sockets.websocket(), exit_, PATIENT) as socket:
                await socket.send(b"m" * 100_000)
                assert await socket.receive() == [b"m" * 100_000]
            await sockets.peers[-1].is_gone.wait()


async def test_pinned_exit_connects_there_and_still_checks_the_name(
    serve, certificate: Path, tls: ssl.SSLContext
):
    server = await serve(say_ok, tls)
    pinned = Exit(pinned=f"127.0.0.1:{server.port}")

    async with open_transport(4, ca_file=str(certificate)) as transport:
        named = UpstreamRequest("GET", f"https://files.example.com:{server.port}/", ())
        async with transport.open(named, pinned, PATIENT) as stream:
            assert await stream.read() == b"ok"
        other = UpstreamRequest("GET", f"https://other.example.com:{server.port}/", ())
        with pytest.raises(UpstreamUnavailableError) as caught:
            async with transport.open(other, pinned, PATIENT):
                pass

    assert caught.value.detail == "curl 60 PEER_FAILED_VERIFICATION"


@pytest.mark.parametrize("host", ["192.0.2.1:9", "[2001:db8::1]", "127.0.0.2:1", "x.invalid"])
async def test_pinned_exit_goes_nowhere_else_whatever_the_url_says(serve, transport, host: str):
    server = await serve(say_ok)
    request = UpstreamRequest("GET", f"http://{host}/", ())
    exit_ = Exit(pinned=f"127.0.0.1:{server.port}")

    async with transport.open(request, exit_, PATIENT) as stream:
        assert await stream.read() == b"ok"


async def test_leaving_a_tls_stream_disconnects(serve, certificate: Path, tls: ssl.SSLContext):
    async def script(peer) -> None:
        await peer.read_request()
        await peer.start_chunks()
        await peer.chunk(b"one")
        await peer.wait_gone()

    server = await serve(script, tls)

    async with open_transport(4, ca_file=str(certificate)) as transport:
        async with transport.open(server.get(), Exit(profile="chrome"), PATIENT) as stream:
            await stream.read()
        async with asyncio.timeout(5):
            assert await server.peers[0].is_gone.wait()


async def test_an_untrusted_certificate_is_a_network_error(serve, tls: ssl.SSLContext):
    server = await serve(say_ok, tls)

    async with open_transport(4) as transport:
        with pytest.raises(UpstreamUnavailableError) as caught:
            async with transport.open(server.get(), Exit(), PATIENT):
                pass

    assert caught.value.code == "upstream_network_error"
    assert caught.value.detail == "curl 60 PEER_FAILED_VERIFICATION"
