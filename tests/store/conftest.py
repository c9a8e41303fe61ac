"""Servers of their own for tests that stop, kill or damage them."""

import contextlib
import fcntl
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from grok2api.store.embedded import EmbeddedServer
from tests.conftest import find_server


@pytest.fixture
def server_binary(request: pytest.FixtureRequest) -> str:
    """The server that the tests run against."""
    return find_server(request.config.getoption("--store"))


class ServerBench:
    """Embedded servers on one data folder; all that is left is killed at the end."""

    def __init__(self, data_dir: Path, binary: str) -> None:
        self.data_dir = data_dir
        self.binary = binary
        self._built: list[EmbeddedServer] = []

    def build(self, data_dir: Path | None = None) -> EmbeddedServer:
        self._built.append(EmbeddedServer(data_dir or self.data_dir, binary=self.binary))
        return self._built[-1]

    def stop_all(self) -> None:
        for server in self._built:
            server.stop()

    def kill(self, pid: int | None) -> None:
        """Kill a server that is, or is not, a child of this process, and wait for its end."""
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        # A process that was killed lets go of its lock when its last thread has ended.
        with (self.data_dir / "store" / "server.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)


def _is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@pytest.fixture
def servers(tmp_path: Path, server_binary: str) -> Iterator[ServerBench]:
    bench = ServerBench(tmp_path / "data", server_binary)
    yield bench
    bench.stop_all()
    for pid_file in tmp_path.rglob("server.pid"):
        pid = int(pid_file.read_text())
        if _is_alive(pid):
            os.kill(pid, signal.SIGKILL)
