"""account/keep_quota_left: one walk replaces the one before; former leaders change nothing."""

from grok2api.domain.account import Mode, Pool, ProviderKind, Tier
from grok2api.store import usage_keys
from grok2api.store.account_replies import StaleEpoch
from grok2api.store.connection import RedisClient
from grok2api.store.leader import Elected, LeaderStore
from grok2api.store.quota_left import Kept, QuotaLeftStore

BASIC = Pool(ProviderKind.GROK_WEB, Tier.BASIC)
SUPER = Pool(ProviderKind.GROK_WEB, Tier.SUPER)


async def lead(redis: RedisClient, owner: str, now_ms: int) -> int:
    reply = await LeaderStore(redis, now_ms=now_ms).campaign(owner, ttl_s=10)
    assert isinstance(reply, Elected)
    return reply.epoch


async def test_what_was_not_found_again_is_gone(redis: RedisClient) -> None:
    store, epoch = QuotaLeftStore(redis), await lead(redis, "me", 1_000_000)
    await store.keep({(BASIC, Mode.FAST): 30, (SUPER, Mode.AUTO): 5}, epoch=epoch, ttl_s=60)

    assert await store.keep({(BASIC, Mode.FAST): 7}, epoch=epoch, ttl_s=60) == Kept()

    assert await store.read() == {(BASIC, Mode.FAST): 7}
    left_ms = await redis.execute_command("PTTL", usage_keys.quota_left())
    assert 0 < left_ms <= 60_000


async def test_pool_without_accounts_is_kept_as_nothing(redis: RedisClient) -> None:
    store, epoch = QuotaLeftStore(redis), await lead(redis, "me", 1_000_000)
    await store.keep({(BASIC, Mode.FAST): 30}, epoch=epoch, ttl_s=60)

    assert await store.keep({}, epoch=epoch, ttl_s=60) == Kept()

    assert await store.read() == {}


async def test_former_leader_changes_nothing(redis: RedisClient) -> None:
    store, first = QuotaLeftStore(redis), await lead(redis, "me", 1_000_000)
    second = await lead(redis, "other", 2_000_000)
    await store.keep({(BASIC, Mode.FAST): 30}, epoch=second, ttl_s=60)

    assert await store.keep({(BASIC, Mode.FAST): 1}, epoch=first, ttl_s=60) == StaleEpoch()

    assert await store.read() == {(BASIC, Mode.FAST): 30}
