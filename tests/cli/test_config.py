"""Settings changed by commands: kept in the store, with a history, without a secret in sight."""

import msgspec

from tests.cli.service import Run

SECRET = "planted-secret-0123456789"


def test_set_value_holds_until_it_is_unset(run: Run) -> None:
    done = run("config", "set", "retry.max_attempts", "7")
    assert done.stdout == "retry.max_attempts: 3 -> 7\nRevision 1\n"

    shown = run("config", "show", "--origin", "--json").stdout
    setting = {s["key"]: s for s in msgspec.json.decode(shown)["settings"]}["retry.max_attempts"]
    assert (setting["value"], setting["origin"]) == (7, "store")

    assert run("config", "unset", "retry.max_attempts").stdout.startswith("retry.max_attempts: 7")
    assert run("config", "unset", "--all").stdout.endswith("revision 3\n")


def test_history_leads_back(run: Run) -> None:
    run("config", "set", "retry.max_attempts", "7")
    run("config", "set", "retry.max_attempts", "8")

    done = run("config", "rollback", "1", "--json")

    assert msgspec.json.decode(done.stdout)["differences"] == [
        {"key": "retry.max_attempts", "before": 8, "after": 7}
    ]
    history = msgspec.json.decode(run("config", "history", "--json").stdout)
    assert [(h["revision"], h["by"], h["restored"]) for h in history] == [
        (3, "command line", 1),
        (2, "command line", 0),
        (1, "command line", 0),
    ]
    assert "retry.max_attempts" in run("config", "history").stdout


def test_secret_comes_from_standard_input_and_is_shown_nowhere(run: Run) -> None:
    done = [
        run("config", "set", "app.app_key", "-", text=f"{SECRET}\n"),
        run("config", "show", "--origin"),
        run("config", "history", "--json"),
        run("config", "set", "proxy.url", f"ftp://{SECRET}"),
    ]

    assert done[0].stdout == 'app.app_key: "(empty)" -> "(set)"\nRevision 1\n'
    assert [d.returncode for d in done] == [0, 0, 0, 1]
    assert SECRET not in "".join(d.stdout + d.stderr for d in done)


def test_refusals_say_why(run: Run) -> None:
    refused = {
        ("set", "retry.max_attempts", "0"): "whole number from 1 to 20",
        ("set", "server.port", "9"): "read when a process starts",
        ("set", "retry.budget_s", "9"): "GROK_RETRY_BUDGET_S of the environment",
        ("set", "no.such", "9"): "no setting 'no.such'",
        ("rollback", "9"): "Revision 9 of the settings is not kept",
        ("unset",): "name the settings, or give --all",
    }
    for words, reason in refused.items():
        done = run("config", *words, GROK_RETRY_BUDGET_S="5")
        assert done.returncode, words
        assert reason in done.stderr, words
        assert done.stderr.count("\n") == 1
