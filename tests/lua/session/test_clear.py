"""session/clear: a session, or all of them, begin anew."""

import msgspec
import pytest

from grok2api.store import keys
from grok2api.store.account_replies import Cleared
from grok2api.store.connection import RedisClient
from grok2api.store.script import Script
from tests.conftest import AccountMaker
from tests.lua.conftest import KeyView


@pytest.fixture
async def _sessions(accounts: AccountMaker) -> None:
    accounts.policy = msgspec.structs.replace(accounts.policy, session_ttl_s=600)
    await accounts.save("a")
    for session in ("s", "t"):
        await accounts.end(await accounts.lease(f"l-{session}", session=session))


async def clear(redis: RedisClient, session: str) -> Cleared:
    script: Script[Cleared] = Script(redis, "session/clear", Cleared)
    state = {"sessions": keys.sessions(), "session_ends": keys.session_ends()}
    return await script(keys=state, args={"session": session})


@pytest.mark.usefixtures("_sessions")
async def test_one_session_is_forgotten(redis: RedisClient, view: KeyView) -> None:
    assert await clear(redis, "s") == Cleared(1)

    assert await view.hash(keys.sessions()) == {"t": "a"}
    assert await view.members(keys.session_ends()) == ["t"]


@pytest.mark.usefixtures("_sessions")
async def test_all_sessions_are_forgotten(redis: RedisClient, view: KeyView) -> None:
    assert await clear(redis, "") == Cleared(2)

    assert await view.hash(keys.sessions()) == {}
    assert await view.members(keys.session_ends()) == []


@pytest.mark.usefixtures("_sessions")
async def test_unknown_session_changes_nothing(redis: RedisClient, view: KeyView) -> None:
    before = await view.dump()

    assert await clear(redis, "u") == Cleared(0)

    assert await view.dump() == before
