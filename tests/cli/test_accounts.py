"""`accounts list` and what an operator does to accounts, without a gateway that runs."""

from functools import partial

import msgspec
import pytest

from tests.cli.service import Run, free_port

pytestmark = pytest.mark.timeout(120)
SESSIONS = "session-0001-abcdefghijklmnop\nsession-0002-abcdefghijklmnop\n"


@pytest.fixture
def run(run: Run, redis_url: str) -> Run:
    """Run one command on a store that runs already."""
    return partial(run, GROK2API_REDIS_URL=redis_url)


@pytest.fixture
def ids(run: Run) -> list[str]:
    """Two accounts: a basic one and a super one."""
    basic, super_ = SESSIONS.splitlines()
    run("accounts", "import", text=basic)
    run("accounts", "import", "--tier", "super", text=super_)
    listed = msgspec.json.decode(run("accounts", "list", "--json").stdout)
    return [account["id"] for account in sorted(listed, key=lambda a: a["pool"]["tier"])]


def listed_ids(run: Run, *words: str) -> set[str]:
    listed = msgspec.json.decode(run("accounts", "list", "--json", *words).stdout)
    return {account["id"] for account in listed}


def test_list_shows_status_limit_and_how_sure_each_number_is(run: Run, ids: list[str]) -> None:
    run("accounts", "disable", ids[0])
    run("accounts", "delete", ids[1])
    run("accounts", "restore", ids[1])
    run("accounts", "limit", ids[1], "--to", "3")
    run("accounts", "tag", ids[1], "--tag", "team-a", "--tag", "spare")

    done = run("accounts", "list")

    head, *rows = done.stdout.splitlines()
    assert head.split() == [
        "id", "tier", "status", "reason", "since", "until", "session", "open", "windows", "tags"
    ]  # fmt: skip
    first, second = (next(row for row in rows if row.startswith(i)) for i in ids)
    assert "basic  disabled  operator" in first
    assert "0/8" in first
    assert "fast 30/30=, image_pro ?, image_edit ?, video_720p ?" in first
    assert "active" in second
    assert "0/3" in second
    assert "auto 50/50=, fast 140/140=, expert 50/50=, grok_4_3 50/50=" in second
    assert second.endswith("team-a,spare")
    assert done.stderr.startswith("= usual of the plan")


def test_json_has_everything_of_an_account_but_its_secret(run: Run, ids: list[str]) -> None:
    run("accounts", "limit", ids[0], "--to", "3")

    text = run("accounts", "list", "--json", "--tier", "basic").stdout

    (account,) = msgspec.json.decode(text)
    assert account["windows"]["fast"]["source"] == "default"
    assert (account["max_concurrency"], account["concurrency"], account["stale"]) == (3, 3, [])
    assert "abcdefghijklmnop" not in text


def test_list_is_filtered_by_status_tier_and_tag(run: Run, ids: list[str]) -> None:
    basic, super_ = ids
    run("accounts", "disable", basic)
    run("accounts", "tag", super_, "--tag", "x")

    assert listed_ids(run) == {basic, super_}
    assert listed_ids(run, "--status", "disabled") == {basic}
    assert listed_ids(run, "--tier", "super") == {super_}
    assert listed_ids(run, "--tag", "x") == {super_}
    assert listed_ids(run, "--tag", "x", "--status", "disabled") == set()
    assert run("accounts", "list", "--status", "gone").returncode == 2


def test_tags_are_added_taken_away_and_replaced(run: Run, ids: list[str]) -> None:
    def tags() -> set[str]:
        listed = msgspec.json.decode(run("accounts", "list", "--json").stdout)
        return set(next(a["tags"] for a in listed if a["id"] == ids[0]))

    run("accounts", "tag", ids[0], "--tag", "a", "--tag", "b")
    assert tags() == {"a", "b"}
    run("accounts", "untag", ids[0], "--tag", "a", "--tag", "never-had")
    assert tags() == {"b"}
    run("accounts", "tag", ids[0], "--only", "--tag", "c")
    assert tags() == {"c"}
    run("accounts", "tag", ids[0], "--only")
    assert tags() == set()
    assert run("accounts", "tag", ids[0]).returncode == 2
    assert run("accounts", "tag", ids[0], "--tag", "a,b").returncode == 1


def test_moved_account_has_the_windows_of_its_new_plan(run: Run, ids: list[str]) -> None:
    done = run("accounts", "move", *ids, "--tier", "heavy")

    listed = msgspec.json.decode(run("accounts", "list", "--json").stdout)
    assert done.stdout == "2 moved, 0 not found\n"
    assert {account["pool"]["tier"] for account in listed} == {"heavy"}
    assert {w["total"] for a in listed for m, w in a["windows"].items() if m == "heavy"} == {20}


def test_accounts_that_are_not_there_are_named(run: Run, ids: list[str]) -> None:
    run("accounts", "delete", ids[1])

    plain = run("accounts", "disable", ids[0], "acc_nobody", ids[1], ids[0])
    as_json = run("accounts", "disable", "--json", ids[0], "acc_nobody")

    assert plain.returncode == as_json.returncode == 1
    assert plain.stdout == "1 disabled, 2 not found\n"
    assert plain.stderr == f"not found: acc_nobody\nnot found: {ids[1]}\n"
    assert msgspec.json.decode(as_json.stdout) == {"done": [ids[0]], "unknown": ["acc_nobody"]}


def test_deleted_account_comes_back_by_restore_or_is_forgotten_at_once_where_none_is_kept(
    run: Run, ids: list[str]
) -> None:
    run("accounts", "delete", ids[0])
    (deleted,) = msgspec.json.decode(
        run("accounts", "list", "--json", "--status", "deleted").stdout
    )
    assert round(deleted["until_s"] - deleted["since_s"]) == 604_800

    assert run("accounts", "restore", ids[0]).stdout == "1 restored, 0 not found\n"
    assert listed_ids(run, "--status", "active") == set(ids)

    run("accounts", "delete", ids[0], GROK_ACCOUNT_DELETED_KEEP_S="0")
    assert listed_ids(run) == {ids[1]}


@pytest.mark.parametrize("number", ["-1", "many", "2048"])
def test_limit_out_of_bounds_is_refused(run: Run, ids: list[str], number: str) -> None:
    done = run("accounts", "limit", ids[0], "--to", number)

    assert done.returncode in {1, 2}
    assert "Traceback" not in done.stderr
    assert msgspec.json.decode(run("accounts", "list", "--json").stdout)[0]["concurrency"] == 8


def test_refresh_that_brings_nothing_says_why_and_ends_with_1(run: Run, ids: list[str]) -> None:
    nowhere = {"GROK_UPSTREAM_GROK_URL": f"http://127.0.0.1:{free_port()}"}

    done = run("accounts", "refresh", ids[0], "acc_nobody", **nowhere)
    as_json = run("accounts", "refresh", "--json", ids[0], "acc_nobody", **nowhere)

    head, first, second = done.stdout.splitlines()
    assert done.returncode == as_json.returncode == 1
    assert head.split() == ["id", "tier", "status", "result"]
    assert first.split()[:3] == [ids[0], "basic", "active"]
    assert second.split() == ["acc_nobody", "not", "found"]
    answer = msgspec.json.decode(as_json.stdout)
    assert answer["unknown"] == ["acc_nobody"]
    assert answer["refreshed"][0]["failure"]
    assert "abcdefghijklmnop" not in done.stdout + done.stderr
