"""One simulator on a real port for all tests here, emptied before each."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future

import httpx2
import pytest

from grok2api.simulator.options import SimulatorOptions
from grok2api.simulator.server import serve_simulator
from tests.simulator.client import Site


async def _serve(address: Future[str], stop: asyncio.Event) -> None:
    async with serve_simulator(SimulatorOptions()) as url:
        address.set_result(url)
        await stop.wait()


@pytest.fixture(scope="session")
def simulator_url() -> Iterator[str]:
    """The address of a simulator in a thread of its own; starting one per test is slow."""
    address: Future[str] = Future()
    stop = asyncio.Event()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(_serve(address, stop)))
    thread.start()
    yield address.result(20)
    loop.call_soon_threadsafe(stop.set)
    thread.join(20)
    loop.close()


@pytest.fixture
async def site(simulator_url: str) -> AsyncIterator[Site]:
    """A simulator that knows nobody but `s1`."""
    async with httpx2.AsyncClient(base_url=simulator_url, timeout=20) as http:
        site = Site(simulator_url, http)
        async with asyncio.timeout(20):
            while (await site.ledger())["open_sockets"]:
                pass
        await http.post("/_sim/reset", json={"forget_accounts": True})
        await site.register({"session": "s1", "name": "s1"})
        yield site
