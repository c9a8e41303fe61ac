"""Hosts whose clocks are off: what is shared follows the store's clock alone."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from redis import Redis

from grok2api import bootstrap
from grok2api.domain.account import Status
from grok2api.domain.ids import AccountId
from grok2api.store import keys
from grok2api.store.accounts import AccountStore
from grok2api.store.connection import open_redis
from tests.e2e.running import Running, open_client, open_upstream

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]

LEASE_TTL_S = 60.0
"""The default of `account.lease_ttl_s`."""


class ShiftedClock:
    """A host's clock that is off by `by_s`."""

    def __init__(self, by_s: float) -> None:
        self._by_s = by_s

    def now_s(self) -> float:
        return time.time() + self._by_s  # noqa: TID251 - this is a clock

    def monotonic_s(self) -> float:
        return time.monotonic() + self._by_s


@pytest.fixture
def server_s(redis_url: str) -> Callable[[], float]:
    """The store's time."""

    def read() -> float:
        with Redis.from_url(redis_url) as client:
            seconds, micros = client.time()
        return float(seconds + micros / 1e6)

    return read


@asynccontextmanager
async def open_hosts(
    folder: Path, redis_url: str, patch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Running, Running]]:
    """Run two gateways on one store, one 5 s ahead and one 5 s behind, with one account."""
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(open_redis(redis_url))
        site, store = await stack.enter_async_context(open_upstream(redis))
        for spare in ("b", "c"):
            await store.remove(AccountId(spare))
        hosts = []
        for by_s in (5.0, -5.0):
            home = folder / f"{by_s}"
            home.mkdir()
            patch.setattr(bootstrap, "SystemClock", lambda by_s=by_s: ShiftedClock(by_s))
            client = await stack.enter_async_context(open_client(home, redis_url, site))
            hosts.append(Running(site, client, store))
        yield hosts[0], hosts[1]


async def look(store: AccountStore) -> tuple[Status, float]:
    account = (await store.find([AccountId("a")]))[AccountId("a")]
    return account.status, account.until_s


async def test_cooldown_ends_by_the_stores_clock_on_every_host(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch, server_s: Callable[[], float]
) -> None:
    async with open_hosts(tmp_path, redis_url, monkeypatch) as hosts:
        for host in hosts:
            await host.site.script("http=429; retry_after=2", times=1)
            before_s = server_s()
            limited = await host.ask()
            after_s = server_s()
            status, until_s = await look(host.store)

            refused = [(await other.ask()).status_code for other in hosts]
            is_early = server_s() < until_s
            while server_s() < until_s:  # noqa: ASYNC110 - the store has no event to wait for
                await asyncio.sleep(0.05)
            served = [(await other.ask()).status_code for other in hosts]

            assert limited.status_code == 429
            assert status is Status.COOLING
            assert before_s + 2 <= until_s + 0.001 <= after_s + 2.001
            assert served == [200, 200]
            assert refused == [503, 503] or not is_early


async def test_slot_that_one_host_holds_is_taken_for_the_other(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch, server_s: Callable[[], float]
) -> None:
    async with open_hosts(tmp_path, redis_url, monkeypatch) as (ahead, behind):
        for holder, other in ((ahead, behind), (behind, ahead)):
            before_s = server_s()
            async with AsyncExitStack() as stack:
                for _ in range(8):
                    await stack.enter_async_context(_hold(holder))
                after_s = server_s()
                with Redis.from_url(redis_url) as client:
                    timers = client.zrange(keys.timers(), 0, -1, withscores=True)
                ends_s = [at / 1000 for name, at in timers if name.startswith(b"lease ")]

                refused = await other.ask()

            assert refused.status_code == 503
            assert len(ends_s) == 8
            assert before_s + LEASE_TTL_S <= min(ends_s) + 0.001
            assert max(ends_s) <= after_s + LEASE_TTL_S + 0.001
            async with asyncio.timeout(20):
                while (await other.ask()).status_code != 200:  # noqa: ASYNC110 - nor has it here
                    await asyncio.sleep(0.05)


@asynccontextmanager
async def _hold(host: Running) -> AsyncIterator[httpx2.Response]:
    body = {
        "model": "grok-chat-fast",
        "stream": True,
        "messages": [
            {"role": "user", "content": "Hold. [[sim: tokens=9999; delay_ms=100; reasoning=]]"}
        ],
    }
    async with host.client.stream("POST", "/v1/chat/completions", json=body) as answer:
        assert answer.status_code == 200
        pieces = answer.aiter_raw()  # once it is forgotten, the connection closes
        await anext(pieces)
        yield answer
