"""Writes down what administrators do, and shows it."""

import re
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from grok2api.domain.action import AdminAction, LoggedAction
from grok2api.errors import InvalidRequestError
from grok2api.store.action_log import ActionLogStore
from grok2api.telemetry.redaction import redact_text

_PLACE = re.compile(r"\d{1,16}-\d{1,16}")
MAX_TARGETS: Final = 10
"""Ids of one action that are written down; the others are counted."""
_NAME_CHARS: Final = 128
_DETAIL_CHARS: Final = 1000


class ActionPage(Struct, frozen=True):
    """Actions, the newest first. There may be more behind `next_cursor` unless that is ""."""

    items: tuple[LoggedAction, ...]
    next_cursor: str


def name_targets(ids: Iterable[str]) -> str:
    """Return the first of `ids`, and how many more there are."""
    named = list(dict.fromkeys(ids))
    rest = len(named) - MAX_TARGETS
    return ", ".join(named[:MAX_TARGETS]) + (f" and {rest} more" if rest > 0 else "")


class ActionLog:
    """What administrators did. Every method raises StoreUnavailableError."""

    __slots__ = ("_store",)

    def __init__(self, store: ActionLogStore) -> None:
        self._store = store

    async def note(self, action: AdminAction) -> None:
        """Write an action down; what looks like a secret is cut out."""
        await self._store.append(
            AdminAction(
                actor=redact_text(action.actor)[:_NAME_CHARS],
                action=action.action[:_NAME_CHARS],
                target=redact_text(action.target)[:_DETAIL_CHARS],
                client=action.client[:_NAME_CHARS],
                detail=redact_text(action.detail)[:_DETAIL_CHARS],
                outcome=action.outcome[:_NAME_CHARS],
            )
        )

    async def page(self, *, cursor: str = "", limit: int = 50) -> ActionPage:
        """Return up to `limit` actions behind `cursor`.

        Raises:
            InvalidRequestError: the cursor is none.
        """
        if cursor and not _PLACE.fullmatch(cursor):
            raise InvalidRequestError("This cursor is none that a page gave.", param="cursor")
        found = await self._store.read(cursor, limit + 1)
        items = tuple(found[:limit])
        return ActionPage(items, items[-1].place if len(found) > limit else "")
