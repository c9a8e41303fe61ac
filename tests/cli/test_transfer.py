"""Moving accounts by command: files, databases, secrets, and what is wrong with them."""

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from redis import Redis

from tests.cli.service import Run

pytestmark = pytest.mark.timeout(120)
FOLDER = Path(__file__).parents[1] / "fixtures" / "imports"
SECRET = "Zml4dHVyZS0"
IMPORT = ("accounts", "import")
EXPORT = ("accounts", "export")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "accounts.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((FOLDER / "accounts.sql").read_text(encoding="utf-8"))
    return path


def test_dry_run_shows_each_tier_and_changes_nothing(run: Run) -> None:
    done = run(*IMPORT, "--dry-run", str(FOLDER / "records.json"))

    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "basic: 3 would be added, 0 known already\n"
        "heavy: 1 would be added, 0 known already\n"
        "4 would be added, 0 known already, 0 refused, 1 deleted there\n"
    )
    assert run("accounts", "list", "--json").stdout == "[]\n"


def test_database_is_imported_by_name(run: Run, database: Path) -> None:
    done = run(*IMPORT, str(database))

    assert done.stdout == "3 added, 0 known already, 1 refused, 1 deleted there\n"
    assert done.stderr.startswith("line 5: It names a tier")


def test_redis_of_an_older_version_is_imported_by_url_or_standard_input(
    run: Run, redis_that_evicts: str
) -> None:
    token = "eyJ0eXAiOiJKV1QifQ.Zml4dHVyZS0x.c2ln"
    with Redis.from_url(redis_that_evicts) as old:
        old.hset(
            f"accounts:record:{token}",
            mapping={"token": token, "pool": "heavy", "tags": '["nsfw"]', "status": "expired"},
        )

    planned = run(*IMPORT, "--dry-run", "--from-redis", redis_that_evicts)
    done = run(*IMPORT, "--from-redis", "-", text=f"{redis_that_evicts}\n")

    assert planned.stdout.endswith("1 would be added, 0 known already, 0 refused\n")
    assert done.stdout == "1 added, 0 known already, 0 refused\n"
    found = msgspec.json.decode(run("accounts", "list", "--json").stdout)
    assert [(a["status"], a["reason"], a["tags"]) for a in found] == [
        ("expired", "imported", ["nsfw"])
    ]


def test_export_goes_to_a_private_file_and_comes_back_elsewhere(run: Run, tmp_path: Path) -> None:
    run(*IMPORT, str(FOLDER / "sso_pools.json"))

    done = run(*EXPORT, "--with-secrets", "--output", "out.json")

    exported = (tmp_path / "out.json").read_text(encoding="utf-8")
    elsewhere = ("--data-dir", "elsewhere")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "4 written to out.json\n")
    assert stat.S_IMODE((tmp_path / "out.json").stat().st_mode) == 0o600
    assert run(*IMPORT, *elsewhere, "out.json").stdout.startswith("4 added")
    again = run(*EXPORT, *elsewhere, "--with-secrets", "--output", "-").stdout
    assert again == exported


def test_secrets_are_printed_only_when_standard_output_is_named(run: Run) -> None:
    run(*IMPORT, str(FOLDER / "tokens.txt"))

    refused = run(*EXPORT, "--with-secrets")
    plain = run(*EXPORT)

    assert refused.returncode == 2
    assert refused.stdout == ""
    assert "--output" in refused.stderr
    assert SECRET not in plain.stdout
    assert len(msgspec.json.decode(plain.stdout)["accounts"]) == 2


def test_export_that_fails_leaves_the_file_that_was_there(run: Run, tmp_path: Path) -> None:
    run(*IMPORT, str(FOLDER / "tokens.txt"))
    (tmp_path / "out.json").write_text("before")
    (tmp_path / "data" / "secret.key").unlink()

    done = run(*EXPORT, "--with-secrets", "--output", "out.json")

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "out.json").read_text() == "before"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".out")]


@pytest.mark.parametrize("output", ["data", "nowhere/out.json", "/dev/null"])
def test_output_that_is_no_file_is_one_line(run: Run, output: str) -> None:
    run(*IMPORT, str(FOLDER / "tokens.txt"))

    done = run(*EXPORT, "--output", output)

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert output in done.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"basic": ["eyJ0eXAiOiJKV1QifQ.Zml4dHVyZS0x.c2ln", "eyJ0eXAi', "cut off"),
        (b'{"basic": ["eyJ0eXAiOiJKV1QifQ.Zml4dHVyZS0x.c2ln" "x"]}', "damaged"),
        (b"SQLite format 3\0 and then nothing of the kind", "database cannot be read"),
        (b"a1b2c3d4" * 1_250_000, "line 1: It is too long"),
        (b"eyJ0eXAiOiJKV1Qi\0fQ.Zml4dHVyZS0x.c2ln\n", "line 1: It has characters"),
        (b"\0" * 100_000, "line 1: "),
        (b"\xff\xfee\0y\0J\0", "byte 0 is not UTF-8"),
        (b'[1, null, true, {"token": []}, {"pool": {}}]', "line 4: "),
        (b"[" * 100_000 + b"]" * 100_000, "damaged"),
        (b"", "0 added"),
    ],
)
def test_hostile_file_is_refused_in_words(
    run: Run, tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "given").write_bytes(content)

    done = run(*IMPORT, "given")

    assert done.returncode in (1, 2)
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < 2000
    assert SECRET not in done.stderr
    assert run("accounts", "list", "--json").stdout == "[]\n"


def test_file_and_redis_together_are_refused(run: Run) -> None:
    assert run(*IMPORT, "--from-redis", "redis://h", "a.txt").returncode == 2
