"""Files of the data folder as they are read: in pieces, to their end, and closed after that."""

import asyncio
import os
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
    pieces = [piece async for piece in read_file(path, start, end, piece_bytes=PIECE)]

    assert b"".join(pieces) == CONTENT[start:end]
    assert all(0 < len(piece) <= PIECE for piece in pieces)
    assert not is_open(path)


async def test_file_that_is_removed_meanwhile_is_read_to_its_end(path: Path) -> None:
    async with aclosing(read_file(path, 0, len(CONTENT), piece_bytes=PIECE)) as pieces:
        got = await anext(pieces)
        await asyncio.to_thread(path.unlink)
        async for piece in pieces:
            got += piece

    assert got == CONTENT


async def test_file_that_lost_its_end_is_an_error(path: Path) -> None:
    async with aclosing(read_file(path, 0, 2 * PIECE, piece_bytes=PIECE)) as pieces:
        got = await anext(pieces)
        os.truncate(path, 1500)
        got += await anext(pieces)
        with pytest.raises(MediaStoreError):
            await anext(pieces)

    assert got == CONTENT[:1500]
    assert not is_open(path)


async def test_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MediaStoreError):
        await anext(read_file(tmp_path / "none", 0, 10, piece_bytes=PIECE))


async def test_file_is_closed_when_its_reader_stops(path: Path) -> None:
    async with aclosing(read_file(path, 0, len(CONTENT), piece_bytes=PIECE)) as pieces:
        await anext(pieces)
        assert is_open(path)

    assert not is_open(path)


async def test_file_is_closed_when_its_reader_is_cancelled_in_a_reading(tmp_path: Path) -> None:
    # A pipe that nobody writes into: opening it takes until somebody does.
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    pieces = read_file(pipe, 0, 10, piece_bytes=PIECE)
    reading = asyncio.get_running_loop().create_task(anext(pieces))
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.sleep(0)
    writer = await asyncio.to_thread(os.open, pipe, os.O_WRONLY)
    os.close(writer)
    with pytest.raises((asyncio.CancelledError, MediaStoreError)):
        await reading

    assert not is_open(pipe)
