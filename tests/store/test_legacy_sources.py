"""The stores of an older version: read as they are, never written to."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from redis import Redis

from grok2api.errors import SettingsError
from grok2api.store.legacy_redis import open_legacy_redis
from grok2api.store.legacy_sqlite import SQLITE_HEADER, open_legacy_sqlite

FIXTURE = Path(__file__).parents[1] / "fixtures" / "imports" / "accounts.sql"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "old #1?.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(FIXTURE.read_text(encoding="utf-8"))
    return path


def content_of(path: Path) -> bytes:
    return path.read_bytes()


def write_content(path: Path, content: bytes) -> None:
    path.write_bytes(content)


async def read_file(source: Path | bytes) -> list[dict[str, object]]:
    async with open_legacy_sqlite(source) as batches:
        return [row async for batch in batches for row in batch]


async def read_redis(url: str) -> list[dict[str, object]]:
    async with open_legacy_redis(url) as batches:
        return [row async for batch in batches for row in batch]


async def test_database_is_read_and_left_as_it_is(database: Path) -> None:
    before = content_of(database)

    rows = await read_file(database)

    assert [row["status"] for row in rows] == ["active", "disabled", "active", "cooling", "active"]
    assert rows[0]["tags"] == '["nsfw"]'
    assert content_of(database) == before
    assert list(database.parent.iterdir()) == [database]


async def test_database_in_use_is_read_with_what_its_log_holds(database: Path) -> None:
    with closing(sqlite3.connect(database)) as user:
        user.execute("PRAGMA journal_mode=WAL")
        user.execute("DELETE FROM accounts WHERE pool = 's'")
        user.commit()

        assert len(await read_file(database)) == 4


async def test_content_of_a_database_is_read_without_a_file(database: Path) -> None:
    with closing(sqlite3.connect(database)) as user:
        user.execute("PRAGMA journal_mode=WAL")

    assert len(await read_file(content_of(database))) == 5


async def test_database_of_many_rows_comes_in_batches(database: Path) -> None:
    with closing(sqlite3.connect(database)) as user:
        user.executemany(
            "INSERT INTO accounts (token) VALUES (?)", [(f"t{n}",) for n in range(1200)]
        )
        user.commit()

    async with open_legacy_sqlite(database) as batches:
        sizes = [len(batch) async for batch in batches]

    assert sizes == [500, 500, 205]


@pytest.mark.parametrize("size", [16, 100, 2000, 9000])
async def test_what_only_begins_like_a_database_is_one_error(database: Path, size: int) -> None:
    content = content_of(database)
    damaged = content[:50] + b"\xff" * 200 + content[250:size] if size > 100 else content[:size]
    cut = database.with_name("cut.db")
    write_content(cut, damaged)

    for source in (damaged, cut, SQLITE_HEADER + b"\0" * size):
        with pytest.raises(SettingsError, match="database"):
            await read_file(source)


async def test_database_of_something_else_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE accounts (name TEXT)")

    with pytest.raises(SettingsError, match="has no accounts"):
        await read_file(path)


async def test_value_without_end_is_one_error(database: Path) -> None:
    with closing(sqlite3.connect(database)) as user:
        user.execute("INSERT INTO accounts (token) VALUES (?)", ("x" * 2_000_000,))
        user.commit()

    with pytest.raises(SettingsError, match="cannot be read"):
        await read_file(database)


async def test_redis_is_read_by_its_records_and_nothing_is_written(redis_url: str) -> None:
    if not redis_url.startswith("unix:"):
        pytest.skip("older versions knew no Cluster")
    with Redis.from_url(redis_url) as old:
        for n in range(1200):
            old.hset(f"accounts:record:token-{n}", mapping={"token": f"token-{n}", "pool": "super"})
        old.hset("accounts:record:only-in-the-key", mapping={"status": "disabled"})
        old.set("accounts:record:no-hash", "text")
        old.set("accounts:rev", "7")
        before = sorted(old.keys("*"))

        rows = await read_redis(redis_url)

        assert sorted(old.keys("*")) == before
    tokens = {row.get("token") for row in rows}
    assert len(rows) == 1202
    assert {"token-0", "token-1199", "only-in-the-key", None} <= tokens
    assert {"token": "only-in-the-key", "status": "disabled"} in rows


@pytest.mark.parametrize(
    "url",
    [
        "redis+cluster://host:1",
        "http://user:hunter2@host",
        "hunter2",
        "unix:///nowhere/hunter2",
        "redis://u:hunter2@127.0.0.1:1/0",
    ],
)
async def test_redis_that_cannot_be_read_is_one_error_without_a_password(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        await read_redis(url)

    assert "hunter2" not in caught.value.message
