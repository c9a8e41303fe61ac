"""Scripts touch no key that they do not declare: Cluster allows nothing else."""

from typing import Any

import pytest
from redis.asyncio import Redis

from grok2api.domain.account import Outcome, Status
from grok2api.domain.batch import BatchKind, BatchParams
from grok2api.domain.client_key import ClientKey
from grok2api.domain.ids import AccountId, BatchId, ClientKeyId, LeaseId, ResponseId
from grok2api.domain.response import EventSlice, KeptResponse, ResponseState
from grok2api.errors import StoreUnavailableError
from grok2api.store import keys
from grok2api.store.account_replies import StaleEpoch
from grok2api.store.account_timers import AccountTimers
from grok2api.store.accounts import AccountStore
from grok2api.store.batches import BatchStore, Claimed
from grok2api.store.cipher import SecretCipher
from grok2api.store.client_keys import ClientKeyStore
from grok2api.store.connection import RedisClient, open_redis
from grok2api.store.header import list_scripts
from grok2api.store.leader import Elected, Follower, LeaderStore
from grok2api.store.responses import Limits, ResponseStore
from grok2api.store.script import Script
from grok2api.store.setup import SetupStore
from tests.conftest import BASIC, AccountMaker
from tests.store.conftest import ServerBench


class StrictClient:
    """Runs every script as a user who may touch the keys of this call, and no others."""

    def __init__(self, owner: RedisClient, strict: Redis) -> None:
        self._owner = owner
        self._strict: Any = strict

    async def execute_command(self, *args: str | bytes | float) -> Any:
        if args[0] not in ("EVAL", "EVALSHA"):
            return await self._owner.execute_command(*args)
        declared = args[3 : 3 + int(args[2])]
        allowed = [f"~{key}" for key in declared if isinstance(key, str)]
        await self._owner.execute_command(
            "ACL", "SETUSER", "strict", "on", "nopass", "+@all", "resetkeys", *allowed
        )
        return await self._strict.execute_command(*args)

    async def aclose(self) -> None:
        await self._strict.aclose()


