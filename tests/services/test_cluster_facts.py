"""Facts of all hosts for metrics, on a real store."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from grok2api.assembly import join_cluster
from grok2api.config.media import CacheSettings, LocalCacheSettings
from grok2api.config.schema import Settings
from grok2api.domain.account import Credentials, Mode, Status
from grok2api.domain.ids import AccountId, LeaseId
from grok2api.domain.media import MediaKind
from grok2api.domain.selection import SelectionPolicy, Wish
from grok2api.services.cleanup import Cleanup
from grok2api.services.cluster_facts import ClusterReader
from grok2api.services.media import MediaLibrary, build_media_library
from grok2api.store.accounts import AccountStore, NewAccount, WaitingInLine
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient, open_redis
from grok2api.store.leader import Elected, LeaderStore
from grok2api.telemetry.cluster_metrics import ClusterFacts
from tests.services.conftest import BASIC

SETTINGS = Settings(cache=CacheSettings(local=LocalCacheSettings(image_max_mb=1)))
PICTURE = b"\x89PNG\r\n\x1a\n" + b"0" * 100


@asynccontextmanager
async def open_reader(
    redis: RedisClient, cipher: SecretCipher, folder: Path
) -> AsyncIterator[tuple[ClusterReader, MediaLibrary]]:
    """Return what one worker reads with."""
    async with Cleanup() as cleanup:
        library = build_media_library(redis, folder, SETTINGS, cleanup)
        yield join_cluster(redis, AccountStore(redis, cipher), library), library


async def find(reader: ClusterReader) -> ClusterFacts:
    facts = await reader.find()
    assert facts is not None
    return facts


async def test_an_empty_store_is_told_in_zeros(
    redis: RedisClient, cipher: SecretCipher, tmp_path: Path
) -> None:
    async with open_reader(redis, cipher, tmp_path) as (reader, _):
        facts = await find(reader)

    assert {pool.tier for pool in facts.pools} >= {"basic", "super", "heavy"}
    assert all(set(pool.accounts.values()) == {0} for pool in facts.pools)
    assert (facts.waiting, facts.leader_epoch) == (0, None)
    assert set(facts.batches.values()) | set(facts.videos.values()) == {0}
    assert [(kind.kind, kind.count) for kind in facts.media] == [
        ("image", 0),
        ("video", 0),
        ("input", 0),
    ]


async def test_what_happens_anywhere_is_told_by_every_worker_alike(
    redis_url: str, redis: RedisClient, cipher: SecretCipher, tmp_path: Path
) -> None:
    accounts = AccountStore(redis, cipher)
    for name in ("a", "b"):
        await accounts.save(NewAccount(AccountId(name), BASIC, Credentials(name), mask="…"))
    await accounts.set_status(AccountId("b"), Status.DISABLED)
    wish = Wish(pools=(BASIC,), modes=(Mode.FAST,), units=1)
    policy = SelectionPolicy(max_concurrency=1, wait_s=60.0, max_waiting=10)
    await accounts.acquire(wish, policy, LeaseId("one"))
    assert isinstance(await accounts.acquire(wish, policy, LeaseId("two")), WaitingInLine)
    elected = await LeaderStore(redis).campaign("someone", ttl_s=60)
    assert isinstance(elected, Elected)

    async with (
        open_redis(redis_url) as other_redis,
        open_reader(redis, cipher, tmp_path) as (reader, library),
        open_reader(other_redis, cipher, tmp_path) as (other, _),
    ):
        await library.put(MediaKind.IMAGE, PICTURE, "image/png")
        facts, same = await asyncio.gather(find(reader), find(other))

    [basic] = [pool for pool in facts.pools if pool.tier == "basic"]
    [image] = [kind for kind in facts.media if kind.kind == "image"]
    assert facts == same
    assert (basic.accounts["active"], basic.accounts["disabled"]) == (1, 1)
    assert (basic.open_leases, basic.granted, basic.settled) == (1, 1, 0)
    assert (facts.waiting, facts.leader_epoch) == (1, elected.epoch)
    assert (image.count, image.size_bytes, image.limit_bytes) == (1, len(PICTURE), 1024 * 1024)


async def test_a_scrape_costs_the_same_at_any_number_of_accounts(
    redis: RedisClient, cipher: SecretCipher, tmp_path: Path
) -> None:
    counting = Counting(redis)
    async with open_reader(counting, cipher, tmp_path) as (reader, _):
        await find(reader)
        few = counting.commands
        accounts = AccountStore(redis, cipher)
        for number in range(50):
            name = AccountId(f"a{number}")
            await accounts.save(NewAccount(name, BASIC, Credentials(f"s{number}"), mask="…"))
        counting.commands = []
        await find(reader)

    assert counting.commands == few
    assert len(few) < 20
    assert not {"KEYS", "SCAN", "HGETALL", "HSCAN", "HVALS"} & set(few)


async def test_a_store_that_is_away_gives_no_facts(cipher: SecretCipher, tmp_path: Path) -> None:
    async with (
        open_redis(f"unix://{tmp_path}/nothing") as redis,
        open_reader(redis, cipher, tmp_path) as (reader, _),
    ):
        assert await reader.find() is None


class Counting:
    """A client that notes the commands; a script's text is sent once."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self.commands: list[str] = []

    async def execute_command(self, *args: str | bytes | float) -> object:
        if args[0] != "EVAL":
            self.commands.append(str(args[0]))
        return await self._redis.execute_command(*args)

    async def aclose(self) -> None:
        await self._redis.aclose()
