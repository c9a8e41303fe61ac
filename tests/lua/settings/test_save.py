"""settings/save: of changes made from the same revision one wins; the last fifty are kept."""

import asyncio
from typing import Any

import pytest

from grok2api.store import keys
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient
from grok2api.store.settings import (
    MAX_REVISIONS,
    Conflict,
    Saved,
    SettingsChange,
    SettingsStore,
    StoredSettings,
)
from tests.lua.conftest import NOW_MS, KeyView

SECRET = "planted-secret-of-a-proxy"


@pytest.fixture
def settings(redis: RedisClient, cipher: SecretCipher) -> SettingsStore:
    return SettingsStore(redis, cipher, now_ms=NOW_MS)


async def save(store: SettingsStore, expected: int, **values: Any) -> Saved | Conflict:
    return await store.save(values, expected, by="someone", changed=sorted(values))


async def test_what_is_saved_is_the_next_revision(settings: SettingsStore) -> None:
    assert await settings.revision() == 0
    assert await save(settings, 0, a=1) == Saved(1)
    assert await save(settings, 1, a=[2, "x"]) == Saved(2)

    assert await settings.load() == StoredSettings(2, {"a": [2, "x"]})
    assert await settings.history() == [
        SettingsChange(2, NOW_MS / 1000, "someone", ("a",)),
        SettingsChange(1, NOW_MS / 1000, "someone", ("a",)),
    ]


@pytest.mark.parametrize("expected", [0, 2, 7])
async def test_change_of_another_revision_changes_nothing(
    settings: SettingsStore, expected: int
) -> None:
    await save(settings, 0, a=1)

    assert await save(settings, expected, a=2) == Conflict(1)

    assert await settings.load() == StoredSettings(1, {"a": 1})
    assert len(await settings.history()) == 1


async def test_one_of_many_racing_changes_wins(settings: SettingsStore) -> None:
    replies = await asyncio.gather(*(save(settings, 0, a=n) for n in range(30)))

    winners = [n for n, reply in enumerate(replies) if isinstance(reply, Saved)]
    assert len(winners) == 1
    assert await settings.load() == StoredSettings(1, {"a": winners[0]})


async def test_the_last_fifty_are_kept_and_no_more(settings: SettingsStore, view: KeyView) -> None:
    for n in range(MAX_REVISIONS + 3):
        await save(settings, n, a=n)

    history = await settings.history()
    assert [change.revision for change in history] == list(range(53, 3, -1))
    assert len(await view.hash(keys.settings_documents())) == MAX_REVISIONS
    assert await settings.find(3) is None
    assert await settings.find(4) == StoredSettings(4, {"a": 3})


async def test_repeated_call_finds_its_own_revision(
    settings: SettingsStore, redis: RedisClient
) -> None:
    call = settings._save
    state = {"revisions": keys.settings_revisions(), "documents": keys.settings_documents()}
    args: dict[str, str | bytes | int] = {
        "expected": 0,
        "document": b"sealed",
        "change": b"[]",
        "keep": 50,
        "now_ms": NOW_MS,
    }

    assert await call(keys=state, args=args) == Saved(1)
    assert await call(keys=state, args=args) == Saved(1)
    assert await call(keys=state, args={**args, "document": b"other"}) == Conflict(1)


async def test_nothing_at_rest_shows_a_value(settings: SettingsStore, redis: RedisClient) -> None:
    await settings.save({"proxy.url": SECRET}, 0, by="me", changed=["proxy.url"])

    for key in (keys.settings_revisions(), keys.settings_documents()):
        found: list[bytes] = await redis.execute_command("HGETALL", key)
        assert SECRET.encode() not in b"".join(found)
