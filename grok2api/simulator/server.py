"""Serves the simulator with Uvicorn."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from socket import socket

import uvicorn

from grok2api.simulator.app import create_simulator
from grok2api.simulator.connections import FaultyHttpProtocol, FaultySocketProtocol
from grok2api.simulator.options import SimulatorOptions

_MAX_MESSAGE_BYTES = 16 * 1024 * 1024


class _Server(uvicorn.Server):
    """Announces its port, and returns from a stop signal instead of raising it again."""

    def __init__(
        self, config: uvicorn.Config, announce: Callable[[int], None], *, takes_signals: bool
    ) -> None:
        super().__init__(config)
        self._announce = announce
        self._takes_signals = takes_signals

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce(self.servers[0].sockets[0].getsockname()[1])

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if not self._takes_signals:
            yield
            return
        with super().capture_signals():
            yield
            self._captured_signals.clear()


def _build(
    address: tuple[str, int],
    options: SimulatorOptions,
    announce: Callable[[int], None],
    *,
    takes_signals: bool,
) -> _Server:
    config = uvicorn.Config(
        create_simulator(options),
        host=address[0],
        port=address[1],
        http=FaultyHttpProtocol,
        ws=FaultySocketProtocol,
        ws_max_size=_MAX_MESSAGE_BYTES,
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    return _Server(config, announce, takes_signals=takes_signals)


def run_simulator(
    host: str,
    port: int,
    options: SimulatorOptions,
    *,
    announce: Callable[[int], None] = lambda _port: None,
) -> None:
    """Serve until SIGINT or SIGTERM, then return.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        options: How the simulator behaves.
        announce: Called once with the real port, when connections are accepted.

    Raises:
        SystemExit: the address is taken.
    """
    with suppress(KeyboardInterrupt):
        _build((host, port), options, announce, takes_signals=True).run()


@asynccontextmanager
async def serve_simulator(
    options: SimulatorOptions, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[str]:
    """Serve inside the running event loop; gives the base URL, such as `http://127.0.0.1:40001`.

    Leaving the context breaks off what still runs.
    """
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    server = _build((host, port), options, ready.set_result, takes_signals=False)
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve())
        try:
            yield f"http://{host}:{await ready}"
        finally:
            server.should_exit = True
