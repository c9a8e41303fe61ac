"""A real S3 service for tests that keep media in a bucket."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.conftest import find_free_port

S3_SECRET = "very-secret-key-of-s3"
SERVER = Path(__file__).parents[2] / ".venv-clients" / "bin" / "moto_server"
_START_LIMIT_S = 30.0


@contextmanager
def run_s3(folder: Path) -> Iterator[str]:
    """Run a service until the block ends; gives its address. `folder` gets its log."""
    if not SERVER.exists():
        pytest.fail(f"{SERVER} is missing: `make clients` installs it")
    port = find_free_port()
    url = f"http://127.0.0.1:{port}"
    log = folder / "s3.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [SERVER, "-H", "127.0.0.1", "-p", str(port)], stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + _START_LIMIT_S
        while True:
            try:
                httpx2.get(url)
                break
            except httpx2.TransportError:
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"the S3 service did not start: {log.read_text()}")
                time.sleep(0.05)
        yield url
    finally:
        process.kill()
        process.wait()
