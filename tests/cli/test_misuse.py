"""A command line that cannot be understood is answered in one line that says what could stand."""

import pytest

from grok2api.arguments import read_arguments
from grok2api.cli import COMMANDS


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("", "grok2api: the following arguments are required: COMMAND; see `grok2api --help`"),
        ("nope", "grok2api: argument COMMAND: invalid choice: 'nope' (choose from "),
        ("keys", "grok2api keys: the following arguments are required: COMMAND; see "),
        (
            "keys create a --network 10.0.0.0/8",
            "grok2api keys create: not known: --network; see `grok2api keys create --help`",
        ),
        (
            "accounts list --tier weird",
            "grok2api accounts list: argument --tier: must be one of: basic, super, heavy; see ",
        ),
        ("stats --by day", "grok2api stats: argument --by: must be one of: model, key, account, "),
        (
            "stats --hours 0",
            "grok2api stats: argument --hours: must be a whole number of 1 or more;",
        ),
        ("log --limit 1.5", "grok2api log: argument --limit: must be a whole number of 1 or more;"),
        ("config rollback x", "grok2api config rollback: argument N: must be a whole number of 1 "),
        (
            "keys edit a --weight 65",
            "grok2api keys edit: argument --weight: must be a whole number",
        ),
        (
            "simulate --port 65536",
            "grok2api simulate: argument --port: must be a whole number from",
        ),
        (
            "batches start fly --all",
            "grok2api batches start: argument KIND: must be one of: refresh",
        ),
        (
            "batches start concurrency --max-concurrency -1",
            "grok2api batches start: argument --max",
        ),
        ("serve --work 2", "grok2api serve: not known: --work; see `grok2api serve --help`"),
    ],
)
def test_misuse_is_one_line(words: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read_arguments(COMMANDS, words.split())

    said = capsys.readouterr()
    assert (ended.value.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert said.err.startswith(line)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read_arguments(COMMANDS, [*command.split(), "--help"])

    said = capsys.readouterr()
    assert (ended.value.code, said.err) == (0, "")
    assert said.out.startswith(f"usage: grok2api {command} ")
    assert all(len(line) <= 110 for line in said.out.splitlines())
