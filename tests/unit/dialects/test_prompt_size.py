import base64
import struct

import pytest

from grok2api.dialects.prompt_size import (
    LEAST_FILE_TOKENS,
    MAX_IMAGE_TOKENS,
    OVERHEAD_TOKENS,
    count_input_tokens,
    count_text_tokens,
)
from grok2api.domain.chat import (
    ChatRequest,
    ContentPart,
    FilePart,
    ImagePart,
    Message,
    Role,
    TextPart,
    ToolCall,
)
from grok2api.domain.image_size import read_image_size
from grok2api.domain.tools import Tool


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR" + struct.pack(">II", width, height) + b"\x08\x02"


def jpeg(width: int, height: int) -> bytes:
    table = b"\xff\xe0" + struct.pack(">H", 16) + bytes(14)
    fill = b"\xff"
    return b"\xff\xd8" + table + fill + b"\xff\xc2\0\x11\x08" + struct.pack(">HH", height, width)


def webp(kind: bytes, width: int, height: int) -> bytes:
    head = b"RIFF\0\0\0\0WEBP" + kind + bytes(4)
    if kind == b"VP8 ":
        return head + bytes(6) + struct.pack("<HH", width, height)
    if kind == b"VP8L":
        return head + b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14)
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return head + bytes(4) + sides


@pytest.mark.parametrize(
    "data",
    [
        png(300, 200),
        b"GIF89a" + struct.pack("<HH", 300, 200),
        jpeg(300, 200),
        webp(b"VP8 ", 300, 200),
        webp(b"VP8L", 300, 200),
        webp(b"VP8X", 300, 200),
    ],
    ids=["png", "gif", "jpeg", "webp lossy", "webp lossless", "webp extended"],
)
def test_size_of_a_picture_is_read_from_its_beginning(data: bytes) -> None:
    assert read_image_size(data + bytes(40)) == (300, 200)


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBPXXXX", b"<svg/>"]
)
def test_size_that_is_not_told_is_none(data: bytes) -> None:
    assert read_image_size(data) is None


def image(data: bytes) -> ImagePart:
    return ImagePart("data:image/png;base64," + base64.b64encode(data).decode())


@pytest.mark.parametrize(
    ("part", "tokens"),
    [
        (TextPart("four"), 4),
        (image(png(750, 100)), 100),
        (image(png(1, 1)), 1),
        (image(png(10_000, 10_000)), MAX_IMAGE_TOKENS),
        (image(png(15_680, 1500)), round(1568 * 150 / 750)),
        (image(b"no picture"), MAX_IMAGE_TOKENS),
        (ImagePart("data:image/png;base64,a"), MAX_IMAGE_TOKENS),
        (ImagePart("https://example.org/i.png"), MAX_IMAGE_TOKENS),
        (FilePart("https://example.org/a.pdf"), LEAST_FILE_TOKENS),
        (FilePart("data:application/pdf;base64," + "A" * 400_000), 7500),
    ],
)
def test_part_counts(part: ContentPart, tokens: int) -> None:
    request = ChatRequest(model="m", messages=(Message(Role.USER, (part,)),))

    assert count_input_tokens(request, len) == OVERHEAD_TOKENS + tokens


def test_calls_and_tools_count() -> None:
    plain = ChatRequest(model="m", messages=(Message(Role.USER, (TextPart("a"),)),))
    called = Message(Role.ASSISTANT, (), (ToolCall("1", "look", "{}"),))
    full = ChatRequest(
        model="m", messages=(*plain.messages, called), tools=(Tool("look", "Look.", {"a": 1}),)
    )

    assert count_input_tokens(full, len) > count_input_tokens(plain, len) + len("lookLook.{}")


def test_picture_written_into_a_text_counts_as_a_picture() -> None:
    url = "data:image/png;base64," + base64.b64encode(png(750, 10) + bytes(90_000)).decode()

    assert count_text_tokens(f"![image]({url})", len) == len("![image]()") + 10
    assert count_text_tokens(f"{url}\n\n{url}", len) == 2 + 20


@pytest.mark.parametrize("text", ["", "no picture;base64,", "data:text/plain;base64,AAAA"])
def test_text_without_a_picture_is_counted_whole(text: str) -> None:
    assert count_text_tokens(text, len) == len(text)
