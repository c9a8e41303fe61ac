"""The layers right before the router: the last answer to an error, and the limit by address."""

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from grok2api.errors import GatewayError, InternalError, StoreUnavailableError
from grok2api.web.client_address import address_group
from grok2api.web.errors import INTERNAL_MESSAGE, answer_error
from grok2api.web.facts import facts_in
from grok2api.web.graphs import graphs_in
from grok2api.web.presence import ClientLeftError
from grok2api.web.state import state_in

log = structlog.get_logger(__name__)

RETRY_AFTER_S = 1.0
_PROBES = frozenset({"/healthz", "/readyz", "/health", "/metrics"})
_FREE_PATHS = _PROBES | {"/v1/files/image", "/v1/files/video"}
_FREE_FOLDER = "/static/"


class SafetyNet:
    """Answers what nobody else has.

    Errors that reach it before an answer has begun become an error in the client's dialect; the
    text of an unknown exception goes to the log only. It stands within the layer that lets other
    origins in, so that their pages can read the error.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            _check_settings(scope)
            await self._app(scope, receive, send)
        except ClientLeftError:
            facts_in(scope).is_client_gone = True
        except GatewayError as error:
            await answer_error(error, scope, receive, send)
        except Exception as error:
            log.exception("request_crashed", exc_info=error)
            await answer_error(InternalError(INTERNAL_MESSAGE), scope, receive, send)


def _check_settings(scope: Scope) -> None:
    """Refuse what would be served by a guess: the store has not told yet what is set."""
    if graphs_in(scope).is_unread and scope["path"] not in _PROBES:
        raise StoreUnavailableError("The store cannot be reached.", retry_after_s=RETRY_AFTER_S)


class RateLimit:
    """Limits the requests of each client address, where the operator wants that.

    Probes, static files and kept media are free. Where the store cannot count, requests pass: what
    needs the store will say itself that it is not there.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            state = state_in(scope)
            if state.rate_limits.is_on and not _is_free(scope["path"]):
                try:
                    await state.rate_limits.take(address_group(facts_in(scope).client))
                except StoreUnavailableError as error:
                    state.metrics.store_failed()
                    log.warning("rate_limit_not_counted", detail=error.detail)
        await self._app(scope, receive, send)


def _is_free(path: str) -> bool:
    return path in _FREE_PATHS or path.startswith(_FREE_FOLDER)
