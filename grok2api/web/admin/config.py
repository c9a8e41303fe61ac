"""/admin/api/config: what is set and why; changes at run time, their history, the way back."""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from grok2api.config.layers import read_older_names
from grok2api.config.sources import BY_KEY
from grok2api.services.settings_views import MASKS, Difference, Draft, Problem
from grok2api.web.admin.answers import answer
from grok2api.web.admin.audit import about
from grok2api.web.admin.auth import admit_admin
from grok2api.web.body import read_json
from grok2api.web.state import state_of

MAX_CHANGES: Final = 500
_BY: Final = "administrator"

Changes = Annotated[dict[str, Any], Meta(max_length=MAX_CHANGES)]


class ChangeBody(Struct, frozen=True):
    """Values by key, null for "no longer changed here"; `revision` is what they were made from."""

    changes: Changes
    revision: Annotated[int, Meta(ge=0)] | None = None


class RollbackBody(Struct, frozen=True):
    """The revision `to` that is brought back, and the one that was seen before."""

    to: Annotated[int, Meta(ge=1)]
    revision: Annotated[int, Meta(ge=0)] | None = None


class ChangedBody(Struct, frozen=True):
    """The revision that is in force everywhere within two seconds, and what it changed."""

    revision: int
    differences: list[Difference]


class CheckedBody(Struct, frozen=True):
    """What changes would do, and why they would be refused."""

    revision: int
    ok: bool
    differences: list[Difference]
    problems: list[Problem]


class RevisionView(Struct, frozen=True):
    """A revision: when (ms since epoch) and by whom which keys changed."""

    revision: int
    at: int
    by: str
    keys: tuple[str, ...]
    restored: int | None


class HistoryBody(Struct, frozen=True):
    """The revisions that are kept, the newest first."""

    revisions: list[RevisionView]


class MergedBody(Struct, frozen=True):
    """What older pages want to hear."""

    revision: int
    message: str = "Settings saved; every worker follows within two seconds."
    status: Literal["success"] = "success"


_CHANGE = msgspec.json.Decoder(ChangeBody)
_ROLLBACK = msgspec.json.Decoder(RollbackBody)
_TABLES = msgspec.json.Decoder(dict[str, Any])


async def read_config(request: Request) -> Response:
    """Show every setting; of a secret only whether it is set."""
    await admit_admin(request)
    return answer(await state_of(request).config.read())


async def change_config(request: Request) -> Response:
    """Change settings, all of them or none."""
    await admit_admin(request)
    body = await read_json(request, _CHANGE)
    config = state_of(request).config
    draft = await config.save(body.changes, expected=body.revision, by=_BY)
    _tell(request, draft)
    return answer(_changed(draft))


async def merge_config(request: Request) -> Response:
    """Change settings by tables, as older pages send them; masked values stay as they are."""
    await admit_admin(request)
    tables = await read_json(request, _TABLES)
    changes = {
        key: value
        for key, value in read_older_names(tables, BY_KEY).items()
        if value is not None and value not in MASKS
    }
    draft = await state_of(request).config.save(changes, by=_BY)
    _tell(request, draft)
    return answer(MergedBody(draft.revision))


async def validate_config(request: Request) -> Response:
    """Say what changes would do; nothing is changed."""
    await admit_admin(request)
    body = await read_json(request, _CHANGE)
    draft = await state_of(request).config.check(body.changes)
    return answer(
        CheckedBody(draft.revision, not draft.problems, draft.differences, draft.problems)
    )


async def list_history(request: Request) -> Response:
    """List who changed what, and when."""
    await admit_admin(request)
    history = await state_of(request).config.history()
    return answer(
        HistoryBody(
            [
                RevisionView(c.revision, round(c.at_s * 1000), c.by, c.keys, c.restored or None)
                for c in history
            ]
        )
    )


async def roll_back(request: Request) -> Response:
    """Bring an older revision back, as a new one."""
    await admit_admin(request)
    body = await read_json(request, _ROLLBACK)
    about(request, detail=f"to revision {body.to}")
    config = state_of(request).config
    draft = await config.rollback(body.to, expected=body.revision, by=_BY)
    _tell(request, draft)
    return answer(_changed(draft))


def _tell(request: Request, draft: Draft) -> None:
    about(
        request, *(change.key for change in draft.differences), detail=f"revision {draft.revision}"
    )


def _changed(draft: Draft) -> ChangedBody:
    return ChangedBody(draft.revision, draft.differences)
