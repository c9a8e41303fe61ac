"""The library on a folder and on a bucket: the same claims hold."""

import asyncio
import hashlib
import os
import random
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from grok2api.clock import SystemClock
from grok2api.config.media import LocalCacheSettings, MediaSettings
from grok2api.domain.ids import MediaId
from grok2api.domain.media import MEDIA_ID_CHARS, MediaKind, StoredMedia, build_place
from grok2api.errors import MediaStoreError, NotFoundError, SettingsError
from grok2api.media.objects import PIECE_BYTES, open_object_store
from grok2api.services.cleanup import Cleanup
from grok2api.services.media import MediaLibrary
from grok2api.store.media_replies import Reserved
from tests.media.conftest import (
    IMAGE,
    INPUT,
    MB,
    VIDEO,
    MediaBench,
    chunks_of,
    contents,
)
from tests.media.service import S3_SECRET

CONTENT = random.Random(1).randbytes(3 * MB + 17)  # noqa: S311 -- no secret
ZERO = MediaId("0" * 32)
BAD_IDS = [
    "",
    "../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "a/b.png",
    "/etc/passwd",
    "%00" * 10,
    "0" * 31,
    "0" * 33,
    "0" * 32 + "\n",
    "A" * 32,
    "..\\..\\x",
    "\u2024" * 32,
    "\u0660" * 32,
]


async def test_what_is_put_is_found_and_read(bench: MediaBench) -> None:
    media = await bench.library.put(IMAGE, b"picture", "image/png")

    assert media.id == hashlib.sha256(b"picture").hexdigest()[:MEDIA_ID_CHARS]
    assert (media.kind, media.media_type, media.size_bytes) == (IMAGE, "image/png", 7)
    assert await bench.library.find(IMAGE, media.id) == media
    assert await bench.library.find(VIDEO, media.id) is None
    assert await bench.read(media) == b"picture"
    await bench.assert_exact()


@pytest.mark.parametrize("size", [999, 700_000, 10 * MB])
async def test_what_comes_in_chunks_is_kept_whole(bench: MediaBench, size: int) -> None:
    chunks = chunks_of(CONTENT, size)

    media = await bench.library.put_stream(VIDEO, chunks, "video/mp4", limit_bytes=len(CONTENT))

    assert media.id == hashlib.sha256(CONTENT).hexdigest()[:MEDIA_ID_CHARS]
    async with aclosing(bench.library.read(media)) as pieces:
        read = [piece async for piece in pieces]
    assert b"".join(read) == CONTENT
    assert max(len(piece) for piece in read) <= PIECE_BYTES
    assert bench.spooled() == []
    await bench.assert_exact()


@pytest.mark.parametrize("size", [0, 1])
async def test_small_files_are_files(bench: MediaBench, size: int) -> None:
    put = await bench.library.put(IMAGE, b"x" * size, "image/png")
    streamed = await bench.library.put_stream(
        VIDEO, chunks_of(b"x" * size, 1), "video/mp4", limit_bytes=10
    )

    assert put.id == streamed.id
    for media in (put, streamed):
        assert await bench.read(media) == b"x" * size
    await bench.assert_exact()


async def test_any_range_is_that_part_of_the_content(bench: MediaBench) -> None:
    media = await bench.library.put(VIDEO, CONTENT, "video/mp4")
    size = len(CONTENT)

    for start, end in (
        (0, None),
        (5, 7),
        (PIECE_BYTES - 1, PIECE_BYTES + 1),
        (1, 2 * PIECE_BYTES + 2),
        (size - 1, None),
        (size, None),
        (7, 7),
        (7, 5),
        (size - 3, size + 3),
        (size + 3, size + 9),
    ):
        expected = CONTENT[start:end] if end is None or end > start else b""
        assert await bench.read(media, start, end) == expected, (start, end)


