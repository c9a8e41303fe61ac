"""Sessions: which account serves a conversation. Only digests of what clients sent are kept."""

import builtins
from collections.abc import Sequence

from msgspec import Struct

from grok2api.domain.ids import AccountId
from grok2api.store import keys, reads
from grok2api.store.account_pages import MAX_PAGE
from grok2api.store.account_replies import Cleared
from grok2api.store.connection import RedisClient
from grok2api.store.script import Script

_ALL = ""


class Session(Struct, frozen=True):
    """A conversation, by its digest, and the account it stays with until `ends_at_s`."""

    session: str
    account_id: AccountId
    ends_at_s: float


class SessionPage(Struct, frozen=True):
    """Some sessions, the one that ends last first. `next_cursor` is "" on the last page."""

    sessions: builtins.list[Session]
    next_cursor: str


class SessionStore:
    """Sessions. `now_ms` is for tests, as in `AccountStore`."""

    def __init__(self, redis: RedisClient, *, now_ms: int = 0) -> None:
        self._redis = redis
        self.now_ms = now_ms
        self._clear: Script[Cleared] = Script(redis, "session/clear", Cleared)

    async def list(self, *, cursor: str = "", limit: int = 100) -> SessionPage:
        """Return up to `limit` sessions behind `cursor`; those that are over are left out."""
        limit = max(1, min(limit, MAX_PAGE))
        now_ms = self.now_ms or await reads.server_time_ms(self._redis)
        found = await reads.page_of_scores(
            self._redis, keys.session_ends(), cursor, limit + 1, is_reversed=True
        )
        live = [(session, ends_ms) for session, ends_ms in found if ends_ms > now_ms]
        shown = live[:limit]
        names = [session for session, _ in shown]
        accounts = await reads.hash_get_many(self._redis, keys.sessions(), names) if names else []
        sessions = [
            Session(session, AccountId(account.decode()), ends_ms / 1000)
            for (session, ends_ms), account in zip(shown, accounts, strict=True)
            if account is not None
        ]
        last = shown[-1] if len(live) > limit else None
        return SessionPage(sessions, f"{last[1]:.0f}:{last[0]}" if last else "")

    async def clear(self, sessions: Sequence[str]) -> int:
        """Forget some sessions; return how many there were."""
        return sum([await self._forget(session) for session in sessions if session])

    async def clear_all(self) -> int:
        """Forget all sessions; return how many there were."""
        return await self._forget(_ALL)

    async def _forget(self, session: str) -> int:
        reply = await self._clear(
            keys={"sessions": keys.sessions(), "session_ends": keys.session_ends()},
            args={"session": session},
        )
        return reply.count
