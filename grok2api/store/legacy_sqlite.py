"""Reads the accounts that an older version kept in an SQLite file. The file is never written to."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, closing
from pathlib import Path
from typing import Final

from grok2api.errors import SettingsError

SQLITE_HEADER: Final = b"SQLite format 3\x00"
BATCH: Final = 500
MAX_VALUE_BYTES: Final = 1_000_000

_TABLE: Final = "accounts"
_COLUMNS: Final = (
    "token",
    "pool",
    "status",
    "tags",
    "created_at",
    "deleted_at",
    "state_reason",
    "ext",
)
_WAL_MARKS: Final = slice(18, 20)
_ROLLBACK_MARKS: Final = b"\x01\x01"

Rows = list[dict[str, object]]


@asynccontextmanager
async def open_legacy_sqlite(source: Path | bytes) -> AsyncIterator[AsyncIterator[Rows]]:
    """Open a file, or the content of one, and yield its rows in batches, as they stand.

    Every step runs in a thread. A file is read as it is at one moment, even while it is in use.

    Raises:
        SettingsError: it is no database, or not of accounts.
    """
    name = str(source) if isinstance(source, Path) else "standard input"
    try:
        connection = await asyncio.to_thread(_connect, source)
        with closing(connection):
            async with aclosing(_read_batches(connection)) as batches:
                yield batches
    except sqlite3.Error as error:
        raise SettingsError(f"{name}: the database cannot be read: {error}") from None
    except _NoAccountsError:
        raise SettingsError(f"{name}: the database has no accounts of an older version") from None


class _NoAccountsError(Exception):
    """The database is another program's."""


async def _read_batches(connection: sqlite3.Connection) -> AsyncGenerator[Rows, None]:
    rows = await asyncio.to_thread(_start, connection)
    while batch := await asyncio.to_thread(next, rows, None):
        yield batch


def _connect(source: Path | bytes) -> sqlite3.Connection:
    if isinstance(source, bytes):
        content = bytearray(source)
        content[_WAL_MARKS] = _ROLLBACK_MARKS  # or it asks for the log file that memory has not
        connection = sqlite3.connect(":memory:", check_same_thread=False)
        connection.deserialize(bytes(content))
        return connection
    uri = source.absolute().as_uri()
    try:
        return _open_file(f"{uri}?mode=ro")
    except sqlite3.OperationalError:
        log = source.with_name(f"{source.name}-wal")
        if log.exists() and log.stat().st_size:
            raise
        # A folder that may not be written to; without a log nothing is missed.
        return _open_file(f"{uri}?mode=ro&immutable=1")


def _open_file(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
    with contextlib.ExitStack() as stack:
        stack.callback(connection.close)
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        stack.pop_all()
    return connection


def _start(connection: sqlite3.Connection) -> Iterator[Rows]:
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    there = {
        str(row[0])
        for row in connection.execute("SELECT name FROM pragma_table_info(?)", (_TABLE,))
    }
    names = [name for name in _COLUMNS if name in there]
    if "token" not in names:
        raise _NoAccountsError
    rows = connection.execute(f"SELECT {', '.join(names)} FROM {_TABLE}")  # noqa: S608 -- our names
    return _fetch(rows, names)


def _fetch(rows: sqlite3.Cursor, names: Sequence[str]) -> Iterator[Rows]:
    while batch := rows.fetchmany(BATCH):
        yield [dict(zip(names, row, strict=True)) for row in batch]
