"""Commands do what they say, and an expected error is one line without a traceback."""

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.cli.service import Run, free_port

pytestmark = pytest.mark.timeout(120)
SESSIONS = "session-0001-abcdefghijklmnop\nsession-0002-abcdefghijklmnop\n"


def test_help_names_every_command_and_shows_examples(run: Run) -> None:
    done = run("--help")

    assert done.returncode == 0
    for word in ("serve", "demo", "simulate", "accounts", "keys", "config", "doctor", "version"):
        assert f"\n    {word}" in done.stdout
    assert "grok2api accounts import sessions.txt" in done.stdout


def test_keys_are_made_shown_once_and_revoked(run: Run) -> None:
    made = run("keys", "create", "laptop")
    listed = run("keys", "list")
    revoked = run("keys", "revoke", "laptop")

    key = made.stdout.strip()
    assert key.startswith("sk-")
    assert "laptop" in listed.stdout
    assert key not in listed.stdout
    assert revoked.stdout == "1 revoked\n"
    assert "laptop" not in run("keys", "list").stdout


def test_accounts_are_imported_once_listed_and_removed(run: Run) -> None:
    first = run("accounts", "import", "--tier", "super", "--json", text=SESSIONS)
    again = run("accounts", "import", "-", text=SESSIONS)
    listed = msgspec.json.decode(run("accounts", "list", "--json").stdout)
    removed = run("accounts", "remove", listed[0]["id"], "acc_unknown")

    assert len(msgspec.json.decode(first.stdout)["added"]) == 2
    assert again.stdout == "0 added, 2 known already, 0 refused\n"
    assert {account["pool"]["tier"] for account in listed} == {"super"}
    assert removed.stdout == "1 removed, 1 not found\n"
    assert removed.returncode == 1
    assert len(msgspec.json.decode(run("accounts", "list", "--json").stdout)) == 1


def test_listed_accounts_show_no_session(run: Run) -> None:
    run("accounts", "import", text=SESSIONS)

    listed = run("accounts", "list").stdout + run("accounts", "list", "--json").stdout

    assert "session-0001-abcdefghijklmnop" not in listed


def test_refused_lines_are_named_without_being_quoted(run: Run) -> None:
    done = run("accounts", "import", text="?\n")

    assert done.returncode == 1
    assert done.stderr.startswith("line 1: ")
    assert done.stdout == "0 added, 0 known already, 1 refused\n"


def test_shown_settings_say_where_they_come_from_and_hide_secrets(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "config.toml").write_text("[retry]\nmax_attempts = 4\n")

    done = run("config", "show", "--json", GROK_APP_APP_KEY="hunter2")

    shown = {row["key"]: row for row in msgspec.json.decode(done.stdout)}
    assert shown["retry.max_attempts"]["value"] == 4
    assert shown["retry.max_attempts"]["source"].endswith("config.toml")
    assert shown["app.app_key"] == {
        "key": "app.app_key",
        "value": "(set)",
        "source": "GROK_APP_APP_KEY",
    }
    assert "hunter2" not in done.stdout


def test_printed_defaults_are_the_committed_file(run: Run) -> None:
    committed = Path(__file__).parents[2] / "config.defaults.toml"

    assert run("config", "defaults").stdout == committed.read_text(encoding="utf-8")


def test_checking_settings_says_when_nobody_needs_a_key(run: Run) -> None:
    done = run("config", "check", GROK_SECURITY_ALLOW_ANONYMOUS_API="1")

    assert done.returncode == 0
    assert done.stderr.startswith("security.allow_anonymous_api is on: whoever reaches the port")


def test_entry_that_is_no_network_is_one_line_at_the_start(run: Run) -> None:
    done = run("config", "check", FORWARDED_ALLOW_IPS="proxy.internal")

    assert done.returncode == 2
    assert "FORWARDED_ALLOW_IPS: server.forwarded_allow_ips: 'proxy.internal'" in done.stderr
    assert "Traceback" not in done.stderr


def test_checking_settings_names_unknown_ones(run: Run) -> None:
    done = run("config", "check", GROK_WHEELS_SPARE="1")

    assert done.returncode == 0
    assert done.stderr == "not known to this version, ignored: GROK_WHEELS_SPARE\n"


