"""The ASGI application of one worker: lifespan, layers, routes, error table."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypedDict

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from grok2api.errors import GatewayError
from grok2api.web.errors import on_gateway_error, on_http_exception
from grok2api.web.routes import build_middleware, build_routes
from grok2api.web.state import AppState

log = structlog.get_logger(__name__)

DRAIN_REST_S = 4.0
"""How long cancelled requests get to free their accounts before the store is closed."""

OpenState = Callable[[], AbstractAsyncContextManager[AppState]]


class LifespanState(TypedDict):
    """What the lifespan puts into every request's scope."""

    state: AppState


def build_app(open_state: OpenState) -> Starlette:
    """Build the application around what `open_state` opens; nothing is opened before it starts."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[LifespanState]:
        async with open_state() as state:
            app.state.drain = state.drain
            state.drain.tell_begin(state.videos.runner.begin_draining)
            yield {"state": state}
            left_s = state.drain.left_s
            async with asyncio.TaskGroup() as group:
                group.create_task(state.responses.background.close(left_s))
                group.create_task(state.videos.runner.close(left_s))
            # The server cancels what is late and calls this at once: wait for the last steps.
            if not await state.drain.wait_idle(DRAIN_REST_S):
                log.warning("requests_abandoned", count=state.drain.in_flight)

    app = Starlette(
        routes=build_routes(),
        middleware=build_middleware(),
        exception_handlers={GatewayError: on_gateway_error, HTTPException: on_http_exception},
        lifespan=lifespan,
    )
    # It would build a redirect from the Host header; `CanonicalPath` has done the work already.
    app.router.redirect_slashes = False
    return app
