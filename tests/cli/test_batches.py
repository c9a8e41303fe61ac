"""Batches by command: listed, followed to their end, cancelled."""

import asyncio
import re
import stat
from collections.abc import Callable
from pathlib import Path

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


@pytest.mark.parametrize("verb", ["show", "cancel", "result"])
def test_unknown_batch_is_one_line(run: Run, redis_url: str, verb: str) -> None:
    done = run("batches", verb, "bat_0123456789abcdef", "--redis-url", redis_url)

    assert done.returncode == 1
    assert done.stderr == "grok2api: There is no batch 'bat_0123456789abcdef'.\n"


SESSION = "planted-session-0123456789"


def names_of(run: Run, *store: str, **given: str) -> list[str]:
    """Return the ids of two accounts that are imported, the first of them tagged red."""
    text = f"{SESSION}-a\n{SESSION}-b\n"
    done = run("accounts", "import", "-", "--json", *store, text=text)
    ids: list[str] = msgspec.json.decode(done.stdout)["added"]
    run("accounts", "tag", "--tag", "red", ids[0], *store)
    return ids


def statuses(run: Run, *store: str) -> dict[str, str]:
    listed = msgspec.json.decode(run("accounts", "list", "--json", *store).stdout)
    return {account["id"]: account["status"] for account in listed}


def test_batches_are_started_by_ids_file_filter_and_for_all(
    run: Run, start: Start, redis_url: str
) -> None:
    store = ("--redis-url", redis_url)
    first, second = names_of(run, *store)
    start("maintenance", *store)

    def begin(*words: str, text: str | None = None) -> str:
        return run("batches", "start", *words, "--follow", *store, text=text).stdout

    assert begin("disable", first) == "disable done: 1 done, 0 failed, of 1\n"
    assert statuses(run, *store) == {first: "disabled", second: "active"}
    names = f"# both\n{first}\n\n{SESSION}-b\n"
    assert begin("disable", "--file", "-", text=names).endswith("of 2\n")
    assert set(statuses(run, *store).values()) == {"disabled"}
    assert begin("restore", "--where-status", "disabled", "--where-tag", "red").endswith("of 1\n")
    assert statuses(run, *store) == {first: "active", second: "disabled"}
    assert begin("concurrency", "--max-concurrency", "3", "--all").endswith("of 2\n")
    assert begin("delete", "--where-text", "red") == "delete done: 1 done, 0 failed, of 1\n"
    assert statuses(run, *store) == {first: "deleted", second: "disabled"}


def test_files_of_accounts_are_counted_by_command(run: Run, start: Start, redis_url: str) -> None:
    """The upstream of these tests is nowhere: what counts is that each account was asked about."""
    store = ("--redis-url", redis_url)
    names_of(run, *store)
    start("maintenance", *store)

    for kind in ("assets", "clear_assets"):
        done = run("batches", "start", kind, "--all", "--follow", "--json", *store)
        found = msgspec.json.decode(done.stdout)
        reasons = {failure["reason"].partition(":")[0] for failure in found["failures"]}
        result = run("batches", "result", found["batch"]["id"], *store)

        assert (found["batch"]["fail"], reasons) == (2, {"upstream_unavailable"})
        assert (result.stdout, result.returncode) == ("", int(kind == "clear_assets"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("delete",), "say which accounts"),
        (("delete", "acc_1", "--all"), "say which accounts"),
        (("delete", "--all", "--where-tag", "x"), "say which accounts"),
        (("delete", SESSION), "put sessions into a --file"),
        (("delete", "--file", "-"), "names no account"),
        (("delete", "--where-tag", "nobody"), "No accounts are given."),
        (("tag", "acc_1"), "A batch of kind tag needs tags."),
        (("delete", "acc_1", "--tier", "super"), "A batch of kind delete has no such param."),
        (("delete", "acc_1", "--with-secrets"), "A batch of kind delete has no such param."),
    ],
)
def test_batch_that_does_not_hold_is_one_line(
    run: Run, redis_url: str, words: tuple[str, ...], said: str
) -> None:
    done = run("batches", "start", *words, "--redis-url", redis_url, text="")

    assert done.returncode in {1, 2}
    assert done.stdout == ""
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert SESSION not in done.stderr


def test_file_with_a_wrong_line_starts_nothing(run: Run, redis_url: str) -> None:
    store = ("--redis-url", redis_url)

    done = run("batches", "start", "delete", "--file", "-", *store, text="acc_1\nplanted x!\n")

    assert done.returncode == 1
    assert "Name 2: This is neither" in done.stderr
    assert "planted" not in done.stderr
    assert msgspec.json.decode(run("batches", "list", "--json", *store).stdout) == []


def test_export_is_fetched_and_comes_back_elsewhere(
    run: Run, start: Start, redis_url: str, tmp_path: Path
) -> None:
    store = ("--redis-url", redis_url)
    ids = names_of(run, *store)
    begun = run("batches", "start", "export", "--all", "--with-secrets", "--json", *store)
    batch_id = msgspec.json.decode(begun.stdout)["batch"]["id"]
    early = run("batches", "result", batch_id, "--output", "out.json", *store)
    start("maintenance", *store)
    run("batches", "show", batch_id, "--follow", *store)

    refused = run("batches", "result", batch_id, *store)
    done = run("batches", "result", batch_id, "--output", "out.json", *store)
    printed = run("batches", "result", batch_id, "--output", "-", *store)
    elsewhere = run("accounts", "import", "out.json", "--json", "--data-dir", "elsewhere")

    assert (early.returncode, early.stdout) == (1, "")
    assert early.stderr == ("grok2api: The batch has not ended; its result is there when it has.\n")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--output" in refused.stderr
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "2 written to out.json\n")
    assert stat.S_IMODE((tmp_path / "out.json").stat().st_mode) == 0o600
    assert printed.stdout == (tmp_path / "out.json").read_text(encoding="utf-8")
    assert SESSION in printed.stdout
    assert sorted(msgspec.json.decode(elsewhere.stdout)["added"]) == sorted(ids)


def test_export_without_sessions_is_printed(run: Run, start: Start, redis_url: str) -> None:
    store = ("--redis-url", redis_url)
    ids = names_of(run, *store)
    start("maintenance", *store)
    begun = run("batches", "start", "export", ids[0], "--follow", "--json", *store)

    done = run("batches", "result", msgspec.json.decode(begun.stdout)["batch"]["id"], *store)

    found = msgspec.json.decode(done.stdout)
    assert [account["id"] for account in found["accounts"]] == ids[:1]
    assert SESSION not in done.stdout
