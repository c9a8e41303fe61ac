"""The application and settings of the gunicorn tests; run by gunicorn, not by pytest."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, ClassVar

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from grok2api.clock import SystemClock
from grok2api.errors import GatewayError
from grok2api.web.drain import Drain
from grok2api.web.facts import RequestFacts
from grok2api.web.server import GatewayWorker, GuardedProtocol
from grok2api.web.streaming import EventStreamResponse, StreamContext, StreamPace, Write


class HastyProtocol(GuardedProtocol):
    """Waits less, so that tests do."""

    header_timeout_s = 0.5


class HastyWorker(GatewayWorker):
    """A worker with the hasty protocol."""

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {
        **GatewayWorker.CONFIG_KWARGS,
        "http": HastyProtocol,
    }


class Counted:
    """Counts running requests, as the gateway's own middleware does."""

    def __init__(self, app: ASGIApp, drain: Drain) -> None:
        self._app = app
        self._drain = drain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._drain.request() if scope["type"] == "http" else nullcontext():
            await self._app(scope, receive, send)


def create_app(events: str) -> Starlette:
    """Build an application that writes what happens to the file `events`."""
    log = Path(events)
    drain = Drain()

    def note(event: str) -> None:
        with log.open("a") as file:
            file.write(event + "\n")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.drain = drain
        yield
        await drain.wait_idle(3.0)
        note("store closed")

    async def ping(_: Request) -> Response:
        return JSONResponse({"ok": True})

    async def echo(request: Request) -> Response:
        return JSONResponse({"bytes": len(await request.body())})

    async def stream(request: Request) -> Response:
        is_deaf = "deaf" in request.query_params

        async def produce(write: Write) -> bytes:
            try:
                await write(b"data: begin\n\n")
                await asyncio.sleep(0.3 if "short" in request.query_params else 600)
            finally:
                await asyncio.shield(asyncio.sleep(0.1))
                note("lease released")
            return b"data: end\n\n"

        def fail(error: GatewayError) -> bytes:
            return f"data: {error.kind}\n\n".encode()

        facts = RequestFacts(request_id="x", started_s=0.0)
        return EventStreamResponse(
            produce,
            fail,
            pace=StreamPace(10.0, 10.0, b": keep-alive\n\n"),
            context=StreamContext(facts, Drain() if is_deaf else drain, SystemClock()),
        )

    return Starlette(
        routes=[
            Route("/ping", ping),
            Route("/echo", echo, methods=["POST"]),
            Route("/stream", stream),
        ],
        middleware=[Middleware(Counted, drain=drain)],
        lifespan=lifespan,
    )
