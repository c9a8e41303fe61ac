"""Scripts touch no key that they do not declare: Cluster allows nothing else."""

from typing import Any

import pytest
from redis.asyncio import Redis

from grok2api.domain.account import Credentials, Mode, Outcome, Pool, ProviderKind, Status, Tier
from grok2api.domain.action import AdminAction
from grok2api.domain.admission import Edited, Used
from grok2api.domain.batch import BatchKind, BatchParams
from grok2api.domain.client_key import Budget, ClientKey, KeyLimits
from grok2api.domain.ids import (
    AccountId,
    BatchId,
    CallId,
    ClientKeyId,
    LeaseId,
    MediaId,
    ResponseId,
    VideoJobId,
)
from grok2api.domain.media import MediaKind, MediaPlace, build_place
from grok2api.domain.quota import Credits, QuotaReport, Reading
from grok2api.domain.response import EventSlice, KeptResponse, ResponseState
from grok2api.domain.selection import SelectionPolicy, Strategy, Wish
from grok2api.domain.usage import FinishedRequest
from grok2api.domain.video import VideoRequest, VideoState
from grok2api.domain.video_job import KeptQuestion, VideoEnding, VideoJob, VideoWork
from grok2api.errors import StoreUnavailableError
from grok2api.store import keys
from grok2api.store.account_edits import AccountEdits, Edit, Finding, Silence
from grok2api.store.account_replacement import AccountReplacement
from grok2api.store.account_replies import Cleared, Replaced, StaleEpoch
from grok2api.store.account_timers import AccountTimers
from grok2api.store.account_vault import Successor
from grok2api.store.accounts import AccountStore
from grok2api.store.action_log import ActionLogStore
from grok2api.store.admissions import AdmissionStore
from grok2api.store.batch_results import BatchResults
from grok2api.store.batches import BatchStore, Claimed
from grok2api.store.cipher import SecretCipher
from grok2api.store.client_keys import ClientKeyStore
from grok2api.store.connection import RedisClient, open_redis
from grok2api.store.header import list_scripts
from grok2api.store.leader import Elected, Follower, LeaderStore
from grok2api.store.logins import Allowed, Locked, LoginStore
from grok2api.store.media import Eviction, MediaIndex
from grok2api.store.media_replies import StaleEpoch as MediaStaleEpoch
from grok2api.store.media_upkeep import MediaUpkeepIndex, Sighting
from grok2api.store.quota_left import QuotaLeftStore
from grok2api.store.rate_limits import RateLimitStore, Refused, Taken
from grok2api.store.request_log import RequestLogStore
from grok2api.store.responses import Limits, ResponseStore
from grok2api.store.script import Script
from grok2api.store.settings import (
    Conflict as SettingsConflict,
    Saved as SettingsSaved,
    SettingsStore,
    StoredSettings,
)
from grok2api.store.setup import SetupStore
from grok2api.store.usage import UsageLimits, UsageStore
from grok2api.store.video_replies import Created, Finished, Going
from grok2api.store.videos import DeadClaim, NewVideo, VideoLimits, VideoStore
from tests.conftest import BASIC, AccountMaker
from tests.lua.client_key.conftest import checked
from tests.store.conftest import ServerBench

SUPER = Pool(ProviderKind.GROK_WEB, Tier.SUPER)


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
            await use_accounts(redis, cipher)
            await use_client_keys(redis)
            await use_limits(redis)
            await use_leadership(redis)
            await use_batches(redis, cipher)
            await use_responses(ResponseStore(redis, cipher))
            await use_videos(VideoStore(redis, cipher))
            await use_media(redis)
            await use_settings(SettingsStore(redis, cipher))
            await use_usage(redis)

    assert called == set(list_scripts())


async def use_undeclared_key(redis: RedisClient) -> None:
    """Show that the trap works."""
    script: Script[Any] = Script(redis, "account/set_user_id", Any)
    script._text = "return { redis.call('SET', '{g2a}:undeclared', '1') }"
    script._sha = "0" * 40
    await script(
        keys={"accounts": keys.accounts()},
        args={"account_id": "a", "user_id": "u"},
    )


