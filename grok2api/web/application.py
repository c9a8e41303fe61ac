"""The ASGI application of one worker: lifespan, layers, routes, error table."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypedDict

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from grok2api.errors import GatewayError
from grok2api.web.errors import on_gateway_error, on_http_exception
from grok2api.web.graphs import Graphs
from grok2api.web.routes import build_middleware, build_routes

log = structlog.get_logger(__name__)

DRAIN_REST_S = 4.0
"""How long cancelled requests get to free their accounts before the store is closed."""

OpenGraphs = Callable[[], AbstractAsyncContextManager[Graphs]]


class LifespanState(TypedDict):
    """What the lifespan puts into every request's scope."""

    graphs: Graphs


def build_app(open_graphs: OpenGraphs) -> Starlette:
    """Build the application around what `open_graphs` opens; nothing is opened before it starts."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[LifespanState]:
        async with open_graphs() as graphs:
            drain = app.state.drain = graphs.current.drain
            drain.tell_begin(graphs.begin_draining)
            yield {"graphs": graphs}
            await graphs.finish(drain.left_s)
            # The server cancels what is late and calls this at once: wait for the last steps.
            if not await drain.wait_idle(DRAIN_REST_S):
                log.warning("requests_abandoned", count=drain.in_flight)

    app = Starlette(
        routes=build_routes(),
        middleware=build_middleware(),
        exception_handlers={GatewayError: on_gateway_error, HTTPException: on_http_exception},
        lifespan=lifespan,
    )
    # It would build a redirect from the Host header; `CanonicalPath` has done the work already.
    app.router.redirect_slashes = False
    return app
