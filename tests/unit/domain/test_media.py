"""Names of media are of a closed alphabet; types are what the first bytes show."""

import pytest
from hypothesis import given, strategies as st

from grok2api.domain.ids import MediaId
from grok2api.domain.media import (
    MediaKind,
    MediaPlace,
    build_place,
    is_media_id,
    parse_place,
    sniff_media_type,
)

HEADS = {
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR": "image/png",
    b"\xff\xd8\xff\xe0\0\x10JFIF\0\1": "image/jpeg",
    b"GIF89a\1\0\1\0\0\0": "image/gif",
    b"GIF87a\1\0\1\0\0\0": "image/gif",
    b"RIFF\x10\0\0\0WEBPVP8 ": "image/webp",
    b"\0\0\0\x18ftypmp42": "video/mp4",
    b"\x1aE\xdf\xa3\x01\0\0\0\0\0\0\x1f": "video/webm",
    b"RIFF\x10\0\0\0WAVEfmt ": "",
    b"<svg xmlns=": "",
    b"%PDF-1.7 hello": "",
    b"": "",
}


@pytest.mark.parametrize(("head", "expected"), HEADS.items(), ids=lambda v: str(v)[:20])
def test_twelve_bytes_show_the_type(head: bytes, expected: str) -> None:
    assert sniff_media_type(head) == expected
    assert sniff_media_type(head[:12]) == expected


@given(
    kind=st.sampled_from(MediaKind),
    number=st.integers(0, 2**128 - 1),
    nonce=st.integers(0, 2**32 - 1),
    media_type=st.sampled_from(["image/png", "image/jpeg", "video/mp4", "video/webm"]),
)
def test_a_place_says_what_it_was_built_of(
    kind: MediaKind, number: int, nonce: int, media_type: str
) -> None:
    media_id = MediaId(f"{number:032x}")

    place = build_place(kind, media_id, media_type, f"{nonce:08x}")

    assert is_media_id(media_id)
    assert parse_place(place) == MediaPlace(kind, media_id, media_type)


def test_a_type_without_an_ending_of_its_own_is_any_file() -> None:
    place = build_place(MediaKind.INPUT, MediaId("0" * 32), "text/../../x", "0" * 8)

    assert place.endswith(".bin")
    facts = parse_place(place)
    assert facts is not None
    assert facts.media_type == "application/octet-stream"


@pytest.mark.parametrize(
    "place",
    [
        "",
        "/image/00/" + "0" * 32 + ".00000000.png",
        "image/01/" + "0" * 32 + ".00000000.png",
        "other/00/" + "0" * 32 + ".00000000.png",
        "image/00/" + "0" * 32 + ".00000000.png\n",
        "image/00/" + "0" * 32 + ".00000000.png#1",
        "image/00/" + "0" * 32 + ".00000000./x",
        "image/00/../spool/x",
    ],
)
def test_anything_else_is_no_place(place: str) -> None:
    assert parse_place(place) is None
