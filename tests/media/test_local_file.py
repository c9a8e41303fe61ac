"""Files of the data folder as they are read: in pieces, to their end, and closed after that."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest

from grok2api.errors import MediaStoreError
from grok2api.media.local_file import read_file

CONTENT = bytes(range(256)) * 64
PIECE = 1000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "file"
    made.write_bytes(CONTENT)
    return made


def read_part(path: Path, start: int, end: int) -> AsyncGenerator[bytes, None]:
    return read_file(path, start, end, size_bytes=len(CONTENT), piece_bytes=PIECE)


def is_open(path: Path) -> bool:
    found = False
    for link in Path("/proc/self/fd").iterdir():
        try:
            found = found or link.readlink() == path
        except OSError:
            continue
    return found


@pytest.mark.parametrize(
    ("start", "end"), [(0, len(CONTENT)), (0, 1), (999, 1001), (5, 5), (16_000, len(CONTENT))]
)
async def test_part_comes_in_pieces(path: Path, start: int, end: int) -> None:
    pieces = [piece async for piece in read_part(path, start, end)]

    assert b"".join(pieces) == CONTENT[start:end]
    assert all(0 < len(piece) <= PIECE for piece in pieces)
    assert not is_open(path)


async def test_file_that_is_removed_meanwhile_is_read_to_its_end(path: Path) -> None:
    async with aclosing(read_part(path, 0, len(CONTENT))) as pieces:
        got = await anext(pieces)
        await asyncio.to_thread(path.unlink)
        async for piece in pieces:
            got += piece

    assert got == CONTENT


async def test_file_that_lost_its_end_is_an_error(path: Path) -> None:
    async with aclosing(read_part(path, 0, 2 * PIECE)) as pieces:
        got = await anext(pieces)
        os.truncate(path, 1500)
        got += await anext(pieces)
        with pytest.raises(MediaStoreError):
            await anext(pieces)

    assert got == CONTENT[:1500]
    assert not is_open(path)


async def test_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await anext(read_part(tmp_path / "none", 0, 10))


async def test_file_of_another_size_is_not_the_one(path: Path) -> None:
    os.truncate(path, 1500)

    with pytest.raises(FileNotFoundError):
        await anext(read_part(path, 0, 10))
    assert not is_open(path)


async def test_file_that_cannot_be_opened_is_an_error(path: Path) -> None:
    with pytest.raises(MediaStoreError):
        await anext(read_part(path / "none", 0, 10))


async def test_file_is_closed_when_its_reader_stops(path: Path) -> None:
    async with aclosing(read_part(path, 0, len(CONTENT))) as pieces:
        await anext(pieces)
        assert is_open(path)

    assert not is_open(path)


async def test_file_is_closed_when_its_reader_is_cancelled_in_a_reading(tmp_path: Path) -> None:
    # A pipe that nobody writes into: opening it takes until somebody does.
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    pieces = read_part(pipe, 0, 10)
    reading = asyncio.get_running_loop().create_task(anext(pieces))
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.sleep(0)
    writer = await asyncio.to_thread(os.open, pipe, os.O_WRONLY)
    os.close(writer)
    with pytest.raises((asyncio.CancelledError, MediaStoreError)):
        await reading

    assert not is_open(pipe)