async def test_racing_writers_of_the_same_content_keep_one_object(bench: MediaBench) -> None:
    puts = [bench.library.put(VIDEO, CONTENT, "video/mp4") for _ in range(4)]
    streams = [
        bench.library.put_stream(VIDEO, chunks_of(CONTENT, MB), "video/mp4", limit_bytes=9 * MB)
        for _ in range(4)
    ]

    kept = await asyncio.gather(*puts, *streams)

    assert len({media.place for media in kept}) == 1
    assert await bench.read(kept[0]) == CONTENT
    assert len(await bench.stored(VIDEO)) == 1
    await bench.assert_exact()


@pytest.mark.parametrize("bad_id", BAD_IDS)
async def test_what_is_no_id_reaches_no_store(bench: MediaBench, bad_id: str) -> None:
    assert await bench.library.find(IMAGE, bad_id) is None
    assert await bench.library.delete(IMAGE, bad_id) is False
    for place in (bad_id, f"image/00/{bad_id}.00000000.png", "image/00/../../spool/x"):
        with pytest.raises(ValueError, match="no place"):
            await bench.objects.size_of(place)


async def test_what_is_deleted_is_gone(bench: MediaBench) -> None:
    first, second = [
        await bench.library.put(IMAGE, content, "image/png") for content in contents(2, 10)
    ]

    assert await bench.library.delete(IMAGE, first.id)
    assert not await bench.library.delete(IMAGE, first.id)

    assert await bench.library.find(IMAGE, first.id) is None
    with pytest.raises(NotFoundError):
        await bench.read(first)
    assert await bench.read(second)
    await bench.assert_exact()


async def test_clearing_one_kind_leaves_the_others(bench: MediaBench) -> None:
    for kind in MediaKind:
        for content in contents(3, 10):
            await bench.library.put(kind, content, "image/png")

    assert await bench.library.clear(IMAGE) == 3
    assert await bench.library.clear(IMAGE) == 0

    assert [usage.count for usage in await bench.library.usage()] == [0, 3, 3]
    await bench.assert_exact()


async def test_same_content_can_be_put_again_after_a_delete(bench: MediaBench) -> None:
    first = await bench.library.put(IMAGE, b"picture", "image/png")
    await bench.library.delete(IMAGE, first.id)

    second = await bench.library.put(IMAGE, b"picture", "image/png")

    assert second.id == first.id
    assert second.place != first.place
    assert await bench.read(second) == b"picture"


async def test_pages_are_the_newest_first_whatever_the_cursor(bench: MediaBench) -> None:
    kept = [await bench.library.put(IMAGE, content, "image/png") for content in contents(3, 10)]
    kept.sort(key=lambda media: (media.created_at_s, media.id), reverse=True)

    page = await bench.library.list_page(IMAGE, "", 2)
    rest = await bench.library.list_page(IMAGE, page.next_cursor, 2)

    assert [*page.items, *rest.items] == kept
    assert (page.total, rest.next_cursor) == (3, "")
    for cursor in ("x", "-1", "²", "9" * 99):
        assert (await bench.library.list_page(IMAGE, cursor, 9)).items == tuple(kept)


async def test_usage_names_limits(bench: MediaBench) -> None:
    assert {usage.kind: usage.limit_bytes for usage in await bench.library.usage()} == {
        IMAGE: MB,
        VIDEO: None,
        INPUT: 2048 * MB,
    }


async def test_a_client_never_sees_full_while_old_things_can_go(bench: MediaBench) -> None:
    kept = [
        await bench.library.put(IMAGE, content, "image/png") for content in contents(30, 100_000)
    ]

    assert (await bench.usage()).size_bytes <= 1.25 * MB
    assert await bench.library.find(IMAGE, kept[-1].id)
    assert await bench.library.find(IMAGE, kept[0].id) is None
    await bench.assert_exact()


async def test_many_small_things_make_room_for_a_large_one(folder_bench: MediaBench) -> None:
    await folder_bench.fill_index(1200, 1000)

    media = await folder_bench.library.put(IMAGE, b"x" * (MB - 10_000), "image/png")

    assert await folder_bench.library.find(IMAGE, media.id)
    usage = await folder_bench.usage()
    assert usage.size_bytes <= 1.25 * MB
    assert usage.count == 1200 - 4 * 256 + 1


