"""leader/resign: the lead is free at once, for nobody but its owner to give."""

import pytest

from grok2api.store import keys
from grok2api.store.connection import RedisClient
from grok2api.store.leader import Elected, Follower, LeaderStore
from tests.lua.conftest import NOW_MS, KeyView


@pytest.fixture
def leaders(redis: RedisClient) -> LeaderStore:
    return LeaderStore(redis, now_ms=NOW_MS)


async def test_resigned_lead_is_taken_at_once_with_a_higher_epoch(leaders: LeaderStore) -> None:
    await leaders.campaign("a", ttl_s=10)

    assert await leaders.resign("a")

    assert await leaders.campaign("b", ttl_s=10) == Elected(NOW_MS + 1)


async def test_epoch_outlives_the_leader(leaders: LeaderStore, view: KeyView) -> None:
    await leaders.campaign("a", ttl_s=10)

    await leaders.resign("a")

    assert await view.hash(keys.leader()) == {"epoch": str(NOW_MS)}


async def test_follower_cannot_end_the_leaders_lease(leaders: LeaderStore) -> None:
    await leaders.campaign("a", ttl_s=10)

    assert not await leaders.resign("b")

    assert await leaders.campaign("b", ttl_s=10) == Follower(10_000)


async def test_second_resignation_changes_nothing(leaders: LeaderStore, view: KeyView) -> None:
    await leaders.campaign("a", ttl_s=10)
    await leaders.resign("a")

    assert not await leaders.resign("a")
    assert await view.hash(keys.leader()) == {"epoch": str(NOW_MS)}


async def test_nobody_has_nothing_to_resign(leaders: LeaderStore, view: KeyView) -> None:
    assert not await leaders.resign("a")
    assert await view.hash(keys.leader()) == {}
