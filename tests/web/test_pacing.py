"""A client that paces itself by what answers tell is never refused, however it goes about it.

Nothing here waits: the time of the limits is moved by as much as a client would have waited.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import Any

import httpx2
import openai
import pytest

from grok2api.clock import SystemClock
from grok2api.domain.account import Credentials, Pool, ProviderKind, Tier
from grok2api.domain.chat import EventBatch, Finished, TextDelta
from grok2api.domain.client_key import Budget
from grok2api.domain.ids import AccountId, ClientKeyId
from grok2api.services.key_changes import KeyChanges
from grok2api.store.accounts import NewAccount
from grok2api.store.connection import RedisClient
from grok2api.store.usage import UsageLimits, UsageStore
from tests.web.conftest import WAIT_S, Edge, wait_until
from tests.web.test_limits import chat, client_of

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
IMAGES = "/v1/images/generations"
ASK: dict[str, dict[str, Any]] = {
    CHAT: chat(),
    MESSAGES: chat(max_tokens=50),
    RESPONSES: {"model": "grok-chat-fast", "input": "Hi"},
    IMAGES: {"model": "grok-imagine-image", "prompt": "a cat", "response_format": "b64_json"},
}
OK, REFUSED = 200, 429


@dataclass
class Left:
    """What an answer tells of one kind of limit."""

    remaining: int
    resets_in_s: float


class Time:
    """The clock of the limits, which only waiting moves."""

    def __init__(self, edge: Edge) -> None:
        self._stores: tuple[Any, ...] = (edge.state.admissions._store, edge.state.usage._store)
        self.set(1_800_000_000_000)

    def set(self, now_ms: int) -> None:
        for store in self._stores:
            store.now_ms = now_ms

    def wait(self, seconds: float) -> None:
        self.set(self._stores[0].now_ms + round(seconds * 1000))


def left_in(answer: httpx2.Response, kind: str) -> Left:
    headers = answer.headers
    if f"anthropic-ratelimit-{kind}-remaining" in headers:
        resets_at = datetime.fromisoformat(headers[f"anthropic-ratelimit-{kind}-reset"])
        wait_s = resets_at.timestamp() - answer.extensions["began_s"]
        return Left(int(headers[f"anthropic-ratelimit-{kind}-remaining"]), wait_s)
    found = re.fullmatch(
        r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:(\d+)ms)?",
        headers[f"x-ratelimit-reset-{kind}"],
    )
    assert found is not None
    hours, minutes, seconds, ms = (float(part or 0) for part in found.groups())
    wait_s = hours * 3600 + minutes * 60 + seconds + ms / 1000
    return Left(int(headers[f"x-ratelimit-remaining-{kind}"]), wait_s)


async def send(client: httpx2.AsyncClient, path: str, body: dict[str, Any]) -> httpx2.Response:
    """Ask, and note when: what passes meanwhile does not pass on the clock of the limits."""
    began_s = SystemClock().now_s()
    answer = await client.post(path, json=body)
    answer.extensions["began_s"] = began_s
    return answer


async def add_accounts(edge: Edge, count: int = 20) -> None:
    pool = Pool(ProviderKind.GROK_WEB, Tier.BASIC)
    for number in range(count):
        account = AccountId(f"acc_more_{number}")
        await edge.store.save(NewAccount(account, pool, Credentials(f"more-{number}"), mask="…"))


@asynccontextmanager
async def paced(edge: Edge, **limits: Any) -> AsyncIterator[tuple[httpx2.AsyncClient, Time]]:
    await add_accounts(edge)
    async with await client_of(edge, **limits) as client:
        yield client, Time(edge)


class SlowRedis:
    """A connection to a store that takes its time; it notes when it has answered."""

    def __init__(self, redis: RedisClient, order: list[str]) -> None:
        self._redis = redis
        self._order = order

    async def execute_command(self, *args: Any) -> Any:
        await asyncio.sleep(0.2)
        reply = await self._redis.execute_command(*args)
        self._order.append("settled")
        return reply

    async def aclose(self) -> None:
        """Nothing of its own is open."""


@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES, IMAGES])
@pytest.mark.parametrize("is_stream", [False, True])
async def test_answer_ends_when_its_call_has_ended(
    edge: Edge, redis: RedisClient, path: str, *, is_stream: bool
) -> None:
    """Else a client that sends one request after the other would be refused as two at a time."""
    order: list[str] = []
    slow: Any = UsageStore(SlowRedis(redis, order), UsageLimits())
    edge.state.usage._store = slow
    body = ASK[path] | ({"stream": True} if is_stream else {})
    async with await client_of(edge, concurrency=1) as client:
        for _ in range(2):
            assert (await client.post(path, json=body)).status_code == OK
            order.append("answered")

    assert order.index("settled") < order.index("answered")
    assert order[-1] == "answered"


async def test_client_that_waits_for_a_background_response_is_one_at_a_time(edge: Edge) -> None:
    async with await client_of(edge, concurrency=1) as client:
        for _ in range(5):
            body = ASK[RESPONSES] | {"background": True}
            answer = await client.post(RESPONSES, json=body)
            assert answer.status_code == OK
            async with asyncio.timeout(WAIT_S):
                while answer.json()["status"] in ("queued", "in_progress"):
                    answer = await client.get(f"{RESPONSES}/{answer.json()['id']}")


@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES])
async def test_whole_answer_tells_what_is_left_after_it(edge: Edge, path: str) -> None:
    async with await client_of(edge, tokens_per_minute=9000, concurrency=1) as client:
        answer = await send(client, path, ASK[path])
        use = await edge.state.admissions.usage([ClientKeyId(client.headers["x-key-id"])])

    (used,) = use.values()
    assert (used.open_calls, used.minute.requests) == (0, 1)
    assert left_in(answer, "tokens").remaining == 9000 - used.minute.tokens
    assert 0 < used.minute.tokens < 100


async def test_stream_tells_what_is_left_when_it_begins(edge: Edge) -> None:
    gate = asyncio.Event()

    async def late() -> AsyncIterator[EventBatch]:
        await gate.wait()
        yield [TextDelta("Hello"), Finished()]

    edge.script.play = late

    async def all_began() -> bool:
        return len(edge.script.requests) == 3

    client = await client_of(edge, requests_per_minute=9)
    async with client, asyncio.TaskGroup() as group:
        asked = [group.create_task(client.post(CHAT, json=chat(stream=True))) for _ in range(3)]
        await wait_until(all_began)
        gate.set()

    assert {left_in(task.result(), "requests").remaining for task in asked} == {6}


async def by_remaining(
    ask: Callable[[], Awaitable[httpx2.Response]], time: Time, at_once: int
) -> list[int]:
    """Send as many at once as are left, and wait for the reset where none is."""
    statuses: list[int] = []
    free = 1
    while len(statuses) < 50:
        answers = await asyncio.gather(*(ask() for _ in range(min(free, at_once))))
        statuses += [answer.status_code for answer in answers]
        told = [left_in(answer, "requests") for answer in answers]
        least = min(told, key=lambda left: left.remaining)
        if least.remaining == 0:
            time.wait(max(left.resets_in_s for left in told))
            free = 1
        else:
            free = least.remaining
    return statuses


async def evenly(
    ask: Callable[[], Awaitable[httpx2.Response]], time: Time, at_once: int
) -> list[int]:
    """Spread what is left over the time until the reset."""
    statuses: list[int] = []
    while len(statuses) < 50:
        answer = await ask()
        statuses.append(answer.status_code)
        left = left_in(answer, "requests")
        time.wait(left.resets_in_s / max(1, left.remaining))
    return statuses


MINUTE: dict[str, Any] = {"requests_per_minute": 7}
BUDGETS: dict[str, Any] = {
    "requests_per_minute": 9,
    "day": Budget(requests=13),
    "week": Budget(requests=31),
}
UNITS: dict[str, Any] = {"requests_per_minute": 9, "day": Budget(units=17)}


@pytest.mark.parametrize(
    ("style", "limits", "path", "is_stream"),
    [
        (by_remaining, MINUTE, CHAT, False),
        (by_remaining, MINUTE, CHAT, True),
        (by_remaining, MINUTE, MESSAGES, False),
        (by_remaining, BUDGETS, RESPONSES, True),
        (by_remaining, UNITS, IMAGES, False),
        (evenly, MINUTE, MESSAGES, True),
        (evenly, BUDGETS, CHAT, False),
        (evenly, UNITS, RESPONSES, False),
    ],
)
async def test_client_that_sends_what_is_left_is_never_refused(
    edge: Edge, style: Any, limits: dict[str, Any], path: str, *, is_stream: bool
) -> None:
    async with paced(edge, **limits) as (client, time):
        body = ASK[path] | ({"stream": True} if is_stream else {})
        statuses = await style(partial(send, client, path, body), time, 3)

    assert set(statuses) == {OK}


async def test_client_that_counts_its_tokens_is_never_refused(edge: Edge) -> None:
    """It knows what its calls take, and waits where less is left."""
    async with paced(edge, tokens_per_minute=3000) as (client, time):
        for _ in range(40):
            answer = await client.post(CHAT, json=chat("word " * 100, max_tokens=500))
            assert answer.status_code == OK
            left = left_in(answer, "tokens")
            if left.remaining < 700:
                time.wait(left.resets_in_s)


@pytest.mark.parametrize(
    "limits",
    [
        {"requests_per_minute": 3},
        {"tokens_per_minute": 1000},
        {"day": Budget(requests=5), "requests_per_minute": 2},
    ],
    ids=["requests", "tokens", "budget"],
)
async def test_client_that_waits_as_long_as_it_is_told_is_refused_once(
    edge: Edge, limits: dict[str, Any]
) -> None:
    statuses: list[int] = []
    async with paced(edge, **limits) as (client, time):
        for _ in range(40):
            answer = await client.post(CHAT, json=chat("word " * 50, max_tokens=100))
            statuses.append(answer.status_code)
            if answer.status_code == REFUSED:
                time.wait(int(answer.headers["retry-after-ms"]) / 1000)

    assert REFUSED in statuses
    assert (REFUSED, REFUSED) not in set(pairwise(statuses))


def open_sdk(
    edge: Edge, key: str, note: Callable[[httpx2.Response], Awaitable[None]]
) -> openai.AsyncOpenAI:
    """Open the official client; `note` is called with every answer, also of those asked again."""
    hooks: Any = {"response": [note]}
    return openai.AsyncOpenAI(
        base_url=f"{edge.url}/v1",
        api_key=key,
        http_client=openai.DefaultAsyncHttpxClient(event_hooks=hooks),
    )


async def test_sdk_comes_back_by_itself_when_a_place_is_free(edge: Edge) -> None:
    refused, gate = asyncio.Event(), asyncio.Event()

    async def hold() -> AsyncIterator[EventBatch]:
        yield [TextDelta("Hello")]
        await gate.wait()
        yield [Finished()]

    async def note(response: httpx2.Response) -> None:
        if response.status_code == REFUSED:
            refused.set()

    edge.script.play = hold
    _, key = await edge.state.keys.create("team", KeyChanges(concurrency=1))
    async with open_sdk(edge, key, note) as client:
        ask = partial(client.chat.completions.create, **chat())
        async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as group:
            group.create_task(ask())
            await edge.script.opened.wait()
            second = group.create_task(ask())
            await refused.wait()
            gate.set()

    assert second.result().choices[0].message.content == "Hello"


async def test_sdk_gives_up_at_once_where_it_would_wait_too_long(edge: Edge) -> None:
    statuses: list[int] = []

    async def note(response: httpx2.Response) -> None:
        statuses.append(response.status_code)

    _, key = await edge.state.keys.create("team", KeyChanges(day=Budget(requests=1)))
    async with open_sdk(edge, key, note) as client:
        await client.chat.completions.create(**chat())
        with pytest.raises(openai.RateLimitError) as refused:
            await client.chat.completions.create(**chat())

    assert refused.value.code == "insufficient_quota"
    assert statuses == [OK, REFUSED]