async def test_full_is_said_when_nothing_can_go(bench: MediaBench) -> None:
    place = build_place(IMAGE, ZERO, "image/png", "00000000")
    reply = await bench.index.reserve(
        IMAGE, ZERO, place, size_bytes=MB, limit_bytes=None, write_s=60
    )
    assert reply == Reserved()

    with pytest.raises(MediaStoreError, match="full") as caught:
        await bench.library.put(IMAGE, b"x" * 300_000, "image/png")

    assert caught.value.detail == "full"
    assert await bench.stored() == {}
    assert (await bench.usage()).reserved_bytes == MB


async def test_what_is_over_the_whole_limit_is_refused(bench: MediaBench) -> None:
    await bench.library.put(IMAGE, b"picture", "image/png")

    with pytest.raises(MediaStoreError) as caught:
        await bench.library.put(IMAGE, b"x" * (MB + 1), "image/png")

    assert caught.value.detail == "too_large"
    assert len(await bench.listed()) == 1
    await bench.assert_exact()


async def test_a_stream_beyond_its_limit_leaves_nothing(bench: MediaBench) -> None:
    with pytest.raises(MediaStoreError) as caught:
        await bench.library.put_stream(
            VIDEO, chunks_of(CONTENT, MB), "video/mp4", limit_bytes=len(CONTENT) - 1
        )

    assert caught.value.detail == "too_large"
    assert bench.spooled() == []
    assert await bench.stored(VIDEO) == {}
    await bench.assert_exact()


async def test_a_source_that_breaks_leaves_nothing(bench: MediaBench) -> None:
    async def broken_chunks() -> AsyncIterator[bytes]:
        yield CONTENT[: 2 * MB]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await bench.library.put_stream(VIDEO, broken_chunks(), "video/mp4", limit_bytes=9 * MB)

    assert bench.spooled() == []
    await bench.assert_exact()


async def test_a_caller_who_leaves_leaves_nothing(bench: MediaBench) -> None:
    is_waiting = asyncio.Event()

    async def slow_chunks() -> AsyncIterator[bytes]:
        yield CONTENT[: 2 * MB]
        is_waiting.set()
        await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        put = group.create_task(
            bench.library.put_stream(VIDEO, slow_chunks(), "video/mp4", limit_bytes=9 * MB)
        )
        await is_waiting.wait()
        assert len(bench.spooled()) == 1
        put.cancel()

    assert bench.spooled() == []
    await bench.assert_exact()


@pytest.mark.parametrize("turns", [1, 3, 10, 30, 100])
async def test_a_caller_who_leaves_at_any_point_leaves_nothing_wrong(
    bench: MediaBench, turns: int
) -> None:
    async with asyncio.TaskGroup() as group:
        put = group.create_task(bench.library.put(VIDEO, CONTENT, "video/mp4"))
        for _ in range(turns):
            await asyncio.sleep(0)
        put.cancel()

    await bench.settle()
    await bench.assert_exact()


async def test_bytes_that_are_lost_are_not_kept(bench: MediaBench) -> None:
    media = await bench.library.put(IMAGE, b"picture", "image/png")
    await bench.objects.delete([media.place])

    with pytest.raises(NotFoundError):
        await bench.read(media)

    assert await bench.library.find(IMAGE, media.id) is None
    await bench.assert_exact()


@pytest.mark.parametrize(("start", "end"), [(0, None), (0, 3), (9, 12)])
async def test_an_object_that_is_not_whole_is_not_served(
    bench: MediaBench, start: int, end: int | None
) -> None:
    """A disk may lose the end of a file with its power."""
    place = build_place(IMAGE, ZERO, "image/png", "00000000")
    await bench.index.reserve(IMAGE, ZERO, place, size_bytes=12, limit_bytes=None, write_s=60)
    await bench.objects.put(place, b"picture")
    media = await bench.index.keep(IMAGE, ZERO, place, "image/png")
    assert media is not None

    with pytest.raises(NotFoundError):
        await bench.read(media, start, end)

    assert await bench.stored() == {}
    await bench.assert_exact()