async def use_accounts(redis: RedisClient, cipher: SecretCipher) -> None:
    """Take every path of the account scripts."""
    store = AccountStore(redis, cipher, now_ms=1_800_000_000_000)
    edits = AccountEdits(redis, now_ms=store.now_ms)
    accounts = AccountMaker(store)
    wish = Wish(pools=(BASIC,), modes=(Mode.FAST,), session="s")
    waiting = SelectionPolicy(wait_s=30, session_ttl_s=60, demand_interval_s=1, max_concurrency=1)
    await accounts.save("a", "a", "b", tags=("blue",))
    await store.set_user_id(AccountId("a"), "u")
    leases = [await accounts.lease(f"l{n}", limit=5) for n in range(6)]
    await accounts.lease("l5", limit=5)
    assert await store.renew(leases[0], ttl_s=60)
    outcomes = (Outcome.OK, Outcome.FORBIDDEN, Outcome.RATE_LIMITED, Outcome.UNAUTHORIZED)
    for lease, outcome in zip(leases, outcomes, strict=False):
        await accounts.end(lease, outcome, cooldown_s=5, fingerprint="f")
    await accounts.ask("x", fingerprint="f", tags=("blue", "red"))
    for name in ("w1", "w2"):
        await store.acquire(wish, waiting, LeaseId(name))
    store.now_ms = edits.now_ms = store.now_ms + 10_000
    for name in ("a", "b"):
        await store.set_status(AccountId(name), Status.ACTIVE)
        await edits.edit(AccountId(name), Edit(add_tags=("red",), pool=SUPER, max_concurrency=9))
        report = QuotaReport((Reading(Mode.FAST, 5, 30, 60, 9),), {}, credits=Credits(5, 60))
        await edits.sync(
            AccountId(name), Finding(report=report, pool=BASIC, may_demote=True, next_in_s=9)
        )
    await edits.explain(wish, waiting)
    await replace_b(AccountReplacement(redis, cipher, now_ms=store.now_ms))
    await edits.defer(AccountId("a"), Silence(next_in_s=9, refusal="x", is_certain=True))
    await store.leave_line(LeaseId("w1"))
    await accounts.ask("w2")
    await store.set_status(AccountId("b"), Status.DELETED, for_s=5)
    store.now_ms += 100_000
    await accounts.ask("m2")
    await accounts.save("b", "c")
    use_strategies = [
        await store.acquire(
            wish, SelectionPolicy(strategy=strategy, session_ttl_s=9), LeaseId(strategy)
        )
        for strategy in Strategy
    ]
    assert len(use_strategies) == 4  # left for the reaper
    assert await store.remove(AccountId("a"))
    clear: Script[Cleared] = Script(redis, "session/clear", Cleared)
    state = {"sessions": keys.sessions(), "session_ends": keys.session_ends()}
    assert await clear(keys=state, args={"session": ""}) == Cleared(1)


async def replace_b(replacement: AccountReplacement) -> None:
    successor = Successor(AccountId("d"), Credentials("s"), mask="…")
    reply = await replacement.replace(AccountId("b"), successor, keep_s=5, reason="x")
    assert reply == Replaced()


async def use_leadership(redis: RedisClient) -> None:
    """Take every path of the scripts for maintenance."""
    leaders = LeaderStore(redis)
    await QuotaLeftStore(redis).keep({(BASIC, Mode.FAST): 1}, epoch=0, ttl_s=9)
    timers = AccountTimers(redis, now_ms=2_000_000_000_000)
    edits = AccountEdits(redis, now_ms=2_000_000_000_000)
    first = await leaders.campaign("a", ttl_s=10)
    assert isinstance(first, Elected)
    assert isinstance(await leaders.campaign("b", ttl_s=10), Follower)
    assert await timers.reap(epoch=first.epoch)
    assert await edits.take_due(5, claim_s=60, epoch=first.epoch)
    assert await leaders.resign("a")
    await leaders.campaign("b", ttl_s=10)
    assert await timers.reap(epoch=first.epoch) == StaleEpoch()


