"""Several workers, few units, many clients: the upstream's own books against ours."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import msgspec
import pytest
from redis import Redis

from grok2api.domain.account import Tier
from grok2api.services.cleanup import end_if_cancelled
from grok2api.store.account_pages import PoolCount, read_pool_counts
from grok2api.store.connection import open_redis
from tests.e2e.installation import Installation, is_forgotten, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

Install = Callable[..., Installation]
ACCOUNTS = 3
FAST, EXPERT = 140, 50
"""Units of each account's windows, ours and the simulator's: what a super account has."""
MODELS = {"grok-chat-fast": 7, "grok-chat-expert": 2, "grok-4-expert": 1}
"""How often each is asked for. The last costs us 4 units; the simulator counts a query a call."""
CLIENTS, REQUESTS = 40, 1100


@dataclass
class Books:
    """What the simulator and we said at any time while the race was on."""

    overspent: int = 0
    most_fast: int = 0
    most_expert: int = 0
    looks: int = 0
    told: Counter[int] = field(default_factory=Counter)
    gave_up: int = 0

    def look(self, ledger: dict[str, Any], counts: PoolCount) -> None:
        pages = ledger["accounts"].values()
        self.looks += 1
        self.overspent = max(self.overspent, sum(page["overspent"] for page in pages))
        self.most_fast = max(self.most_fast, *(p["spent"].get("fast", 0) for p in pages))
        self.most_expert = max(self.most_expert, *(p["spent"].get("expert", 0) for p in pages))
        assert counts.granted >= counts.settled + counts.refunded


class Race:
    """Clients that ask for more than there is, some of which leave."""

    def __init__(self, here: Installation, redis_url: str, books: Books) -> None:
        self._here = here
        self._redis_url = redis_url
        self._books = books
        self._chance = random.Random(11)  # noqa: S311 - moments, not secrets
        self._left = REQUESTS

    async def run(self, *, killing: bool) -> None:
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        async with (
            httpx2.AsyncClient(base_url=self._here.url, limits=limits, timeout=60) as client,
            asyncio.TaskGroup() as group,
        ):
            watching = group.create_task(self._watch())
            kills = group.create_task(self._kill_workers()) if killing else None
            async with asyncio.TaskGroup() as clients:
                for _ in range(CLIENTS):
                    clients.create_task(self._ask_on(client))
            watching.cancel()
            if kills is not None:
                kills.cancel()

    async def _ask_on(self, client: httpx2.AsyncClient) -> None:
        while self._left > 0:
            self._left -= 1
            await self._ask(client)

    async def _ask(self, client: httpx2.AsyncClient) -> None:
        patience_s = self._chance.uniform(0, 0.3) if self._chance.random() < 0.3 else 60.0
        try:
            async with asyncio.timeout(patience_s):
                answer = await client.post(
                    "/v1/chat/completions",
                    content=self._body(),
                    headers={"authorization": f"Bearer {self._here.key}"},
                )
            self._books.told[answer.status_code] += 1
        except (TimeoutError, httpx2.HTTPError):
            self._books.gave_up += 1

    def _body(self) -> bytes:
        (model,) = self._chance.choices(list(MODELS), list(MODELS.values()))
        text = "Tides? [[sim: tokens=6; delay_ms=8; reasoning=]]"
        messages = [{"role": "user", "content": text}]
        is_streamed = self._chance.random() < 0.5
        return msgspec.json.encode({"model": model, "stream": is_streamed, "messages": messages})

    async def _watch(self) -> None:
        async with open_redis(self._redis_url) as redis, httpx2.AsyncClient() as client:
            while True:
                ledger = (await client.get(f"{self._here.sim}/_sim/ledger")).json()
                self._books.look(ledger, await self._count(redis))
                await asyncio.sleep(0.05)
                end_if_cancelled()

    async def _kill_workers(self) -> None:
        while True:
            await asyncio.sleep(self._chance.uniform(0.3, 1.2))
            workers = self._here.worker_processes()
            if len(workers) > 1:
                self._chance.choice(workers).kill()

    async def _count(self, redis: Any) -> PoolCount:
        return next(c for c in await read_pool_counts(redis) if c.pool.tier is Tier.SUPER)

    async def rest(self) -> PoolCount:
        """Return our books once nothing runs any more."""
        async with open_redis(self._redis_url) as redis:
            return await self._count(redis)


@pytest.fixture
def store(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


def is_at_rest(here: Installation, store: Redis) -> bool:
    """Whether no call, no lease, no line is left anywhere."""
    calls = [page["open"] for page in here.ledger()["accounts"].values()]
    return is_forgotten(store) and not any(calls)


def spent(here: Installation, mode: str) -> list[int]:
    return [page["spent"].get(mode, 0) for page in here.ledger()["accounts"].values()]


@pytest.mark.parametrize("killing", [False, True], ids=["aborts", "aborts_and_kills"])
def test_no_account_is_overspent_and_the_books_balance(
    install: Install, redis_url: str, store: Redis, *, killing: bool
) -> None:
    """Without kills the simulator enforces nothing: only our own ledger holds clients back.

    What a killed worker had sent is given back when its lease runs out, for nobody can know; the
    upstream then refuses the unit that it had counted, as the real one does.
    """
    here = install(
        accounts=ACCOUNTS,
        tier="super",
        workers=4,
        simulator=("--enforce-quota",) if killing else (),
        settings={
            "GROK2API_REDIS_URL": redis_url,
            "GROK_ACCOUNT_LEASE_TTL_S": "5",
            "GROK_ACCOUNT_REFRESH_ENABLED": "false",
            "GROK_ACCOUNT_SELECTION_WAIT_S": "1",
        },
    )
    books = Books()
    race = Race(here, redis_url, books)

    asyncio.run(race.run(killing=killing))

    wait_until(lambda: is_at_rest(here, store), seconds=30, what="rest")
    counts = asyncio.run(race.rest())
    assert books.looks > 10
    assert books.overspent == 0
    assert FAST * 0.7 < books.most_fast <= FAST
    assert EXPERT * 0.3 < books.most_expert <= EXPERT, "some cost four"
    assert books.told[200] > 100
    assert books.gave_up > 50
    assert counts.open_leases == 0
    assert counts.granted == counts.settled + counts.refunded
    assert set(books.told) <= {200, 429, 502, 503}, books.told
    calls = sum(spent(here, "fast")) + sum(spent(here, "expert"))
    if not killing:
        assert set(books.told) <= {200, 503}, "nobody met a limit of the upstream's"
        assert calls <= counts.settled, "all that the upstream counted is paid for"
        for account in here.accounts():
            assert account["open_leases"] == 0
    assert here.ledger()["violations"] == []
