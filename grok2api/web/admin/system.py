"""GET /admin/api/verify, GET /admin/api/status, POST /admin/api/sync."""

from typing import Literal

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from grok2api.services.overview import LeaderState, PoolState
from grok2api.web.admin.answers import answer
from grok2api.web.admin.auth import admit_admin
from grok2api.web.state import state_of


class Verified(Struct, frozen=True):
    """The password is right."""

    status: Literal["success"] = "success"


class StatusBody(Struct, frozen=True, kw_only=True):
    """The pools, how accounts are chosen, and who leads maintenance."""

    status: Literal["ok"] = "ok"
    size: int
    strategy: str
    leader: LeaderState | None
    pools: list[PoolState]


class Synced(Struct, frozen=True):
    """What became of a request to synchronise."""

    changed: bool = False
    message: str = "All workers share one state in the store; there is nothing to synchronise."


async def verify(request: Request) -> Response:
    """Say that the caller is the administrator."""
    await admit_admin(request)
    return answer(Verified())


async def status(request: Request) -> Response:
    """Tell how the gateway is: the same on every worker."""
    await admit_admin(request)
    state = await state_of(request).overview.read()
    return answer(
        StatusBody(size=state.size, strategy=state.strategy, leader=state.leader, pools=state.pools)
    )


async def sync(request: Request) -> Response:
    """Do nothing: older versions had a copy in each worker, this one has none."""
    await admit_admin(request)
    return answer(Synced())
