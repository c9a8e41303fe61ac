"""How long calls of Redis take is told by script and command, without changing them."""

from pathlib import Path

import pytest

from grok2api.errors import StoreUnavailableError
from grok2api.store import keys, reads
from grok2api.store.connection import RedisClient, open_redis
from grok2api.store.leader import LeaderStore
from grok2api.store.metered import MeteredRedis


class Noted:
    """Notes calls and whether they failed."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, bool]] = []

    def store_called(self, call: str, duration_s: float, *, has_failed: bool) -> None:
        assert duration_s >= 0
        self.calls.append((call, has_failed))


async def test_a_script_goes_by_its_name_also_when_it_is_sent_anew(redis: RedisClient) -> None:
    noted = Noted()
    leader = LeaderStore(MeteredRedis(redis, noted))
    await redis.execute_command("SCRIPT", "FLUSH")

    await leader.campaign("me", ttl_s=10)
    await leader.campaign("me", ttl_s=10)

    assert noted.calls == [("leader/campaign", False)] * 3


async def test_a_command_goes_by_its_own(redis: RedisClient) -> None:
    noted = Noted()

    assert await reads.hash_length(MeteredRedis(redis, noted), keys.leader()) == 0
    await reads.stream_after(MeteredRedis(redis, noted), keys.wakeups(), "0", wait_ms=1)

    assert noted.calls == [("HLEN", False)]


async def test_a_failure_is_counted_and_passed_on(tmp_path: Path) -> None:
    noted = Noted()
    async with open_redis(f"unix://{tmp_path}/nothing") as away:
        with pytest.raises(StoreUnavailableError):
            await LeaderStore(MeteredRedis(away, noted)).resign("me")

    assert noted.calls == [("leader/resign", True)] * 2  # it may be repeated
