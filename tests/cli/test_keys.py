"""Client keys by command: every rule can be set, seen and taken back."""

from typing import Any

import msgspec
import pytest

from tests.cli.service import Run

pytestmark = pytest.mark.timeout(120)
RULES = (
    "--rpm", "60", "--tpm", "200k", "--concurrency", "8", "--weight", "2", "--tag", "red",
    "--models", "grok-4*,grok-chat-fast", "--networks", "10.1.2.3/8", "--expires", "30d",
    "--budget-day", "requests=1000,tokens=2m,units=50", "--budget-month", "units=1k",
)  # fmt: skip


def listed(run: Run) -> Any:
    (key,) = msgspec.json.decode(run("keys", "list", "--json").stdout)
    return key


def test_every_rule_is_set_shown_and_taken_back(run: Run) -> None:
    made = run("keys", "create", "team", *RULES)
    first = listed(run)
    table = run("keys", "list").stdout
    changed = run(
        "keys", "edit", "team", "--name", "crew", "--rpm", "0", "--budget-day", "none",
        "--models", "all", "--networks", "all", "--expires", "never", "--no-tags", "--disable",
    )  # fmt: skip
    second = listed(run)

    assert made.returncode == changed.returncode == 0, made.stderr + changed.stderr
    assert first["limits"] == {
        "requests_per_minute": 60,
        "tokens_per_minute": 200_000,
        "concurrency": 8,
        "day": {"requests": 1000, "tokens": 2_000_000, "units": 50},
        "month": {"units": 1000},
    }
    assert first["models"] == ["grok-4*", "grok-chat-fast"]
    assert first["networks"] == ["10.0.0.0/8"]
    assert first["use"]["open_calls"] == 0
    for shown in ("0/60 rpm", "0/2000000 tokens a day", "10.0.0.0/8", "until 20", "red"):
        assert shown in table
    assert second["limits"] == {
        "tokens_per_minute": 200_000,
        "concurrency": 8,
        "day": {},
        "month": {"units": 1000},
    }
    rules = ("name", "is_enabled", "tags", "models", "networks", "expires_at_s", "weight")
    assert [second[rule] for rule in rules] == ["crew", False, [], [], [], 0.0, 2]


@pytest.mark.parametrize(
    ("flag", "value", "hint"),
    [
        ("--tpm", "-1", "200k"),
        ("--rpm", "many", "200k"),
        ("--budget-day", "pennies=5", "requests=1000,tokens=2m,units=50"),
        ("--expires", "soon", "30d"),
        ("--expires", "2020-01-31", "--expires: A key expires at a time to come"),
        ("--models", "grok-nothing", "--models: 'grok-nothing' is no model here"),
        ("--networks", "office", "--networks: 'office' is no network"),
        ("--weight", "65", "from 1 to 64"),
    ],
)
def test_wrong_value_is_explained_and_makes_no_key(
    run: Run, flag: str, value: str, hint: str
) -> None:
    done = run("keys", "create", "team", flag, value)

    assert done.returncode == 2
    assert hint in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_edit_says_what_is_missing(run: Run) -> None:
    nothing = run("keys", "edit", "team")
    nobody = run("keys", "edit", "team", "--rpm", "5")

    assert (nothing.returncode, nobody.returncode) == (2, 1)
    assert "--help" in nothing.stderr
    assert "keys list" in nobody.stderr
