"""Forgetting which account serves a session."""

import pytest

from grok2api.store import keys
from grok2api.store.connection import RedisClient
from grok2api.store.sessions import SessionStore
from tests.conftest import AccountMaker
from tests.lua.conftest import KeyView


@pytest.fixture
async def sessions(redis: RedisClient, accounts: AccountMaker) -> SessionStore:
    """Three sessions of one account."""
    await accounts.save("a")
    accounts.policy = type(accounts.policy)(session_ttl_s=600.0)
    for n in range(3):
        await accounts.lease(f"l{n}", limit=5, session=f"s{n}")
    return SessionStore(redis)


async def test_one_session_is_forgotten(sessions: SessionStore, view: KeyView) -> None:
    assert await sessions.clear(["s1"]) == 1

    assert set(await view.hash(keys.sessions())) == {"s0", "s2"}
    assert set(await view.members(keys.session_ends())) == {"s0", "s2"}


async def test_all_sessions_are_forgotten(sessions: SessionStore, view: KeyView) -> None:
    assert await sessions.clear_all() == 3

    assert await view.hash(keys.sessions()) == {}
    assert await view.members(keys.session_ends()) == []


async def test_forgetting_again_changes_nothing(sessions: SessionStore) -> None:
    assert await sessions.clear(["s1", "unknown"]) == 1
    assert await sessions.clear(["s1"]) == 0
    assert await sessions.clear_all() == 2
    assert await sessions.clear_all() == 0


async def test_no_name_forgets_nothing(sessions: SessionStore) -> None:
    """In the script, an empty name stands for all of them."""
    assert await sessions.clear([""]) == 0
    assert len((await sessions.list()).sessions) == 3
