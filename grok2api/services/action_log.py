"""Writes down what administrators do, and shows it."""

import re
from typing import Final

from msgspec import Struct

from grok2api.domain.action import AdminAction, LoggedAction
from grok2api.errors import InvalidRequestError
from grok2api.store.action_log import ActionLogStore
from grok2api.telemetry.redaction import redact_text

_PLACE = re.compile(r"\d{1,16}-\d{1,16}")
_NAME_CHARS: Final = 128
_DETAIL_CHARS: Final = 1000


class ActionPage(Struct, frozen=True):
    """Actions, the newest first. There may be more behind `next_cursor` unless that is ""."""

    items: tuple[LoggedAction, ...]
    next_cursor: str


class ActionLog:
    """What administrators did. Every method raises StoreUnavailableError."""

    __slots__ = ("_store",)

    def __init__(self, store: ActionLogStore) -> None:
        self._store = store

    async def note(
        self, actor: str, action: str, target: str = "", client: str = "", detail: str = ""
    ) -> None:
        """Write down that `actor` did `action`; what looks like a secret is cut out.

        `action` is a word for programs such as "account.delete", `target` what it was done to,
        `client` the address it came from, `detail` a few words for people.
        """
        await self._store.append(
            AdminAction(
                actor=redact_text(actor)[:_NAME_CHARS],
                action=action[:_NAME_CHARS],
                target=redact_text(target)[:_NAME_CHARS],
                client=client[:_NAME_CHARS],
                detail=redact_text(detail)[:_DETAIL_CHARS],
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
