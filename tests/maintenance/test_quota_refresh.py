"""The job that asks about accounts whose quota is due."""

import asyncio
from pathlib import Path

import pytest

from grok2api.domain.account import Status, Tier
from grok2api.domain.ids import AccountId
from grok2api.errors import CredentialRejectedError, StoreUnavailableError
from grok2api.maintenance.jobs.quota_refresh import build_quota_refresh
from grok2api.maintenance.leader import LeadershipLostError
from grok2api.store.accounts import AccountStore
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient, open_redis, ping
from grok2api.store.leader import Elected, LeaderStore
from tests.conftest import find_server, run_server
from tests.services.quota_bench import TOTALS, QuotaBench, report_of

pytestmark = pytest.mark.timeout(60)
HOUR_MS = 3_600_000
BASIC = report_of(TOTALS[Tier.BASIC], 5)


async def lead(redis: RedisClient, owner: str = "me", *, late_ms: int = 0) -> int:
    seconds, _ = await redis.execute_command("TIME")
    store = LeaderStore(redis, now_ms=int(seconds) * 1000 + late_ms)
    reply = await store.campaign(owner, ttl_s=60)
    assert isinstance(reply, Elected)
    return reply.epoch


async def work(bench: QuotaBench, epoch: int) -> None:
    """Let the job run once."""
    await build_quota_refresh(bench.edits, bench.quota, bench.settings).run(epoch)


async def test_one_run_asks_about_all_that_are_due_and_a_few_at_once(
    redis: RedisClient, account_store: AccountStore
) -> None:
    bench = QuotaBench(redis, account_store, concurrency=3)
    names = [f"a{number}" for number in range(25)]
    await bench.accounts.save(*names)
    bench.upstream.answers = dict.fromkeys(names, BASIC)
    epoch = await lead(redis)
    bench.upstream.gate.clear()

    async with asyncio.TaskGroup() as group:
        group.create_task(work(bench, epoch))
        await bench.upstream.until_asked(3)
        bench.upstream.gate.set()

    assert sorted(name for name, _ in bench.upstream.asked) == sorted(names)
    assert bench.upstream.most_open == 3
    assert [await bench.due_in_s(name) > 60_000 for name in names] == [True] * 25
    await work(bench, epoch)
    assert len(bench.upstream.asked) == 25


async def test_account_that_comes_while_others_are_asked_about_is_asked_about_too(
    redis: RedisClient, account_store: AccountStore
) -> None:
    bench = QuotaBench(redis, account_store, concurrency=2)
    bench.upstream.answers = {"a": BASIC, "b": report_of(TOTALS[Tier.HEAVY])}
    await bench.accounts.save("a")
    epoch = await lead(redis)
    bench.upstream.gate.clear()

    async with asyncio.TaskGroup() as group:
        group.create_task(work(bench, epoch))
        await bench.upstream.until_asked(1)
        await bench.accounts.save("b")
        await bench.upstream.until_asked(2)
        bench.upstream.gate.set()

    assert await bench.tier("b") is Tier.HEAVY


async def test_nothing_is_asked_where_refreshing_is_switched_off(
    redis: RedisClient, account_store: AccountStore
) -> None:
    bench = QuotaBench(redis, account_store, enabled=False)
    bench.upstream.answers["a"] = BASIC
    await bench.accounts.save("a")

    await work(bench, await lead(redis))

    assert bench.upstream.asked == []
    assert (await bench.refresh()).failure == ""


async def test_failure_of_one_account_leaves_the_others_alone(
    redis: RedisClient, account_store: AccountStore
) -> None:
    bench = QuotaBench(redis, account_store)
    await bench.accounts.save("a", "b", "c")
    dead = CredentialRejectedError("no", is_confirmed=True)
    bench.upstream.answers = {"a": dead, "c": BASIC}

    await work(bench, await lead(redis))

    found = await account_store.find([AccountId(n) for n in ("a", "b", "c")])
    assert [account.status for account in found.values()] == [
        Status.EXPIRED,
        Status.ACTIVE,
        Status.ACTIVE,
    ]
    assert found[AccountId("c")].synced_at_s > 0


async def test_leader_replaced_before_it_takes_any_asks_nobody(
    redis: RedisClient, account_store: AccountStore
) -> None:
    bench = QuotaBench(redis, account_store)
    await bench.accounts.save("a")
    epoch = await lead(redis)
    await lead(redis, "other", late_ms=HOUR_MS)

    with pytest.raises(LeadershipLostError):
        await work(bench, epoch)

    assert bench.upstream.asked == []


async def test_leader_replaced_while_it_asks_writes_nothing(
    redis: RedisClient, account_store: AccountStore
) -> None:
    bench = QuotaBench(redis, account_store)
    await bench.accounts.save("a", "b")
    dead = CredentialRejectedError("no", is_confirmed=True)
    bench.upstream.answers = {"a": dead, "b": report_of(TOTALS[Tier.HEAVY], 0)}
    epoch = await lead(redis)
    bench.upstream.gate.clear()
    before = await bench.accounts.look("a"), await bench.accounts.look("b")

    async def run() -> None:
        with pytest.raises(LeadershipLostError):
            await work(bench, epoch)

    async with asyncio.TaskGroup() as group:
        group.create_task(run())
        await bench.upstream.until_asked(2)
        await lead(redis, "other", late_ms=HOUR_MS)
        bench.upstream.gate.set()

    assert (await bench.accounts.look("a"), await bench.accounts.look("b")) == before


async def test_store_that_goes_away_ends_the_run_and_nothing_stays_under_way(
    tmp_path: Path, cipher: SecretCipher
) -> None:
    options = ("--port", "0", "--unixsocket", str(tmp_path / "s"))
    async with open_redis(f"unix://{tmp_path / 's'}", pool_size=4) as redis:
        bench = QuotaBench(redis, AccountStore(redis, cipher))
        with run_server(find_server("valkey"), tmp_path / "one", *options):
            await wait_for_store(redis)
            await bench.accounts.save("a", "b")
            epoch = await lead(redis)
            bench.upstream.gate.clear()
            run = asyncio.ensure_future(work(bench, epoch))  # noqa: TID251 -- awaited below
            await bench.upstream.until_asked(2)

        with pytest.raises(StoreUnavailableError):
            await run

    assert bench.upstream.open_now == 0


async def wait_for_store(redis: RedisClient) -> None:
    while True:
        try:
            await ping(redis)
        except StoreUnavailableError:
            await asyncio.sleep(0.01)
        else:
            return
