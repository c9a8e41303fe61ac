"""Anybody can read who leads."""

import pytest

from grok2api.store.connection import RedisClient
from grok2api.store.leader import Leadership, LeaderStore

NOW_MS = 1_800_000_000_000


@pytest.fixture
def leaders(redis: RedisClient) -> LeaderStore:
    return LeaderStore(redis, now_ms=NOW_MS)


async def test_nobody_leads_at_first(leaders: LeaderStore) -> None:
    assert await leaders.find() is None


async def test_leader_is_known_with_its_epoch_and_the_rest_of_its_lease(
    leaders: LeaderStore,
) -> None:
    await leaders.campaign("a", ttl_s=10)
    leaders.now_ms += 4_000

    assert await leaders.find() == Leadership("a", NOW_MS, 6.0)


async def test_lease_that_has_ended_is_no_lead(leaders: LeaderStore) -> None:
    await leaders.campaign("a", ttl_s=10)
    leaders.now_ms += 10_000

    assert await leaders.find() is None


async def test_resigned_leader_leads_no_more(leaders: LeaderStore) -> None:
    await leaders.campaign("a", ttl_s=10)
    await leaders.resign("a")

    assert await leaders.find() is None


async def test_lead_ends_by_the_servers_clock(redis: RedisClient) -> None:
    leaders = LeaderStore(redis)
    await leaders.campaign("a", ttl_s=60)

    found = await leaders.find()

    assert found is not None
    assert 0 < found.ends_in_s <= 60
