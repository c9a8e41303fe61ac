"""GET /admin/api/actions: what administrators did, and logins that were refused."""

from typing import Final

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from grok2api.domain.action import LoggedAction
from grok2api.web.admin.answers import answer, read_limit, read_text
from grok2api.web.admin.auth import admit_admin
from grok2api.web.state import state_of

MAX_PAGE: Final = 500


class ActionView(Struct, frozen=True):
    """Who did what, to what, and from where; `at` is ms since epoch, `outcome` "ok" or a code."""

    at: int
    actor: str
    action: str
    target: str
    client: str
    detail: str
    outcome: str


class ActionList(Struct, frozen=True):
    """Actions, the newest first."""

    actions: list[ActionView]
    next_cursor: str | None


async def list_actions(request: Request) -> Response:
    """List what was done, page by page."""
    await admit_admin(request)
    page = await state_of(request).records.actions.page(
        cursor=read_text(request, "cursor"),
        limit=read_limit(request, default=50, most=MAX_PAGE),
    )
    return answer(ActionList([_show(entry) for entry in page.items], page.next_cursor or None))


def _show(entry: LoggedAction) -> ActionView:
    done = entry.action
    return ActionView(
        round(entry.at_s * 1000),
        done.actor,
        done.action,
        done.target,
        done.client,
        done.detail,
        done.outcome,
    )