async def use_client_keys(redis: RedisClient) -> None:
    """Take every path of the scripts for keys and the first start."""
    store, setup = ClientKeyStore(redis), SetupStore(redis)
    limits = KeyLimits(requests_per_minute=1, day=Budget(tokens=9))
    key = ClientKey(ClientKeyId("key_1"), "x", 1.0, limits=limits)
    assert await setup.claim(ClientKey(ClientKeyId("key_0"), "x", 1.0), "d0", "hash")
    assert await store.save(key, "d1")
    assert await store.find("d1") == key
    assert await store.edit(key.id, lambda found: found) == key
    await use_calls(AdmissionStore(redis, now_ms=1_800_000_000_000), key)
    assert await store.revoke(key.id)


async def use_calls(store: AdmissionStore, key: ClientKey) -> None:
    """Take every path of the scripts for calls of client keys."""
    other = ClientKey(key.id, "y", 1.0, limits=key.limits)
    calls = [CallId("c1"), CallId("c2"), CallId("c3")]
    for call_id in calls:
        await store.admit(call_id, checked(key), tokens=5, units=1, ttl_s=9)
    edited = await store.admit(CallId("c4"), checked(other), tokens=5, units=1, ttl_s=9)
    assert isinstance(edited, Edited)
    await store.look(key.id)
    assert await store.renew(calls, ttl_s=9) == {"c2", "c3"}
    assert await store.settle(calls[0], Used(0, 5))
    await store.admit(calls[1], checked(key), tokens=1, units=1, ttl_s=9)
    store.now_ms += 100_000
    assert await store.reap() == 1


async def use_limits(redis: RedisClient) -> None:
    """Take every path of the scripts that hold strangers back."""
    limits, logins = RateLimitStore(redis), LoginStore(redis)
    assert await limits.take("a", per_minute=1, burst=1) == Taken()
    assert isinstance(await limits.take("a", per_minute=1, burst=1), Refused)
    for _ in range(5):
        assert isinstance(await logins.begin("a"), Allowed)
    assert isinstance(await logins.begin("a"), Locked)
    await logins.succeed("a")
    assert isinstance(await logins.begin("a", is_check=False), Allowed)


async def use_batches(redis: RedisClient, cipher: SecretCipher) -> None:
    """Take every path of the batch scripts."""
    leaders, store = LeaderStore(redis, now_ms=2_100_000_000_000), BatchStore(redis)
    results = BatchResults(redis, cipher)
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
        for account_id in taken:
            assert await results.keep(batch_id, account_id, b"x", epoch=leader.epoch)
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
    limits, told = Limits(keep_s=60.0, max_count=2, max_bytes=4000), EventSlice(0, 1, b"x")
    owner = ClientKeyId("key_1")
    responses = [
        KeptResponse(
            id=ResponseId(f"resp_{n}"), owner=owner, body=b"x", state=ResponseState.IN_PROGRESS
        )
        for n in range(4)
    ]
    for kept in responses:
        assert await store.save(kept, limits, lease_s=9.0)
    third, last = responses[2].id, responses[3].id
    await store.find(owner, third, keep_s=90.0)
    assert await store.append(owner, third, told, lease_s=9.0)
    assert await store.cancel(owner, third)
    assert await store.finish(responses[3], told, limits)
    assert await store.forget(owner, last)


async def use_videos(store: VideoStore) -> None:
    """Take every path of the scripts for video jobs."""
    owner, limits = ClientKeyId("key_1"), VideoLimits(max_open=9, max_kept=2, keep_s=60.0)
    question = KeptQuestion(request=VideoRequest(model="m", prompt="p"))
    ids = [VideoJobId(f"video_{n}") for n in range(4)]
    work = VideoWork(url="u")
    for name in ids:
        video = NewVideo(id=name, owner=owner, question=question, token=name, fingerprint="f")
        assert isinstance(await store.create(video, limits), Created)
        job = await store.claim(ttl_s=60.0)
        assert isinstance(job, VideoJob)
        assert isinstance(await store.beat(job, 1, ttl_s=60.0), Going)
        if name == ids[3]:
            await store.advance(job, VideoState.SUBMITTING, work)
            await store.delete(owner, name)
            await store.release(job)
            assert isinstance(await store.claim(ttl_s=60.0), DeadClaim)
            continue
        ending = VideoEnding(state=VideoState.FAILED, work=work)
        assert isinstance(await store.finish(job, ending), Finished)
    page = await store.list(owner)
    assert page is not None
    assert [job.id for job in page.jobs] == [ids[2]]
    await store.cancel(owner, ids[2])
    await store.delete(owner, ids[2])


