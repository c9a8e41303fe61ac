"""Commands that change something write it down, as administrators' requests do."""

import asyncio

import pytest

from grok2api.cli import COMMANDS
from grok2api.command_notes import ACTIONS
from grok2api.domain.action import AdminAction
from grok2api.store.action_log import ActionLogStore
from grok2api.store.connection import open_redis
from tests.cli.service import Run

pytestmark = pytest.mark.timeout(120)
SESSION = "eyJhbGciOiJIUzI1NiJ9.planted-session"
ACCOUNT = "acc_0123456789abcdef0123"


def read_actions(url: str) -> list[AdminAction]:
    async def read() -> list[AdminAction]:
        async with open_redis(url) as redis:
            found = await ActionLogStore(redis, max_entries=100).read("", 100)
            return [entry.action for entry in reversed(found)]

    return asyncio.run(read())


def test_changes_are_written_down_and_looks_are_not(run: Run, redis_url: str) -> None:
    def ask(*words: str) -> int:
        return run(*words, "--redis-url", redis_url).returncode

    codes = [
        ask("keys", "create", "team"),
        ask("keys", "list"),
        ask("keys", "edit", "nobody", "--disable"),
        ask("logins", "allow", "::ffff:203.0.113.7"),
        ask("logins", "allow", "somewhere"),
        ask("accounts", "disable", ACCOUNT, SESSION),
        ask("accounts", "export", "--output", "-"),
        ask("accounts", "export", "--output", "-", "--with-secrets"),
    ]

    actions = read_actions(redis_url)
    assert codes == [0, 0, 1, 0, 2, 1, 0, 0]
    assert {(one.actor, one.client) for one in actions} == {("cli", "")}
    assert [(one.action, one.target, one.detail, one.outcome) for one in actions] == [
        ("key.create", "team", "keys create", "ok"),
        ("key.edit", "nobody", "keys edit", "key_not_found"),
        ("login.allow", "::ffff:203.0.113.7", "logins allow", "ok"),
        ("account.disable", ACCOUNT, "accounts disable", "ok"),
        ("account.export_sessions", "", "accounts export", "ok"),
    ]
    assert SESSION not in str(actions)


def test_every_command_that_is_written_down_exists() -> None:
    assert set(ACTIONS) <= set(COMMANDS)