def test_scripts_are_written_with_their_includes(run: Run, tmp_path: Path) -> None:
    done = run("scripts", "expand", "out")

    assert done.returncode == 0
    assert "TIME" in (tmp_path / "out" / "account" / "acquire.lua").read_text()


def test_output_may_be_cut_short_by_its_reader() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "grok2api", "config", "defaults"],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)

    assert done.returncode == 1
    assert done.stderr == ""


def test_corrupt_settings_are_one_line_with_line_and_column(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "config.toml").write_text("[retry\n")

    for words in (("serve",), ("keys", "list"), ("config", "check")):
        done = run(*words)

        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1
        assert "config.toml: not valid TOML: " in done.stderr
        assert "line 1, column 7" in done.stderr


def test_folder_that_cannot_be_used_is_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    done = run("serve", "--data-dir", "file/data")

    assert done.returncode == 2
    assert done.stderr.startswith("grok2api: data folder ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [("serve",), ("doctor",)])
def test_port_in_use_is_one_line_that_says_what_to_do(run: Run, words: tuple[str, ...]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        done = run(*words, "--port", str(port))

    assert done.returncode in {1, 2}
    lines = [line for line in (done.stdout + done.stderr).splitlines() if str(port) in line]
    assert len(lines) == 1
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use; " in lines[0]


def test_address_of_another_machine_is_one_line_that_says_what_to_do(run: Run) -> None:
    done = run("serve", "--host", "192.0.2.1", "--port", str(free_port()))

    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "; choose an address of this machine with --host (" in done.stderr


def test_doctor_says_what_to_do_about_a_folder_and_a_store(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    nowhere = f"redis://:hunter2@127.0.0.1:{free_port()}"

    done = run("doctor", "--data-dir", "file", GROK2API_REDIS_URL=nowhere)

    assert f"✗ data folder: {tmp_path / 'file'}: it is no folder; choose another " in done.stdout
    assert "✗ store: it does not answer (" in done.stdout
    assert "start it, or correct --redis-url" in done.stdout
    assert "hunter2" not in done.stdout


@pytest.mark.parametrize("words", [("serve",), ("keys", "list")])
def test_store_that_does_not_answer_is_one_line(run: Run, words: tuple[str, ...]) -> None:
    done = run(*words, "--redis-url", f"redis://:hunter2@127.0.0.1:{free_port()}")

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "hunter2" not in done.stderr


def test_placeholder_password_does_not_start(run: Run) -> None:
    done = run("serve", GROK_APP_APP_KEY="grok2api")

    assert done.returncode == 2
    assert "GROK_APP_APP_KEY: app.app_key is a placeholder" in done.stderr


def test_doctor_says_how_to_mend_an_open_key_file(run: Run, tmp_path: Path) -> None:
    run("keys", "list")
    key = tmp_path / "data" / "secret.key"
    key.chmod(0o644)

    done = run("doctor")

    assert done.returncode == 1
    assert f"✗ secret key: {key} can be read by other users (mode 644)" in done.stdout
    key.chmod(0o600)
    assert "✓ secret key: 1 in use" in run("doctor").stdout
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_doctor_finds_a_store_that_may_forget(run: Run, redis_that_evicts: str) -> None:
    done = run("doctor", "--redis-url", redis_that_evicts)

    assert done.returncode == 1
    assert "✗ store memory: policy allkeys-lru may throw accounts and keys away" in done.stdout
    assert "! store disk: no append-only file" in done.stdout


def test_doctor_changes_nothing_before_the_first_start(run: Run, tmp_path: Path) -> None:
    done = run("doctor")

    assert "! data folder: " in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_doctor_sees_an_upstream_that_takes_connections(run: Run) -> None:
    with socket.socket() as site:
        site.bind(("127.0.0.1", 0))
        site.listen()
        url = f"http://127.0.0.1:{site.getsockname()[1]}"

        fine = run("doctor", GROK_UPSTREAM_GROK_URL=url)
        broken = run("doctor", GROK_UPSTREAM_GROK_URL=f"http://127.0.0.1:{free_port()}")

    assert "✓ upstream: 127.0.0.1 port " in fine.stdout
    assert fine.returncode == 0
    assert "✗ upstream: no connection to 127.0.0.1 port " in broken.stdout
    assert broken.returncode == 1
