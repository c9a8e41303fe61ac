"""gunicorn with our worker: hostile heads, and an orderly end."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

START_LIMIT_S = 20.0
ANSWER_LIMIT_S = 20.0
ROOT = Path(__file__).parents[2]
CONF = """
workers = 1
worker_class = "tests.web.gunicorn_app.HastyWorker"
keepalive = 75
timeout = 30
control_socket_disable = True
preload_app = False
"""

OK = b"GET /ping HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: x\r\n"
HOSTILE = {
    "half a head": (b"GET /ping HTTP/1.1\r\nHost: x\r\nX-A: ", b"408"),
    "half a second head": (OK + b"\r\nGET /pi", b"408"),
    "no host": (b"GET /ping HTTP/1.1\r\n\r\n", b"400"),
    "two hosts": (OK + b"Host: y\r\n\r\n", b"400"),
    "absolute form": (b"GET http://evil/ping HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
    "authority form": (b"CONNECT evil:443 HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
    "relative form": (b"GET ping HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
    "64 KB header": (OK + b"X-A: " + b"a" * 65536 + b"\r\n\r\n", b"431"),
    "10 MB header": (OK + b"X-A: " + b"a" * 10_000_000 + b"\r\n\r\n", b"431"),
    "10 MB target": (b"GET /" + b"a" * 10_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"431"),
    "5000 headers": (OK + b"".join(b"X-%d: a\r\n" % i for i in range(5000)) + b"\r\n", b"431"),
    "length and chunks": (
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"400",
    ),
    "two lengths": (POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", b"400"),
    "two other lengths": (POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", b"400"),
    "signed length": (POST + b"Content-Length: +5\r\n\r\nhello", b"400"),
    "unknown coding": (POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", b"400"),
    "folded header": (OK + b"X-A: a\r\n b\r\n\r\n", b"400"),
    "bare line feeds": (b"GET /ping HTTP/1.1\nHost: x\n\n", b"400"),
    "space before colon": (OK + b"X-A : a\r\n\r\n", b"400"),
    "NUL in a value": (OK + b"X-A: a\x00b\r\n\r\n", b"400"),
    "NUL in the target": (b"GET /pi\x00ng HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
    "bad chunk size": (POST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", b"400"),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"400"),
    "no HTTP at all": (b"\x16\x03\x01\x02\x00\x01\x00", b"400"),
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Gunicorn:
    """A running master with one worker."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, events: Path) -> None:
        self.process = process
        self.port = port
        self._events = events

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), ANSWER_LIMIT_S)

    def ask(self, data: bytes) -> bytes:
        """Send `data` and return all that comes until the server closes."""
        with self.connect() as peer:
            with suppress(ConnectionError):
                peer.sendall(data)
            return read_all(peer)

    def events(self) -> list[str]:
        return self._events.read_text().splitlines() if self._events.exists() else []


def read_all(peer: socket.socket) -> bytes:
    out = b""
    try:
        while chunk := peer.recv(65536):
            out += chunk
    except ConnectionError:
        pass
    return out


@contextmanager
def run_gunicorn(folder: Path, grace_s: int) -> Iterator[Gunicorn]:
    port, events = free_port(), folder / "events"
    conf = folder / "conf.py"
    conf.write_text(CONF)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "-c", str(conf), "--bind", f"127.0.0.1:{port}"),
            *("--graceful-timeout", str(grace_s), "--log-level", "error"),
            f"tests.web.gunicorn_app:create_app({str(events)!r})",
        ],
        cwd=ROOT,
    )
    server = Gunicorn(process, port, events)
    try:
        deadline = time.monotonic() + START_LIMIT_S
        while not is_up(server):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
        yield server
    finally:
        process.terminate()
        process.wait()


def is_up(server: Gunicorn) -> bool:
    try:
        return b" 200 " in server.ask(OK + b"Connection: close\r\n\r\n")
    except OSError:
        return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gunicorn]:
    with run_gunicorn(tmp_path_factory.mktemp("gunicorn"), 30) as running:
        yield running


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_head_is_refused(server: Gunicorn, name: str) -> None:
    data, status = HOSTILE[name]

    answer = server.ask(data)

    assert answer.rsplit(b"HTTP/1.1 ", 1)[-1].startswith(status)
    assert b'{"error":{"message":' in answer


def test_an_idle_connection_is_closed(server: Gunicorn) -> None:
    assert server.ask(b"") == b""


def test_pipelined_requests_are_answered_in_turn(server: Gunicorn) -> None:
    answer = server.ask(OK + b"\r\n" + OK + b"Connection: close\r\n\r\n")

    assert answer.count(b"HTTP/1.1 200") == 2


def test_a_request_may_come_byte_by_byte(server: Gunicorn) -> None:
    with server.connect() as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in OK + b"Connection: close\r\n\r\n":
            peer.sendall(bytes([byte]))
        assert read_all(peer).startswith(b"HTTP/1.1 200")


def test_a_large_body_passes(server: Gunicorn) -> None:
    head = POST + b"Connection: close\r\nContent-Length: 10000000\r\n\r\n"

    assert server.ask(head + b"x" * 10_000_000).endswith(b'{"bytes":10000000}')


def test_old_clients_need_no_host(server: Gunicorn) -> None:
    assert server.ask(b"GET /ping HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200")


def open_stream(server: Gunicorn, query: str = "") -> socket.socket:
    peer = server.connect()
    peer.sendall(f"GET /stream?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    out = b""
    while b"begin" not in out:
        out += peer.recv(65536)
    return peer


def test_a_short_stream_ends_in_its_own_time_when_the_server_stops(tmp_path: Path) -> None:
    with run_gunicorn(tmp_path, 30) as server, open_stream(server, "short") as peer:
        server.process.send_signal(signal.SIGTERM)
        rest = read_all(peer)
        server.process.wait(ANSWER_LIMIT_S)

    assert b"data: end" in rest
    assert server.events() == ["lease released", "store closed"]


def test_a_long_stream_says_goodbye_before_the_deadline(tmp_path: Path) -> None:
    with run_gunicorn(tmp_path, 8) as server, open_stream(server) as peer:
        server.process.send_signal(signal.SIGTERM)
        rest = read_all(peer)
        server.process.wait(ANSWER_LIMIT_S)

    assert b"data: shutting_down" in rest
    assert rest.endswith(b"0\r\n\r\n")
    assert server.events() == ["lease released", "store closed"]


def test_a_stream_that_does_not_listen_still_frees_its_account_first(tmp_path: Path) -> None:
    with run_gunicorn(tmp_path, 7) as server, open_stream(server, "deaf") as peer:
        server.process.send_signal(signal.SIGTERM)
        read_all(peer)
        server.process.wait(ANSWER_LIMIT_S)

    assert server.events() == ["lease released", "store closed"]


def test_an_impatient_stop_does_not_wait_for_the_grace_period(tmp_path: Path) -> None:
    with run_gunicorn(tmp_path, 600) as server, open_stream(server) as peer:
        server.process.send_signal(signal.SIGINT)
        read_all(peer)
        server.process.wait(ANSWER_LIMIT_S)

    assert server.events() == ["lease released", "store closed"]


def test_a_stop_that_turns_impatient_is_hastened(tmp_path: Path) -> None:
    with run_gunicorn(tmp_path, 600) as server, open_stream(server) as peer:
        server.process.send_signal(signal.SIGTERM)
        server.process.send_signal(signal.SIGINT)
        read_all(peer)
        server.process.wait(ANSWER_LIMIT_S)

    assert server.events() == ["lease released", "store closed"]
