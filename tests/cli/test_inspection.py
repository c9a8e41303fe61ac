"""`accounts explain` and `sessions` as processes."""

import msgspec
import pytest

from tests.cli.service import Run

pytestmark = pytest.mark.timeout(120)
SESSIONS = "session-0001-abcdefghijklmnop\nsession-0002-abcdefghijklmnop\n"


def test_explanation_begins_with_who_would_serve(run: Run) -> None:
    run("accounts", "import", text=SESSIONS)
    run("accounts", "import", "--tier", "super", text="session-0003-abcdefghijklmnop\n")

    done = run("accounts", "explain", "--model", "grok-4-expert")
    ids = {a["id"] for a in msgspec.json.decode(run("accounts", "list", "--json").stdout)}

    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert lines[0] == "A request for grok-4-expert takes 4 queries. Strategy: max_quota."
    assert lines[1].startswith("Now it would be served by acc_")
    assert "  50 of 50 left in expert" in done.stdout.replace("It can serve this: ", "")
    assert "  expert of super accounts: 1 ready, 0 waiting" in lines
    assert "other tier: 2 accounts" in lines
    assert all(account in done.stdout for account in ids)
    assert "abcdefghijklmnop" not in done.stdout


def test_explanation_is_json_too_and_fails_when_nobody_serves(run: Run) -> None:
    run("accounts", "import", text=SESSIONS)

    done = run("accounts", "explain", "--model", "grok-chat-heavy", "--json")

    said = msgspec.json.decode(done.stdout)
    assert done.returncode == 1
    assert said["chosen"] is None
    assert [(g["word"], g["count"]) for g in said["reasons"]] == [("other_tier", 2)]
    assert said["next_cursor"] == ""


@pytest.mark.parametrize("words", [("--model", "gpt-9"), ("--model", "grok-3", "--key", "sk-x")])
def test_what_cannot_be_explained_is_one_line(run: Run, words: tuple[str, ...]) -> None:
    done = run("accounts", "explain", *words)

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("grok2api: ")
    assert done.stderr.count("\n") == 1
    assert "sk-x" not in done.stderr


def test_clearing_sessions_wants_names_or_all(run: Run) -> None:
    neither = run("sessions", "clear")
    both = run("sessions", "clear", "--all", "s1")
    unknown = run("sessions", "clear", "s1")
    every = run("sessions", "clear", "--all")

    assert (neither.returncode, both.returncode) == (2, 2)
    assert (unknown.returncode, unknown.stdout) == (1, "0 cleared, 1 not found\n")
    assert (every.returncode, every.stdout) == (0, "0 cleared\n")
    assert run("sessions", "list", "--json").stdout == "[]\n"
