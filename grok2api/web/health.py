"""Probes and numbers: /healthz, /readyz, /metrics."""

import asyncio
import hmac

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from grok2api.errors import StoreUnavailableError
from grok2api.telemetry.metrics import CONTENT_TYPE
from grok2api.web.admin.auth import admit_admin
from grok2api.web.api.auth import presented_key
from grok2api.web.state import state_of

JSON = "application/json"
STORE_TIMEOUT_S = 2.0
NO_STORE = {"cache-control": "no-store"}


class Readiness(Struct, frozen=True):
    """Whether this worker should get requests, and if not, why."""

    status: str
    reasons: list[str]


async def healthz(_: Request) -> Response:
    """Say that this process is alive; depends on nothing."""
    return Response(b'{"status":"ok"}', media_type=JSON, headers=NO_STORE)


async def readyz(request: Request) -> Response:
    """Say whether this worker can serve: the store answers, and it is not about to stop."""
    state = state_of(request)
    reasons = ["draining"] if state.drain.is_draining else []
    try:
        async with asyncio.timeout(STORE_TIMEOUT_S):
            await state.health.check()
    except (StoreUnavailableError, TimeoutError):
        reasons.append("store_unavailable")
    readiness = Readiness("not_ready" if reasons else "ready", reasons)
    return Response(
        msgspec.json.encode(readiness),
        503 if reasons else 200,
        media_type=JSON,
        headers=NO_STORE,
    )


async def metrics(request: Request) -> Response:
    """Show the numbers of all workers of this machine to the operator's programs.

    The metrics token opens it, and the administrator's password. Where a request comes from does
    not: behind a proxy that names no client, everybody comes from this machine.
    """
    if not _has_token(request):
        await admit_admin(request)
    state = state_of(request)
    facts = await state.cluster.find()
    text = await asyncio.to_thread(state.metrics.render, facts)
    return Response(text, media_type=None, headers={"content-type": CONTENT_TYPE, **NO_STORE})


def _has_token(request: Request) -> bool:
    token = state_of(request).settings.security.metrics_token
    presented = presented_key(request)
    # Headers are read as Latin-1; compare_digest takes bytes of any length in the same time.
    return bool(token and presented) and hmac.compare_digest(
        (presented or "").encode("latin-1"), token.encode()
    )
