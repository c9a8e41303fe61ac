"""Pictures that a request is about: in order, by their bytes, within memory, or refused by name."""

import base64
import io
import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from grok2api.config.schema import FileSettings
from grok2api.errors import InvalidRequestError, UpstreamUnavailableError
from grok2api.services.files import BYTES_PER_MB, FileDesk, GivenImage, Spool
from grok2api.upstream.fetch import open_fetcher
from grok2api.upstream.guard import GuardRules


def png(width: int = 4, height: int = 3, extra: bytes = b"") -> bytes:
    """Return a picture that says it is so large; `extra` follows its end."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        whole = kind + data
        return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IEND", b"") + extra


def bare(content: bytes) -> str:
    return base64.b64encode(content).decode()


def spool(content: bytes) -> Spool:
    return Spool(len(content), io.BytesIO(content))


@asynccontextmanager
async def open_desk(**settings: float) -> AsyncIterator[FileDesk]:
    made = FileSettings(**settings)  # type: ignore[arg-type]
    async with open_fetcher(4, GuardRules(), timeout_s=made.fetch_timeout_s) as fetcher:
        yield FileDesk(fetcher, made)


async def refusal_of(*given: GivenImage, **settings: float) -> InvalidRequestError:
    async with open_desk(**settings) as desk:
        free = desk.free_bytes
        with pytest.raises(InvalidRequestError) as caught:
            await desk.take_images(given)
        assert desk.free_bytes == free
    return caught.value


async def test_pictures_stay_in_order_whatever_way_they_came_and_twins_stay_twice() -> None:
    first, second = png(), png(5, 5)
    given = [
        GivenImage("image", spool(first), name="dir/a.jpg", media_type="text/plain"),
        GivenImage("image", second),
        GivenImage("image", url=f"data:image/jpeg;name=a.png;base64,{bare(first)}"),
        GivenImage("image", url=f" {bare(second)}\n"),
    ]

    async with open_desk() as desk:
        with await desk.take_images(given) as intake:
            assert [file.content for file in intake.files] == [first, second, first, second]
            assert [file.name for file in intake.files] == [
                *("a.png", "image.png", "a.png", "image.png")
            ]
            assert {file.media_type for file in intake.files} == {"image/png"}
            assert intake.files[0] is intake.files[2]


async def test_twins_take_memory_once_and_all_of_it_is_free_at_the_end() -> None:
    picture = png(extra=bytes(100_000))

    async with open_desk(memory_mb=1) as desk:
        with await desk.take_images([GivenImage("a", picture), GivenImage("b", spool(picture))]):
            assert desk.free_bytes == BYTES_PER_MB - len(picture)
        assert desk.free_bytes == BYTES_PER_MB


async def test_let_go_twice_gives_memory_back_once() -> None:
    async with open_desk(memory_mb=1) as desk:
        intake = await desk.take_images([GivenImage("a", png())])
        intake.let_go()
        intake.let_go()

        assert [file.content for file in intake.files] == [b""]
        assert desk.free_bytes == BYTES_PER_MB


async def test_uploads_wait_on_disk_while_memory_is_taken() -> None:
    class Unread(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            pytest.fail("it was read")

    heavy = png(extra=bytes(700_000))
    async with open_desk(memory_mb=1, fetch_timeout_s=0.05) as desk:
        with await desk.take_images([GivenImage("a", heavy)]):
            waiting = GivenImage("b", Spool(len(heavy), Unread()))
            with pytest.raises(UpstreamUnavailableError) as caught:
                await desk.take_images([waiting])

        assert caught.value.code == "files_exhausted"
        assert desk.free_bytes == BYTES_PER_MB


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (GivenImage("p", b"a text", name="a.png", media_type="image/png"), "not a PNG"),
        (GivenImage("p", spool(b"%PDF-1.7"), media_type="image/png"), "not a PNG"),
        (GivenImage("p", b"<svg/>", media_type="image/svg+xml"), "not a PNG"),
        (GivenImage("p"), "empty"),
        (GivenImage("p", spool(b"")), "empty"),
        (GivenImage("p", url="data:image/png;base64,"), "empty"),
        (GivenImage("p", url="data:image/png"), "data URL is wrong"),
        (GivenImage("p", url="data:image/png;base64,!!!"), "base64 is damaged"),
        (GivenImage("p", url="/etc/passwd.png"), "no http(s) URL, no data URL and no base64"),
        (GivenImage("p", url="file:///etc/passwd"), "no http(s) URL"),
        (GivenImage("p", url="http://127.0.0.1/cat.png"), "public address"),
        (GivenImage("p", b"\x89PNG\r\n\x1a\n" + bytes(50)), "width and height"),
        (GivenImage("p", png(16_385, 1)), "16385 x 1 pixels"),
        (GivenImage("p", png(1, 2_000_000_000)), "16384 on a side"),
        (GivenImage("p", png(16_384, 6_104)), "100 megapixels"),
        (GivenImage("p", spool(png(extra=bytes(BYTES_PER_MB)))), "larger than 1 MB"),
    ],
)
async def test_what_is_no_usable_picture_is_refused_with_field_and_reason(
    given: GivenImage, why: str
) -> None:
    error = await refusal_of(GivenImage("first", png()), given, max_file_mb=1)

    assert error.param == "p"
    assert error.code == "invalid_image_input"
    assert why in error.message


@pytest.mark.parametrize("size", [(16_384, 6_103), (1, 16_384)])
async def test_largest_pictures_are_taken(size: tuple[int, int]) -> None:
    async with open_desk() as desk:
        (await desk.take_images([GivenImage("p", png(*size))])).let_go()


async def test_count_and_common_size_are_limited() -> None:
    many = [GivenImage(f"p{n}", png(extra=bytes([n]))) for n in range(3)]
    heavy = [GivenImage(f"p{n}", png(extra=bytes(600_000) + bytes([n]))) for n in range(2)]

    assert "At most 2 files" in (await refusal_of(*many, max_files=2)).message
    assert "together" in (await refusal_of(*heavy, max_request_mb=1)).message


async def test_operator_may_switch_pictures_or_fetching_off() -> None:
    by_url = GivenImage("p", url="https://example.com/x.png")

    assert "switched off" in (await refusal_of(GivenImage("p", png()), enabled=False)).message
    assert "send a data URL" in (await refusal_of(by_url, fetch_urls=False)).message


async def test_huge_base64_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("binascii.a2b_base64", lambda *a, **k: pytest.fail("it was decoded"))

    bomb = GivenImage("p", url="AAAA" * (40 * BYTES_PER_MB // 3))

    assert "larger than 32 MB" in (await refusal_of(bomb)).message
