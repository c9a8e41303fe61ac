"""The floor: the simulator's HTTP stream passed on by nginx, one worker, unbuffered."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

from benchmarks.upstream import browser_options
from grok2api.domain.account import Credentials
from grok2api.domain.upstream import UpstreamRequest
from grok2api.providers.grok_web.caller import Caller
from grok2api.providers.session import UpstreamSession
from tests.e2e.installation import free_port

_CONFIG = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass {upstream}; proxy_http_version 1.1; proxy_buffering off; }}
  }}
}}
"""


class Nginx:
    """A running nginx."""

    def __init__(self, process: psutil.Process, port: int) -> None:
        self._process = process
        self.port = port

    def cpu_s(self) -> float:
        """CPU seconds that its worker has used."""
        times = [worker.cpu_times() for worker in self._process.children()]
        return float(sum(t.user + t.system for t in times))


def is_installed() -> bool:
    """Whether there is an nginx to compare with."""
    return shutil.which("nginx") is not None


@asynccontextmanager
async def open_nginx(folder: Path, upstream: str) -> AsyncIterator[Nginx]:
    """Run nginx in front of `upstream`."""
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(folder=folder, port=port, upstream=upstream))
    program = shutil.which("nginx") or "nginx"
    process = await asyncio.create_subprocess_exec(
        program, "-c", str(config), "-e", str(folder / "error.log"), stderr=subprocess.DEVNULL
    )
    try:
        await asyncio.sleep(1)
        yield Nginx(psutil.Process(process.pid), port)
    finally:
        process.terminate()
        await process.wait()


async def _nothing(_user_id: str) -> None:
    pass


def build_turn(url: str, session: str, prompt: str) -> bytes:
    """Return the bytes of one turn over HTTP, as our upstream client would send it."""
    caller = Caller(browser_options(url, "http"))
    account = UpstreamSession(Credentials(session), "", _nothing)
    return _to_bytes(caller.http_turn(account, prompt, "fast"))


def _to_bytes(request: UpstreamRequest) -> bytes:
    path = "/" + request.url.split("/", 3)[3]
    lines = [f"{request.method} {path} HTTP/1.1", "host: 127.0.0.1", "connection: close"]
    lines += [f"{name}: {value}" for name, value in request.headers]
    lines += [f"content-length: {len(request.body)}", "", ""]
    return "\r\n".join(lines).encode() + request.body


async def read_stream(port: int, turn: bytes) -> int:
    """Send a turn and return how many text frames came."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(turn)
        frames = 0
        while data := await reader.read(65536):
            frames += data.count(b'"token"')
        return frames
    finally:
        writer.close()
