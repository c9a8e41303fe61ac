"""Sessions as the operator sees them: which conversation stays with which account."""

from collections.abc import AsyncIterator, Sequence

from grok2api.store.sessions import Session, SessionPage, SessionStore


class Sessions:
    """Lists sessions and forgets them; a forgotten conversation goes on with any account."""

    __slots__ = ("_store",)

    def __init__(self, store: SessionStore) -> None:
        self._store = store

    async def page(self, *, cursor: str = "", limit: int = 100) -> SessionPage:
        """Return up to `limit` sessions behind `cursor`, the one that ends last first."""
        return await self._store.list(cursor=cursor, limit=limit)

    async def list(self) -> AsyncIterator[Session]:
        """Yield all sessions, page by page."""
        cursor = ""
        while True:
            page = await self._store.list(cursor=cursor)
            for session in page.sessions:
                yield session
            cursor = page.next_cursor
            if not cursor:
                return

    async def clear(self, sessions: Sequence[str]) -> int:
        """Forget the sessions of these digests; return how many there were."""
        return await self._store.clear(tuple(dict.fromkeys(sessions)))

    async def clear_all(self) -> int:
        """Forget every session; return how many there were."""
        return await self._store.clear_all()
