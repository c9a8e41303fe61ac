"""Faults under load, and the books afterwards: what is held, what the upstream counted."""

import asyncio
import contextlib
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import openai
import pytest

from grok2api.store.embedded_binary import find_binary
from tests.e2e.installation import Installation, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

Install = Callable[..., Installation]
MODEL = "grok-chat-fast"


def body(directives: str, *, stream: bool = True) -> bytes:
    text = f"Tell me about tides. [[sim: {directives}]]"
    messages = [{"role": "user", "content": text}]
    return msgspec.json.encode({"model": MODEL, "stream": stream, "messages": messages})


def headers(here: Installation) -> dict[str, str]:
    return {"authorization": f"Bearer {here.key}"}


def totals(here: Installation) -> dict[str, int]:
    pages = here.ledger()["accounts"].values()
    names = ("calls", "completed", "cancelled", "errors", "open")
    return {name: sum(page[name] for page in pages) for name in names}


def test_clients_that_vanish_at_any_moment_leave_nothing_behind(install: Install) -> None:
    here = install(accounts=10, workers=2)
    chance = random.Random(7)  # noqa: S311 - moments, not secrets

    async def one(client: httpx2.AsyncClient) -> None:
        wait_s = chance.uniform(0, 1.2)
        with contextlib.suppress(TimeoutError, httpx2.HTTPError):
            async with (
                asyncio.timeout(wait_s),
                client.stream(
                    "POST",
                    f"{here.url}/v1/chat/completions",
                    content=body("tokens=60; delay_ms=20", stream=chance.random() < 0.7),
                    headers=headers(here),
                ) as answer,
            ):
                async for _ in answer.aiter_raw():
                    pass

    async def main() -> None:
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        async with httpx2.AsyncClient(limits=limits, timeout=30) as client:
            for _ in range(5):
                await asyncio.gather(*(one(client) for _ in range(60)))

    asyncio.run(main())

    assert wait_until(
        lambda: totals(here)["open"] == 0, seconds=5, what="end of all upstream calls"
    )
    assert wait_until(lambda: here.open_leases() == 0, seconds=5, what="release of all leases")
    books = totals(here)
    assert books["cancelled"] > 0
    assert books["errors"] == 0
    assert books["calls"] == books["completed"] + books["cancelled"]
    # What was sent may have been counted, so quota goes down; nothing else is held against them.
    assert {a["reason"] for a in here.accounts()} <= {"", "quota"}
    assert here.ledger()["violations"] == []


def test_workers_killed_again_and_again_cost_only_their_own_streams(install: Install) -> None:
    here = install(accounts=10, workers=3, settings={"GROK_ACCOUNT_LEASE_TTL_S": "5"})
    failures: list[str] = []

    async def ask(client: httpx2.AsyncClient, stop: asyncio.Event) -> int:
        good = 0
        while not stop.is_set():
            try:
                answer = await client.post(
                    f"{here.url}/v1/chat/completions",
                    content=body("tokens=20; delay_ms=20"),
                    headers=headers(here),
                )
            except httpx2.RemoteProtocolError:
                failures.append("cut")
            except httpx2.ConnectError:
                failures.append("refused")
            except httpx2.ReadError:
                failures.append("cut")
            else:
                assert answer.status_code == 200
                assert answer.text.endswith("data: [DONE]\n\n")
                good += 1
        return good

    async def main() -> int:
        stop = asyncio.Event()
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        async with (
            httpx2.AsyncClient(limits=limits, timeout=30) as client,
            asyncio.TaskGroup() as group,
        ):
            asking = [group.create_task(ask(client, stop)) for _ in range(12)]
            for _ in range(4):
                await asyncio.sleep(1.5)
                here.worker_processes()[0].kill()
            await asyncio.sleep(1.5)
            stop.set()
        return sum(task.result() for task in asking)

    good = asyncio.run(main())

    assert good > 50
    assert "refused" not in failures, "new connections are always taken"
    assert wait_until(lambda: here.open_leases() == 0, seconds=20, what="expiry of dead leases")
    assert wait_until(lambda: len(here.worker_processes()) == 3, what="new workers")
    peaks = [page["high_water"] for page in here.ledger()["accounts"].values()]
    assert max(peaks) <= 8


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Start (again) a server that is nobody's child but the test's."""
    started: list[subprocess.Popen[bytes]] = []
    binary = find_binary()

    def start() -> subprocess.Popen[bytes]:
        words = [str(binary), "--port", "0", "--unixsocket", str(tmp_path / "r.sock")]
        words += ["--dir", str(tmp_path), "--appendonly", "yes", "--save", ""]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        started.append(process)
        wait_until((tmp_path / "r.sock").exists, what="store start")
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_store_that_is_away_is_told_at_once_and_found_again(
    install: Install, redis_server: Callable[[], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    server = redis_server()
    here = install(accounts=2, settings={"GROK2API_REDIS_URL": f"unix://{tmp_path}/r.sock"})
    client = here.client(max_retries=0)
    assert client.chat.completions.create(model=MODEL, messages=hello()).choices

    server.kill()
    server.wait()
    (tmp_path / "r.sock").unlink()
    with pytest.raises(openai.InternalServerError) as refused:
        client.with_options(timeout=5).chat.completions.create(model=MODEL, messages=hello())
    unready = httpx2.get(f"{here.url}/readyz")
    alive = httpx2.get(f"{here.url}/healthz")
    redis_server()

    assert refused.value.status_code == 503
    assert refused.value.code == "store_unavailable"
    assert refused.value.response.headers["retry-after"]
    assert (unready.status_code, alive.status_code) == (503, 200)
    assert wait_until(here.is_ready, seconds=5, what="readiness")
    assert client.chat.completions.create(model=MODEL, messages=hello()).choices


def hello() -> list[Any]:
    return [{"role": "user", "content": "Hello"}]


@pytest.mark.parametrize(
    ("directives", "status"),
    [
        ("fault=challenge; fail_first=2", 200),
        ("http=503; fail_first=2", 200),
        ("http=401; fail_first=1", 200),
        ("fault=moderated", 400),
        ("error=rate_limited; fail_first=1", 200),
        ("end=close; after=0; fail_first=1", 200),
        ("stall_first_ms=60000; fail_first=1", 200),
    ],
)
def test_upstream_trouble_before_the_first_byte_is_survived_where_it_can_be(
    install: Install, directives: str, status: int
) -> None:
    here = install(
        accounts=3,
        settings={
            "GROK_CHAT_FIRST_EVENT_TIMEOUT_S": "2",
            "GROK_UPSTREAM_CHAT_TRANSPORT": "http",
        },
    )

    answer = httpx2.post(
        f"{here.url}/v1/chat/completions",
        content=body(f"{directives}; reasoning=", stream=False),
        headers=headers(here),
        timeout=30,
    )

    assert answer.status_code == status, answer.text
    if status == 200:
        assert answer.json()["choices"][0]["message"]["content"]
    else:
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert wait_until(lambda: here.open_leases() == 0, what="release")
