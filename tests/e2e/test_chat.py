"""The main job: official SDK, several workers, a pooled account, the simulator as upstream."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx2
import openai
import psutil
import pytest

from tests.e2e.installation import Installation, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

Install = Callable[..., Installation]
MODEL = "grok-chat-fast"


def ask(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def sim(directives: str) -> list[Any]:
    return ask(f"Tell me about tides. [[sim: {directives}]]")


def account_ledger(installation: Installation) -> dict[str, dict[str, Any]]:
    return dict(installation.ledger()["accounts"])


def test_sdk_streams_and_completes_through_two_workers(install: Install) -> None:
    here = install(accounts=2)
    client = here.client()

    plain = client.chat.completions.create(model=MODEL, messages=ask("Hello"))
    chunks = list(
        client.chat.completions.create(
            model=MODEL,
            messages=ask("Hello"),
            stream=True,
            stream_options={"include_usage": True},
        )
    )

    assert plain.choices[0].finish_reason == "stop"
    assert plain.choices[0].message.content
    assert plain.usage is not None
    assert plain.usage.total_tokens > 0
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == plain.choices[0].message.content
    assert chunks[-1].usage is not None
    assert chunks[-1].choices == []
    assert len(here.worker_processes()) == 2
    assert here.ledger()["violations"] == []
    assert here.open_leases() == 0


def test_http_transport_answers_the_same(install: Install) -> None:
    here = install(accounts=1, settings={"GROK_UPSTREAM_CHAT_TRANSPORT": "http"})
    there = install(accounts=1, settings={"GROK_UPSTREAM_CHAT_TRANSPORT": "websocket"})

    answers = [
        i.client().chat.completions.create(model=MODEL, messages=ask("Same?"))
        for i in (here, there)
    ]

    assert answers[0].choices[0].message.content == answers[1].choices[0].message.content
    assert here.ledger()["violations"] == there.ledger()["violations"] == []


def test_models_are_those_the_pool_can_serve(install: Install) -> None:
    here = install(accounts=1, tier="basic")

    listed = {model.id for model in here.client().models.list()}

    assert MODEL in listed
    assert "grok-chat-heavy" not in listed
    assert here.client().models.retrieve(MODEL).id == MODEL
    with pytest.raises(openai.NotFoundError):
        here.client().models.retrieve("gpt-nothing")


def test_failing_account_is_replaced_before_the_first_byte(install: Install) -> None:
    here = install(accounts=2)

    answer = here.client(max_retries=0).chat.completions.create(
        model=MODEL, messages=sim("http=429; fail_first=1")
    )

    assert answer.choices[0].message.content
    assert sum(a["calls"] for a in account_ledger(here).values()) == 2
    assert sorted(a["status"] for a in here.accounts()) == ["active", "cooling"]


def test_failure_after_the_first_byte_ends_the_stream_with_an_error(install: Install) -> None:
    here = install(accounts=2)

    with pytest.raises(openai.APIError):
        for _ in here.client(max_retries=0).chat.completions.create(
            model=MODEL, messages=sim("tokens=20; delay_ms=5; reset_after=5"), stream=True
        ):
            pass

    assert sum(a["calls"] for a in account_ledger(here).values()) == 1
    assert wait_until(lambda: here.open_leases() == 0, what="release")


def test_client_that_leaves_before_the_first_byte_frees_its_account(install: Install) -> None:
    here = install(accounts=1)

    with pytest.raises(openai.APITimeoutError):
        here.client(max_retries=0, timeout=1.5).chat.completions.create(
            model=MODEL, messages=sim("stall_first_ms=30000"), stream=True
        )

    assert wait_until(
        lambda: [a["cancelled"] for a in account_ledger(here).values()] == [1],
        seconds=3,
        what="cancelled upstream",
    )
    assert wait_until(lambda: here.open_leases() == 0, seconds=5, what="release")
    assert [a["status"] for a in here.accounts()] == ["active"]


def test_client_that_leaves_mid_stream_frees_its_account(install: Install) -> None:
    here = install(accounts=1)

    stream = here.client().chat.completions.create(
        model=MODEL, messages=sim("tokens=2000; delay_ms=20"), stream=True
    )
    next(iter(stream))
    stream.close()

    assert wait_until(
        lambda: [a["cancelled"] for a in account_ledger(here).values()] == [1],
        seconds=3,
        what="cancelled upstream",
    )
    assert wait_until(lambda: here.open_leases() == 0, seconds=5, what="release")


def test_killed_worker_loses_only_its_own_streams(install: Install) -> None:
    here = install(accounts=4, workers=2, settings={"GROK_ACCOUNT_LEASE_TTL_S": "5"})

    async def one(client: openai.AsyncOpenAI) -> bool:
        try:
            stream = await client.chat.completions.create(
                model=MODEL, messages=sim("tokens=80; delay_ms=50"), stream=True
            )
            reasons = [c.choices[0].finish_reason async for c in stream if c.choices]
        except openai.APIError:
            return False
        return reasons[-1] == "stop"

    async def main() -> list[bool]:
        async with here.async_client(max_retries=0) as client:
            async with asyncio.TaskGroup() as group:
                running = []
                for _ in range(24):
                    running.append(group.create_task(one(client)))
                    # One by one: of a burst, the worker that wakes first may take all.
                    await asyncio.sleep(0.05)
                await asyncio.sleep(1)
                here.worker_processes()[0].kill()
            return [task.result() for task in running]

    results = asyncio.run(main())

    assert any(results), "the other worker's streams go on"
    assert not all(results), "the killed worker had streams"
    assert wait_until(lambda: here.open_leases() == 0, seconds=20, what="expiry of the dead leases")
    assert wait_until(lambda: len(here.worker_processes()) == 2, what="a new worker")
    assert here.client().chat.completions.create(model=MODEL, messages=ask("Still there?")).choices


def test_data_survive_kill_of_everything(install: Install) -> None:
    here = install(accounts=3)
    made = here.command("keys", "create", "team", "--json")
    before = sorted(a["id"] for a in here.accounts())

    here.kill_everything()
    here.start()

    assert sorted(a["id"] for a in here.accounts()) == before
    assert "team" in here.command("keys", "list")
    assert here.client().chat.completions.create(model=MODEL, messages=ask("Hello again")).choices
    assert made


def test_ctrl_c_ends_every_process(install: Install) -> None:
    here = install(accounts=1)
    started = here.everything()

    code = here.stop()

    assert code == 0
    assert [p for p in started if p.is_running() and p.status() != psutil.STATUS_ZOMBIE] == []


def test_running_stream_survives_a_stop(install: Install) -> None:
    here = install(accounts=1)
    assert here.process is not None

    stream = here.client().chat.completions.create(
        model=MODEL, messages=sim("tokens=60; delay_ms=50"), stream=True
    )
    chunks = iter(stream)
    next(chunks)
    here.process.terminate()
    reasons = [c.choices[0].finish_reason for c in chunks if c.choices]

    assert reasons[-1] == "stop"
    assert here.process.wait(30) == 0
    here.process = None


def test_no_account_goes_over_its_limit_in_200_parallel_streams(install: Install) -> None:
    limit = 10
    here = install(accounts=20, workers=4, settings={"GROK_ACCOUNT_MAX_CONCURRENCY": str(limit)})

    async def one(client: openai.AsyncOpenAI) -> str:
        stream = await client.chat.completions.create(
            model=MODEL, messages=sim("tokens=40; delay_ms=50"), stream=True
        )
        return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])

    async def main() -> list[str]:
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        async with (
            httpx2.AsyncClient(limits=limits, timeout=60) as http,
            here.async_client(http_client=http, max_retries=0) as client,
        ):
            return await asyncio.gather(*(one(client) for _ in range(200)))

    answers = asyncio.run(main())

    assert len(answers) == 200
    assert all(answers)
    peaks = [a["high_water"] for a in account_ledger(here).values()]
    assert len(peaks) == 20
    assert max(peaks) <= limit
    assert sum(a["completed"] for a in account_ledger(here).values()) == 200
    assert wait_until(lambda: here.open_leases() == 0, what="release of all")


def test_busy_pool_is_refused_with_an_honest_503(install: Install) -> None:
    here = install(
        accounts=1,
        settings={"GROK_ACCOUNT_MAX_CONCURRENCY": "1", "GROK_ACCOUNT_SELECTION_WAIT_S": "0.5"},
    )
    running = here.client().chat.completions.create(
        model=MODEL, messages=sim("tokens=200; delay_ms=50"), stream=True
    )
    next(iter(running))

    with pytest.raises(openai.InternalServerError) as refused:
        here.client(max_retries=0).chat.completions.create(model=MODEL, messages=ask("Me too"))

    running.close()
    assert refused.value.status_code == 503
    assert refused.value.code == "no_account_available"
    assert int(refused.value.response.headers["retry-after"]) > 0
    assert refused.value.response.headers["x-request-id"]


def test_store_that_dies_is_back_at_once(install: Install) -> None:
    here = install(accounts=1)
    assert here.process is not None
    stores = [p for p in here.everything() if p.name().startswith(("valkey", "redis"))]

    for store in stores:
        store.kill()
    time.sleep(0.2)

    assert stores
    assert wait_until(here.is_ready, what="readiness after the store's restart")
    assert (
        here.client(max_retries=5)
        .chat.completions.create(model=MODEL, messages=ask("Back?"))
        .choices
    )
