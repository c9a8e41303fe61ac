"""Commands as processes, each with a data folder of its own."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.cli.service import Run, Service, Start, clean_environment
from tests.conftest import find_server, run_server


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run one command to its end, in a folder of its own."""

    def run_command(
        *words: str, text: str | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "grok2api", *words],
            cwd=tmp_path,
            env={**clean_environment(), **variables},
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run_command


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start services; whatever is left of them ends with the test."""
    seen: list[psutil.Process] = []
    services: list[Service] = []

    def start_service(*words: str, **variables: str) -> Service:
        service = Service(words, tmp_path, variables)
        services.append(service)
        return service

    yield start_service
    for service in services:
        if service.process.poll() is None:
            seen += service.family()
            service.process.kill()
            service.process.wait(10)
    for process in seen:
        if process.is_running():
            process.kill()
    psutil.wait_procs(seen, timeout=10)


@pytest.fixture
def redis_that_evicts(tmp_path: Path) -> Iterator[str]:
    """A store of the operator's own with settings that lose data."""
    folder = tmp_path / "evicting"
    socket_path = folder / "s"
    options = ("--port", "0", "--unixsocket", str(socket_path))
    with run_server(find_server("valkey"), folder, *options, "--maxmemory-policy", "allkeys-lru"):
        while not socket_path.exists():
            time.sleep(0.01)
        yield f"unix://{socket_path}"