async def use_settings(store: SettingsStore) -> None:
    """Take every path of the scripts for settings."""
    assert await store.save({"a": 1}, 0, by="x", changed=["a"]) == SettingsSaved(1)
    assert await store.save({"a": 2}, 0, by="x", changed=["a"]) == SettingsConflict(1)
    assert await store.load() == StoredSettings(1, {"a": 1})
    assert await store.find(2) is None


async def use_media(redis: RedisClient) -> None:
    """Take every path of the media scripts."""
    kind, now_ms = MediaKind.IMAGE, 2_200_000_000_000
    index, upkeep = MediaIndex(redis, now_ms=now_ms), MediaUpkeepIndex(redis, now_ms=now_ms)
    leader = await LeaderStore(redis, now_ms=now_ms).campaign("d", ttl_s=10)
    assert isinstance(leader, Elected)
    ids = [MediaId(f"{number:032x}") for number in range(3)]
    places = {
        media_id: [build_place(kind, media_id, "image/png", nonce * 8) for nonce in "ab"]
        for media_id in ids
    }
    for media_id, copies in places.items():
        for place in copies:
            await index.reserve(kind, media_id, place, size_bytes=9, limit_bytes=99, write_s=9)
        for place in copies:
            assert await index.keep(kind, media_id, place, "image/png")
    await index.abandon(kind, places[ids[0]][0])
    assert await index.find(kind, ids[0])
    assert (await index.list(kind, skip=0, limit=9)).total == len(ids)
    assert (await index.usage(kind)).bytes
    found = [
        Sighting(place, MediaPlace(kind, media_id, "image/png"), 9, 1.0)
        for media_id, copies in places.items()
        for place in copies
    ]
    await upkeep.note_seen(kind, found, seen_ms=now_ms, epoch=leader.epoch)
    for one in found:
        await upkeep.adopt(one, epoch=leader.epoch)
    assert await upkeep.list_unseen(kind, before_ms=now_ms + 1, limit=9, epoch=leader.epoch)
    assert await index.remove(kind, ids[0])
    assert isinstance(
        await index.evict(kind, limit_bytes=0, target_bytes=0, epoch=leader.epoch), Eviction
    )
    upkeep.now_ms += 100_000
    ended = await upkeep.take_ended(kind, most=9, epoch=leader.epoch)
    assert not isinstance(ended, MediaStaleEpoch)
    await index.drop(kind, ended)
    await upkeep.adopt(found[0], epoch=leader.epoch)


async def use_usage(redis: RedisClient) -> None:
    """Take every path of the scripts of statistics and logs."""
    key = ClientKey(ClientKeyId("key_2"), "x", 1.0, limits=KeyLimits(concurrency=1))
    assert await ClientKeyStore(redis).save(key, "d2")
    store = UsageStore(redis, UsageLimits(log_max_entries=2))
    call = CallId("call_1")
    await AdmissionStore(redis).admit(call, checked(key), tokens=1, units=1, ttl_s=60)
    finished = [
        FinishedRequest(id=f"req_{n}", at_s=1.0, route="/", status=200, call_id=call)
        for n in range(4)
    ]
    assert await store.settle(finished, recorder="w", batch=1) is not None
    assert await store.settle(finished, recorder="w", batch=1) is None
    assert await store.reset() == 8
    assert await RequestLogStore(redis).clear() == 2
    actions = ActionLogStore(redis, max_entries=1)
    for action in ("a", "b"):
        assert await actions.append(AdminAction(actor="admin", action=action))
