"""Commands that change something write it down, as administrators' requests do."""

import asyncio
import os
import pwd
import socket
import subprocess

import msgspec
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


def told(actions: list[AdminAction]) -> list[tuple[str, str, str, str]]:
    return [(one.action, one.target, one.detail, one.outcome) for one in actions]


def test_changes_are_written_down_and_looks_are_not(run: Run, redis_url: str) -> None:
    def ask(*words: str, text: str = "") -> subprocess.CompletedProcess[str]:
        return run(*words, "--redis-url", redis_url, text=text)

    done = [
        ask("keys", "create", "team", "--json"),
        ask("keys", "list"),
        ask("keys", "edit", "nobody", "--disable"),
        ask("keys", "revoke", "nobody"),
        ask("accounts", "import", "--dry-run", text=SESSION),
        ask("accounts", "import", text=SESSION),
        ask("logins", "allow", "::ffff:203.0.113.7"),
        ask("logins", "allow", "somewhere"),
        ask("accounts", "disable", ACCOUNT, SESSION),
        ask("accounts", "export", "--output", "-"),
        ask("accounts", "export", "--output", "-", "--with-secrets"),
    ]

    actions = read_actions(redis_url)
    here = f"{pwd.getpwuid(os.getuid()).pw_name}@{socket.gethostname()}"
    assert [one.returncode for one in done] == [0, 0, 1, 1, 0, 0, 0, 2, 1, 0, 0]
    assert {(one.actor, one.client) for one in actions} == {("command line", here)}
    [imported] = msgspec.json.decode(done[9].stdout)["accounts"]
    assert told(actions) == [
        ("key.create", msgspec.json.decode(done[0].stdout)["id"], "keys create", "ok"),
        ("key.edit", "nobody", "keys edit", "key_not_found"),
        ("key.revoke", "nobody", "keys revoke", "key_not_found"),
        ("account.import", imported["id"], "accounts import: 1 added", "ok"),
        ("login.allow", "::ffff:203.0.113.7", "logins allow", "ok"),
        ("account.disable", "", "accounts disable: 2 not found", "ok"),
        ("account.export_sessions", "", "accounts export", "ok"),
    ]
    assert SESSION not in str(actions)


def test_changes_of_settings_are_written_down_without_their_values(
    run: Run, redis_url: str
) -> None:
    for words in (
        ("set", "retry.max_attempts", "7"),
        ("set", "proxy.url", "http://me:planted-password@10.0.0.1:8080"),
        ("set", "retry.max_attempts", "0"),
        ("unset", "proxy.url", "retry.max_attempts"),
        ("rollback", "1"),
        ("unset", "--all"),
        ("history",),
    ):
        run("config", *words, "--redis-url", redis_url)

    actions = read_actions(redis_url)
    assert told(actions) == [
        ("settings.change", "retry.max_attempts", "config set: revision 1", "ok"),
        ("settings.change", "proxy.url", "config set: revision 2", "ok"),
        ("settings.change", "retry.max_attempts", "config set", "invalid_value"),
        ("settings.change", "proxy.url, retry.max_attempts", "config unset: revision 3", "ok"),
        ("settings.restore", "retry.max_attempts", "config rollback: revision 4", "ok"),
        ("settings.change", "all", "config unset", "ok"),
    ]
    assert "planted" not in str(actions)


def test_every_command_that_is_written_down_exists() -> None:
    assert set(ACTIONS) <= set(COMMANDS)
