"""`stats`, `log` and `explain` as processes."""

import asyncio
import csv
import io
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from grok2api.domain.ids import AccountId, ClientKeyId
from grok2api.domain.usage import AttemptFact, FinishedRequest
from grok2api.store.connection import open_redis
from grok2api.store.usage import UsageLimits, UsageStore
from tests.cli.service import Run

pytestmark = pytest.mark.timeout(120)
Ask = Callable[..., Any]

ATTEMPT = AttemptFact(account=AccountId("acc_1"), outcome="ok", duration_ms=7)
REQUESTS = [
    FinishedRequest(
        id="req_good",
        at_s=1.0,
        route="/v1/messages",
        method="POST",
        key_id=ClientKeyId("key_1"),
        model="grok-4",
        account=AccountId("acc_1"),
        status=200,
        input_tokens=30,
        output_tokens=12,
        units=1,
        duration_ms=2500,
        first_output_ms=500,
        attempts=(ATTEMPT,),
    ),
    FinishedRequest(
        id="req_bad", at_s=2.0, route="/v1/messages", status=429, error="rate_limit_exceeded"
    ),
]


async def settle(redis_url: str, *requests: FinishedRequest) -> None:
    async with open_redis(redis_url) as redis:
        await UsageStore(redis, UsageLimits()).settle(requests, recorder=requests[0].id, batch=1)


@pytest.fixture
def ask(run: Run, redis_url: str) -> Ask:
    """Run a command on a store that holds `REQUESTS`."""

    asyncio.run(settle(redis_url, *REQUESTS))
    return lambda *words: run(*words, "--redis-url", redis_url)


def test_sums_end_with_their_total(ask: Ask) -> None:
    hours = ask("stats").stdout.splitlines()
    days = ask("stats", "--days", "3").stdout.splitlines()

    expected = ["2", "1", "30", "12", "1", "1.25", "s", "0.50", "s"]
    assert (hours[-1].split()[1:], days[-1].split()[1:]) == (expected, expected)
    assert (len(hours), len(days)) == (26, 5)


def test_members_are_told_apart(ask: Ask) -> None:
    by_key = msgspec.json.decode(ask("stats", "--by", "key", "--json").stdout)
    table = ask("stats", "--by", "model", "--days", "1").stdout

    assert {key: count["requests"] for key, count in by_key.items()} == {"": 1, "key_1": 1}
    assert "(none)" in table
    assert "grok-4" in table


def test_log_is_a_table_lines_or_csv(ask: Ask) -> None:
    table = ask("log", "--since", "1h").stdout.splitlines()
    lines = [msgspec.json.decode(line) for line in ask("log", "--json").stdout.splitlines()]
    rows = list(csv.DictReader(io.StringIO(ask("log", "--csv", "--failed").stdout)))

    assert [line.split()[2] for line in table] == ["status", "req_bad", "req_good"]
    assert [line["id"] for line in lines] == ["req_bad", "req_good"]
    assert [row["id"] for row in rows] == ["req_bad"]


def test_log_finds_what_is_asked_for(ask: Ask) -> None:
    assert "req_good" not in ask("log", "--status", "4xx").stdout
    assert "req_good" not in ask("log", "--until", "2000-01-01").stdout
    assert len(ask("log", "--limit", "1").stdout.splitlines()) == 2
    assert [
        line.count("req_bad") for line in ask("log", "--json", "--limit", "1").stdout.splitlines()
    ] == [1]
    assert len(ask("log", "--csv", "--limit", "1").stdout.splitlines()) == 2
    assert "req_good" in ask("log", "--key", "key_1").stdout


def test_keys_go_by_their_names(ask: Ask, redis_url: str) -> None:
    key_id = msgspec.json.decode(ask("keys", "create", "laptop", "--json").stdout)["id"]
    asyncio.run(settle(redis_url, msgspec.structs.replace(REQUESTS[0], id="r", key_id=key_id)))

    assert [line.split()[:3] for line in ask("stats", "--by", "key").stdout.splitlines()].count(
        [key_id, "laptop", "1"]
    ) == 1
    log = ask("log", "--key", "laptop", "--json")
    assert [msgspec.json.decode(line)["id"] for line in log.stdout.splitlines()] == ["r"]
    nobody = ask("log", "--key", "desktop")
    assert (nobody.returncode, nobody.stdout) == (1, "")
    assert nobody.stderr.startswith("grok2api: No client key has this id or name; ")


def test_request_is_explained(ask: Ask) -> None:
    words = ask("explain", "req_good").stdout
    fields = msgspec.json.decode(ask("explain", "req_good", "--json").stdout)

    assert words.startswith("POST /v1/messages: was answered after 2.5 s (status 200).\n")
    assert "with acc_1: ok after 7 ms." in words
    assert fields["attempts"][0]["account"] == "acc_1"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("explain", "req_other"), 1),
        (("log", "--since", "yesterday"), 2),
        (("log", "--status", "4"), 1),
        (("stats", "--hours", "0"), 2),
        (("stats", "--hours", "1", "--days", "1"), 2),
    ],
)
def test_what_cannot_be_shown_is_said(run: Run, words: tuple[str, ...], code: int) -> None:
    done = run(*words)

    assert (done.returncode, done.stdout) == (code, "")
    assert "Traceback" not in done.stderr
