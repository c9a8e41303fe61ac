"""Batches by command: listed, followed to their end, cancelled."""

import asyncio
import re
from collections.abc import Callable

import msgspec
import pytest

from grok2api.domain.batch import Batch, BatchKind
from grok2api.domain.ids import AccountId
from grok2api.services.batches import Batches
from grok2api.store.batches import BatchStore
from grok2api.store.connection import open_redis
from tests.cli.service import Run, Start

pytestmark = pytest.mark.timeout(120)
Create = Callable[[list[str]], Batch]


@pytest.fixture
def create(redis_url: str) -> Create:
    """Start a batch that disables accounts, on the store of the commands."""

    async def start(ids: list[str]) -> Batch:
        async with open_redis(redis_url) as redis:
            batches = Batches(BatchStore(redis), list(BatchKind), keep_s=60)
            given = [AccountId(account_id) for account_id in ids]
            return await batches.create("disable", {}, given, created_by="admin")

    return lambda ids: asyncio.run(start(ids))


def test_batches_are_listed_shown_and_cancelled(run: Run, create: Create, redis_url: str) -> None:
    store = ("--redis-url", redis_url)
    batch = create(["acc_1", "acc_2"])

    listed = run("batches", "list", *store)
    shown = run("batches", "show", batch.id, *store)
    cancelled = run("batches", "cancel", batch.id, *store)
    as_json = run("batches", "show", batch.id, "--json", *store)

    assert re.search(
        rf"{batch.id}  disable  running  0     2   0       \d{{4}}-.*  admin\n", listed.stdout
    )
    assert shown.stdout == "disable running: 0 done, 0 failed, of 2\n"
    assert cancelled.stdout == "disable cancelled: 0 done, 0 failed, 2 skipped, of 2\n"
    found = msgspec.json.decode(as_json.stdout)
    assert (found["batch"]["state"], found["failures"]) == ("cancelled", [])


def test_batch_is_followed_to_its_end_with_its_failures(
    run: Run, create: Create, start: Start, redis_url: str
) -> None:
    store = ("--redis-url", redis_url)
    batch = create([f"missing{number}" for number in range(60)])
    start("maintenance", *store)

    done = run("batches", "show", batch.id, "--follow", *store)

    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert lines[0] == "disable done: 0 done, 60 failed, of 60"
    assert len(lines) == 51
    assert all(line.endswith(": not_found: There is no such account.") for line in lines[1:])
    assert done.stderr == "… and 10 more; --json lists 60\n"


@pytest.mark.parametrize("verb", ["show", "cancel"])
def test_unknown_batch_is_one_line(run: Run, redis_url: str, verb: str) -> None:
    done = run("batches", verb, "bat_0123456789abcdef", "--redis-url", redis_url)

    assert done.returncode == 1
    assert done.stderr == "grok2api: There is no batch 'bat_0123456789abcdef'.\n"
