"""Writes down what administrators do: one place for all routes.

`routes.py` says which route is which action. A handler tells with `about` what it is done to.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Final

import structlog
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from grok2api.domain.action import ADMIN, DONE, ActionName, AdminAction
from grok2api.errors import GatewayError, StoreUnavailableError
from grok2api.services.action_log import name_targets
from grok2api.web.facts import facts_of
from grok2api.web.presence import ClientLeftError
from grok2api.web.state import state_of

log = structlog.get_logger(__name__)

KEY: Final = "action"
CLIENT_LEFT: Final = "client_left"
STOPPED: Final = "stopped"
CRASHED: Final = "internal"

Handler = Callable[[Request], Awaitable[Response]]


class Note(Struct):
    """What is known of an action so far. Nobody did it before the password was right."""

    action: ActionName
    is_admitted: bool = False
    target: str = ""
    detail: str = ""


def audited(action: ActionName, handler: Handler) -> Handler:
    """Return a handler that does the same, and writes down that and how it was done.

    What fails for a reason is written down too. What has been done stays done where it cannot be
    written down: that is logged, with all that would have been.
    """

    @wraps(handler)
    async def run(request: Request) -> Response:
        note = Note(action)
        request.scope["state"][KEY] = note
        outcome = CRASHED
        try:
            response = await handler(request)
            outcome = DONE
        except ClientLeftError:
            outcome = CLIENT_LEFT
            raise
        except GatewayError as error:
            outcome = code_of(error)
            raise
        except asyncio.CancelledError:
            outcome = STOPPED
            raise
        finally:
            if note.is_admitted:
                await write_note(request, note, outcome)
        return response

    return run


def about(
    request: Request, *targets: str, detail: str = "", action: ActionName | None = None
) -> None:
    """Say what the action of a request is done to; `detail` is a few words for people.

    Call it as soon as that is known, and again when more is. Names that may be sessions are not for
    it. `action` is what it turns out to be, where that differs.
    """
    note: Note = request.scope["state"][KEY]
    note.target, note.detail = name_targets(targets), detail
    note.action = action or note.action


def admitted(request: Request) -> None:
    """Note that the caller is the administrator."""
    note: Note | None = request.scope["state"].get(KEY)
    if note is not None:
        note.is_admitted = True


def code_of(error: GatewayError) -> str:
    """Return the word by which an error is written down."""
    return getattr(error, "code", None) or error.kind.value


async def write_note(request: Request, note: Note, outcome: str = DONE) -> None:
    """Write an action down, or into the log of this process where the store is away."""
    action = AdminAction(
        actor=ADMIN,
        action=note.action,
        target=note.target,
        client=facts_of(request).client,
        detail=note.detail,
        outcome=outcome,
    )
    try:
        await state_of(request).records.actions.note(action)
    except StoreUnavailableError as error:
        log.warning(
            "action_not_noted",
            action=action.action,
            target=action.target,
            client=action.client,
            outcome=outcome,
            detail=error.detail,
        )
