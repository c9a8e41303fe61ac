"""Lists of sessions: newest end first, page by page, without those that are over."""

import msgspec
import pytest

from grok2api.store.connection import RedisClient
from grok2api.store.sessions import SessionStore
from tests.conftest import AccountMaker

NOW_MS = 1_800_000_000_000


@pytest.fixture
async def sessions(redis: RedisClient, accounts: AccountMaker) -> SessionStore:
    """Sessions s0 to s4 that end one after the other, ten minutes from now on."""
    await accounts.save("a")
    accounts.policy = msgspec.structs.replace(accounts.policy, session_ttl_s=600.0)
    for n in range(5):
        accounts.store.now_ms = NOW_MS + n * 1000
        await accounts.lease(f"l{n}", limit=9, session=f"s{n}")
    return SessionStore(redis, now_ms=NOW_MS)


async def test_the_one_that_ends_last_comes_first(sessions: SessionStore) -> None:
    page = await sessions.list()

    assert [s.session for s in page.sessions] == ["s4", "s3", "s2", "s1", "s0"]
    assert {s.account_id for s in page.sessions} == {"a"}
    assert page.sessions[-1].ends_at_s == NOW_MS / 1000 + 600
    assert page.next_cursor == ""


async def test_pages_join_to_the_whole(sessions: SessionStore) -> None:
    first = await sessions.list(limit=3)
    rest = await sessions.list(cursor=first.next_cursor, limit=3)

    assert [s.session for s in (*first.sessions, *rest.sessions)] == ["s4", "s3", "s2", "s1", "s0"]
    assert rest.next_cursor == ""


async def test_page_goes_on_where_its_last_session_was_forgotten(sessions: SessionStore) -> None:
    first = await sessions.list(limit=2)
    await sessions.clear(["s3"])

    rest = await sessions.list(cursor=first.next_cursor)

    assert [s.session for s in rest.sessions] == ["s2", "s1", "s0"]


async def test_session_that_is_over_is_not_listed(sessions: SessionStore) -> None:
    sessions.now_ms = NOW_MS + 602_000

    assert [s.session for s in (await sessions.list()).sessions] == ["s4", "s3"]