async def test_putting_what_was_lost_keeps_it_anew(bench: MediaBench) -> None:
    lost = await bench.library.put(IMAGE, b"picture", "image/png")
    await bench.objects.delete([lost.place])

    media = await bench.library.put(IMAGE, b"picture", "image/png")

    assert await bench.read(media) == b"picture"
    with pytest.raises(NotFoundError):
        await bench.read(lost)
    assert await bench.library.find(IMAGE, media.id) == media, "an old reader forgets nothing new"
    await bench.assert_exact()


async def test_a_store_that_fails_keeps_nothing_and_tells_no_secret(
    broken: MediaBench, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = StoredMedia(
        id=ZERO,
        kind=IMAGE,
        media_type="image/png",
        size_bytes=1,
        place=build_place(IMAGE, ZERO, "image/png", "00000000"),
        created_at_s=0.0,
        used_at_s=0.0,
    )
    told = []
    for work in (
        broken.library.put(IMAGE, b"picture", "image/png"),
        broken.library.put_stream(VIDEO, chunks_of(CONTENT, MB), "video/mp4", limit_bytes=9 * MB),
    ):
        with pytest.raises(MediaStoreError) as caught:
            await work
        told += [caught.value.message, caught.value.detail]
    with pytest.raises((MediaStoreError, NotFoundError)) as refused:
        await broken.read(lost)
    told += [str(refused.value), repr(broken.objects), *capsys.readouterr()]

    assert broken.spooled() == []
    for kind in MediaKind:
        assert (await broken.usage(kind)).reserved_bytes == 0
        assert (await broken.usage(kind)).count == 0
    for text in told:
        assert S3_SECRET not in text
        assert str(broken.data_dir) not in text
        assert "127.0.0.1" not in text


async def test_what_cannot_be_removed_is_removed_later(
    bench: MediaBench, limits: LocalCacheSettings
) -> None:
    """One worker does not reach the object store."""
    media = await bench.library.put(IMAGE, b"picture", "image/png")
    nowhere = MediaSettings(url="s3://media", s3_endpoint="http://127.0.0.1:1", s3_access_key="x")
    objects = open_object_store(nowhere, bench.data_dir)
    async with Cleanup() as cleanup:
        worker = MediaLibrary(objects, bench.index, limits, cleanup)
        assert await worker.delete(IMAGE, media.id)

    assert await bench.library.find(IMAGE, media.id) is None
    assert len(await bench.stored()) == 1
    bench.age(61)
    assert await bench.upkeep.clean(bench.epoch)
    await bench.assert_exact()


@pytest.mark.parametrize("url", ["s3://bucket/a/../b", "s3://bucket/./a"])
def test_an_address_that_names_no_folder_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsError, match=r"media\.url"):
        open_object_store(MediaSettings(url=url), tmp_path)


def test_a_folder_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "media").write_bytes(b"")

    with pytest.raises(SettingsError, match="cannot be used"):
        open_object_store(MediaSettings(), tmp_path)


def test_folders_and_files_are_the_owner_s_only(tmp_path: Path) -> None:
    objects = open_object_store(MediaSettings(), tmp_path)
    place = build_place(IMAGE, ZERO, "image/png", "00000000")
    asyncio.run(objects.put(place, b"picture"))

    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}

    assert modes == {
        "media": 0o700,
        "spool": 0o700,
        "image": 0o700,
        "00": 0o700,
        Path(place).name: 0o600,
    }


def test_what_dead_processes_left_is_removed_after_a_day(tmp_path: Path) -> None:
    open_object_store(MediaSettings(), tmp_path)
    old, new = tmp_path / "media" / "spool" / "old", tmp_path / "media" / "spool" / "new"
    for path, age_s in ((old, 86_401), (new, 86_000)):
        path.write_bytes(b"x")
        then = SystemClock().now_s() - age_s
        os.utime(path, (then, then))

    open_object_store(MediaSettings(), tmp_path)

    assert (old.exists(), new.exists()) == (False, True)
