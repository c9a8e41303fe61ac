"""Limits, statistics and the log of a whole installation: several workers, killed ones too."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx2
import msgspec
import openai
import pytest

from tests.e2e.installation import Installation, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

Install = Callable[..., Installation]
MODEL = "grok-chat-fast"


def make_key(here: Installation, name: str, *options: str) -> dict[str, Any]:
    created: dict[str, Any] = msgspec.json.decode(
        here.command("keys", "create", name, "--json", *options)
    )
    return created


def client_of(here: Installation, key: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        base_url=f"{here.url}/v1",
        api_key=key,
        max_retries=0,
        # One connection each, so that all workers take part.
        http_client=openai.DefaultAsyncHttpxClient(
            limits=httpx2.Limits(max_keepalive_connections=0)
        ),
    )


async def ask(client: openai.AsyncOpenAI, text: str = "Hi", model: str = MODEL) -> int:
    try:
        await client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": text}]
        )
    except openai.APIStatusError as error:
        return error.status_code
    return 200


def open_calls(here: Installation) -> int:
    return sum(account["open"] for account in here.ledger()["accounts"].values())


def test_limit_of_a_key_is_exact_over_all_workers(install: Install) -> None:
    here = install(accounts=6, workers=3)
    key = make_key(here, "team", "--rpm", "25")["key"]

    async def flood() -> list[int]:
        async with client_of(here, key) as client:
            return list(await asyncio.gather(*(ask(client) for _ in range(60))))

    statuses = asyncio.run(flood())

    assert (statuses.count(200), statuses.count(429)) == (25, 35)


def test_calls_of_a_killed_worker_are_given_back_and_nothing_is_counted_twice(
    install: Install,
) -> None:
    here = install(accounts=6, workers=2, settings={"GROK_ACCOUNT_LEASE_TTL_S": "5"})
    key = make_key(here, "team", "--concurrency", "4")["key"]
    slow = "Hi [[sim: stall_first_ms=60000]]"

    async def hold_and_kill() -> None:
        async with client_of(here, key) as client:
            loop = asyncio.get_running_loop()
            held = [loop.create_task(ask(client, slow)) for _ in range(4)]
            await asyncio.to_thread(wait_until, lambda: open_calls(here) == len(held))
            assert await ask(client) == 429
            for process in here.worker_processes():
                process.kill()
            await asyncio.gather(*held, return_exceptions=True)

    async def ask_again() -> int:
        async with client_of(here, key) as client:
            return await ask(client)

    asyncio.run(hold_and_kill())

    assert wait_until(
        lambda: here.is_ready() and asyncio.run(ask_again()) == 200,
        seconds=40,
        what="the calls of the dead",
    )


def test_what_all_workers_served_is_counted_once_and_can_be_explained(install: Install) -> None:
    here = install(accounts=6, workers=3)
    key = make_key(here, "team")["key"]

    async def use() -> list[int]:
        async with client_of(here, key) as client:
            served = await asyncio.gather(*(ask(client) for _ in range(30)))
            refused = await asyncio.gather(*(ask(client, model="nothing") for _ in range(5)))
            return [*served, *refused]

    statuses = asyncio.run(use())

    def sums() -> dict[str, int]:
        told = msgspec.json.decode(here.command("stats", "--json", "--by", "status"))
        return {status: counted.get("requests", 0) for status, counted in told.items()}

    assert statuses == [200] * 30 + [404] * 5
    assert wait_until(lambda: sums() == {"200": 30, "404": 5}, what="statistics")
    lines = here.command("log", "--json", "--failed", "--limit", "50").splitlines()
    rows = [msgspec.json.decode(line) for line in lines]
    assert [row["status"] for row in rows] == [404] * 5
    story = here.command("explain", rows[0]["id"])
    assert "model_not_found" in story
    assert key not in story
