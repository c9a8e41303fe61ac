"""Waiting for an account: fair between client keys over several workers, and nothing stays."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import msgspec
import pytest
from redis import Redis

from grok2api.store import keys
from tests.e2e.installation import Installation, is_forgotten, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

Install = Callable[..., Installation]
FLOOD = 60
BRIEF = "tokens=4; delay_ms=15; reasoning="
HOLDING = "tokens=100000; delay_ms=100; reasoning="


@pytest.fixture
def busy(install: Install, redis_url: str) -> Callable[..., Installation]:
    """Build installations of one account with one slot, their store within the test's reach."""

    def build(**settings: str) -> Installation:
        return install(
            accounts=1,
            tier="super",
            workers=2,
            settings={
                "GROK2API_REDIS_URL": redis_url,
                "GROK_ACCOUNT_MAX_CONCURRENCY": "1",
                "GROK_ACCOUNT_SELECTION_WAIT_S": "60",
                **settings,
            },
        )

    return build


@pytest.fixture
def lines(redis_url: str) -> Any:
    """The store, to look at the lines."""
    with Redis.from_url(redis_url) as client:
        yield client


def new_key(here: Installation, name: str) -> str:
    return str(msgspec.json.decode(here.command("keys", "create", name, "--json"))["key"])


def body(directives: str, *, stream: bool = False) -> bytes:
    text = f"Tell me about tides. [[sim: {directives}]]"
    messages = [{"role": "user", "content": text}]
    return msgspec.json.encode({"model": "grok-chat-fast", "stream": stream, "messages": messages})


@asynccontextmanager
async def open_client(here: Installation) -> AsyncIterator[httpx2.AsyncClient]:
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx2.AsyncClient(base_url=here.url, limits=limits, timeout=90) as client:
        yield client


async def ask(client: httpx2.AsyncClient, key: str, directives: str = BRIEF) -> httpx2.Response:
    return await client.post("/v1/chat/completions", content=body(directives), headers=bearer(key))


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@asynccontextmanager
async def holding(client: httpx2.AsyncClient, key: str) -> AsyncIterator[None]:
    """Occupy the only slot: an answer that does not end."""
    async with client.stream(
        "POST", "/v1/chat/completions", content=body(HOLDING, stream=True), headers=bearer(key)
    ) as answer:
        assert answer.status_code == 200
        pieces = answer.aiter_raw()  # once it is forgotten, the connection closes
        await anext(pieces)
        yield


async def until(check: Callable[[], Any]) -> None:
    await asyncio.to_thread(wait_until, check)


def count_waiting(store: Redis) -> int:
    return int(store.hlen(keys.waiters()))


def test_modest_key_waits_for_its_turn_only_however_much_another_asks(
    busy: Callable[..., Installation], lines: Redis
) -> None:
    here = busy()
    modest_key = new_key(here, "modest")
    done: Counter[str] = Counter()

    async def flood(client: httpx2.AsyncClient) -> int:
        answer = await ask(client, here.key)
        done["flood"] += 1
        return answer.status_code

    async def main() -> tuple[list[int], list[int], list[int], int]:
        async with open_client(here) as client, asyncio.TaskGroup() as group:
            flooding = [group.create_task(flood(client)) for _ in range(FLOOD)]
            await until(lambda: count_waiting(lines) >= FLOOD // 2)
            overtaken, modest = [], []
            for _ in range(6):
                before = done["flood"]
                modest.append((await ask(client, modest_key)).status_code)
                overtaken.append(done["flood"] - before)
            left = FLOOD - done["flood"]
        return overtaken, modest, [task.result() for task in flooding], left

    overtaken, modest, flooding, left = asyncio.run(main())

    assert left > FLOOD // 4, "the flood was still on"
    assert modest == [200] * 6
    assert flooding == [200] * FLOOD
    # The one that runs, the one whose turn it is, and the one that was answered at that moment.
    assert max(overtaken) <= 3
    assert is_forgotten(lines)
    assert here.ledger()["accounts"]["session-0000-abcdefghijklmnop"]["high_water"] == 1


def test_waiting_costs_the_store_nothing_until_a_slot_is_free(
    busy: Callable[..., Installation], lines: Redis
) -> None:
    here = busy()

    def calls() -> int:
        found: dict[str, dict[str, int]] = lines.info("commandstats")
        return found["cmdstat_evalsha"]["calls"]

    async def in_two_seconds() -> int:
        before = calls()
        await asyncio.sleep(2)
        return calls() - before

    async def main() -> tuple[int, int, list[int]]:
        # What is held ends before the group does, so that those who wait get their turn.
        async with open_client(here) as client, asyncio.TaskGroup() as group:  # noqa: SIM117
            async with holding(client, here.key):
                idle = await in_two_seconds()
                asked = [group.create_task(ask(client, here.key)) for _ in range(20)]
                await until(lambda: count_waiting(lines) == 20)
                await asyncio.sleep(0.5)
                waiting = await in_two_seconds()
        return idle, waiting, [task.result().status_code for task in asked]

    idle, waiting, statuses = asyncio.run(main())

    assert waiting - idle < 10, "less than one call for each two that wait"
    assert statuses == [200] * 20, "the slot went from one to the next"
    assert is_forgotten(lines)


def test_clients_that_leave_the_line_leave_nothing_behind(
    busy: Callable[..., Installation], lines: Redis
) -> None:
    here = busy()

    async def main() -> httpx2.Response:
        async with open_client(here) as client:
            async with holding(client, here.key):
                async with asyncio.TaskGroup() as group:
                    asked = [group.create_task(ask(client, here.key)) for _ in range(20)]
                    await until(lambda: count_waiting(lines) == 20)
                    for task in asked:
                        task.cancel()
                await until(lambda: count_waiting(lines) == 0)
            await until(lambda: is_forgotten(lines))
            return await ask(client, here.key)

    answer = asyncio.run(main())

    assert answer.status_code == 200
    pages = here.ledger()["accounts"].values()
    assert sum(page["calls"] for page in pages) == 2, "none of those who left was served"
    assert wait_until(lambda: is_forgotten(lines))


def test_full_lines_are_refused_whose_ever_they_are(
    busy: Callable[..., Installation], lines: Redis
) -> None:
    here = busy(
        GROK_ACCOUNT_SELECTION_WAIT_S="4",
        GROK_ACCOUNT_SELECTION_MAX_WAITING="2",
        GROK_ACCOUNT_SELECTION_MAX_WAITING_PER_KEY="1",
    )
    second, third = new_key(here, "second"), new_key(here, "third")

    async def main() -> list[httpx2.Response]:
        async with (
            open_client(here) as client,
            holding(client, here.key),
            asyncio.TaskGroup() as group,
        ):
            one = group.create_task(ask(client, here.key))
            await until(lambda: count_waiting(lines) == 1)
            of_key = await ask(client, here.key)
            two = group.create_task(ask(client, second))
            await until(lambda: count_waiting(lines) == 2)
            of_pool = await ask(client, third)
            return [of_key, of_pool, await one, await two]

    of_key, of_pool, *late = asyncio.run(main())

    assert (of_key.status_code, of_key.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert int(of_key.headers["retry-after"]) > 0
    for answer in (of_pool, *late):
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "no_account_available"
        assert int(answer.headers["retry-after"]) > 0
    assert wait_until(lambda: is_forgotten(lines))