async def test_scripts_touch_only_declared_keys(
    servers: ServerBench, cipher: SecretCipher, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: set[str] = set()
    call = Script.__call__

    async def note(self: Script[Any], **names: Any) -> Any:
        called.add(self.header.name)
        return await call(self, **names)

    monkeypatch.setattr(Script, "__call__", note)
    server = servers.build()
    server.start()
    async with open_redis(server.url) as owner:
        await owner.execute_command("ACL", "SETUSER", "strict", "on", "nopass", "+@all")
        async with Redis.from_url(server.url, username="strict", protocol=2) as strict:
            redis = StrictClient(owner, strict)
            with pytest.raises(StoreUnavailableError):
                await use_undeclared_key(redis)
            called.clear()
            await use_accounts(AccountStore(redis, cipher, now_ms=1_800_000_000_000))
            await use_client_keys(redis)
            await use_leadership(redis)
            await use_batches(redis)
            await use_responses(ResponseStore(redis, cipher))

    assert called == set(list_scripts())


async def use_undeclared_key(redis: RedisClient) -> None:
    """Show that the trap works."""
    script: Script[Any] = Script(redis, "account/set_user_id", Any)
    script._text = "return { redis.call('SET', '{g2a}:undeclared', '1') }"
    script._sha = "0" * 40
    await script(
        keys={"pools": keys.account_pools(), "user_ids": keys.account_user_ids()},
        args={"account_id": "a", "user_id": "u"},
    )


async def use_accounts(store: AccountStore) -> None:
    """Take every path of the account scripts."""
    accounts = AccountMaker(store)
    await accounts.save("a", "a", "b")
    await store.set_user_id(AccountId("a"), "u")
    leases = [await accounts.lease(f"l{n}", limit=5) for n in range(6)]
    await accounts.lease("l5", limit=5)
    assert await store.renew(leases[0], ttl_s=60)
    await store.release(leases[0], Outcome.OK)
    await store.release(leases[1], Outcome.RATE_LIMITED, cooldown_s=5)
    await store.release(leases[2], Outcome.UNAUTHORIZED)
    store.now_ms += 10_000
    await store.acquire((BASIC,), LeaseId("m1"), ttl_s=1, max_concurrency=1)
    await store.set_status(AccountId("a"), Status.ACTIVE)
    await store.set_status(AccountId("b"), Status.COOLING, cooldown_s=5)
    store.now_ms += 100_000
    await accounts.lease("m2")
    await accounts.save("c")
    await accounts.lease("m3", limit=5)  # left for the reaper
    assert await store.remove(AccountId("a"))


async def use_leadership(redis: RedisClient) -> None:
    """Take every path of the scripts for maintenance."""
    leaders = LeaderStore(redis)
    timers = AccountTimers(redis, now_ms=2_000_000_000_000)
    first = await leaders.campaign("a", ttl_s=10)
    assert isinstance(first, Elected)
    assert isinstance(await leaders.campaign("b", ttl_s=10), Follower)
    assert await timers.reap(epoch=first.epoch)
    assert await leaders.resign("a")
    await leaders.campaign("b", ttl_s=10)
    assert await timers.reap(epoch=first.epoch) == StaleEpoch()


async def use_client_keys(redis: RedisClient) -> None:
    """Take every path of the scripts for keys and the first start."""
    store, setup = ClientKeyStore(redis), SetupStore(redis)
    key = ClientKey(ClientKeyId("key_1"), "x", 1.0)
    assert await setup.claim(ClientKey(ClientKeyId("key_0"), "x", 1.0), "d0", "hash")
    assert await store.save(key, "d1")
    assert await store.find("d1") == key
    assert await store.revoke(key.id)


async def use_batches(redis: RedisClient) -> None:
    """Take every path of the batch scripts."""
    leaders, store = LeaderStore(redis, now_ms=2_100_000_000_000), BatchStore(redis)
    leader = await leaders.campaign("c", ttl_s=10)
    assert isinstance(leader, Elected)
    ids = [BatchId(f"bat_{n}") for n in range(3)]
    taken: tuple[AccountId, ...] = ()
    for batch_id in ids:
        await store.create(batch_id, BatchKind.DELETE, BatchParams(), created_by="x", keep_s=1000)
        await store.add(batch_id, [AccountId(c) for c in "abcd"])
        await store.start(batch_id)
        for claimer in ("one", "two"):
            reply = await store.take(batch_id, claimer, limit=2, ttl_s=9, epoch=leader.epoch)
            assert isinstance(reply, Claimed)
            taken = reply.items
    await store.finish(ids[0], dict.fromkeys(taken, "no"), epoch=leader.epoch)
    await store.finish(ids[0], {AccountId("a"): ""}, epoch=leader.epoch)
    for batch_id in ids:
        await store.cancel(batch_id)
        await store.take(batch_id, "three", limit=9, ttl_s=9, epoch=leader.epoch)
    store.now_ms = 2_100_000_000_000
    await store.create(BatchId("y"), BatchKind.DELETE, BatchParams(), created_by="", keep_s=9)
    assert await store.cancel(BatchId("y"))
    assert await store.forget(BatchId("y"))


async def use_responses(store: ResponseStore) -> None:
    """Take every path of the response scripts."""
    limits, owner = Limits(keep_s=60.0, max_count=2, max_bytes=4000), ClientKeyId("key_1")
    ids = [ResponseId(f"resp_{n}") for n in range(4)]
    told = EventSlice(0, 1, b"x")
    for response_id in ids:
        kept = KeptResponse(id=response_id, owner=owner, body=b"x", state=ResponseState.IN_PROGRESS)
        assert await store.save(kept, limits, lease_s=9.0)
    await store.find(owner, ids[2], keep_s=90.0)
    assert await store.append(owner, ids[2], told, lease_s=9.0)
    assert await store.cancel(owner, ids[2])
    assert await store.finish(responses[3], told, limits)
    assert await store.forget(owner, ids[3])
