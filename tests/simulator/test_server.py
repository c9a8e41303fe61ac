"""The server: stop signals, free ports, and another server than ours."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator

import httpx2
import pytest
import uvicorn

from grok2api.simulator.app import create_simulator
from grok2api.simulator.options import SimulatorOptions
from tests.simulator.client import Site, frames_of, stream_text, text_of

PROGRAM = """
from grok2api.simulator.options import SimulatorOptions
from grok2api.simulator.server import run_simulator

run_simulator("127.0.0.1", 0, SimulatorOptions(), announce=lambda port: print(port, flush=True))
print("stopped", flush=True)
"""


@pytest.fixture
async def plain_site() -> AsyncIterator[Site]:
    """The application under Uvicorn as it comes."""
    config = uvicorn.Config(
        create_simulator(SimulatorOptions(accept_any=True)),
        port=0,
        log_config=None,
        log_level="critical",
    )
    server = uvicorn.Server(config)
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve())
        async with asyncio.timeout(10):
            while not server.started:  # noqa: ASYNC110 - Uvicorn has no event for it
                await asyncio.sleep(0)
        url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        async with httpx2.AsyncClient(base_url=url) as http:
            yield Site(url, http)
        server.should_exit = True


async def test_plain_server_answers_too(plain_site: Site) -> None:
    events = await plain_site.answer('[[sim: text="a b c"; burst=2; binary]]')
    frames = frames_of((await plain_site.post('[[sim: text="a b c"]]')).content)

    assert text_of(events) == stream_text(frames) == "a b c"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stop_signal_ends_the_server_and_returns(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        assert httpx2.get(f"http://127.0.0.1:{port}/_sim/ledger").status_code == 200
        os.kill(process.pid, number)
        out, err = process.communicate(timeout=20)

    assert (process.returncode, out, err) == (0, "stopped\n", "")
