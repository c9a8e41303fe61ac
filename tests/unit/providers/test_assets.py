"""What accounts keep: the list, the hosts that files come from, and what passes for a file."""

from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from grok2api.errors import UpstreamProtocolError
from grok2api.providers.grok_web.codec.assets import (
    Place,
    Places,
    is_fit,
    list_query,
    media_type_of,
    read_page,
    size_of,
)
from grok2api.providers.media import Asset, AssetPage

PLACES = Places(assets_url="https://assets.grok.com", public_url="https://imagine-public.x.ai")


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("users/u/x/content", Place("https://assets.grok.com/users/u/x/content", True)),
        ("/users/u/x", Place("https://assets.grok.com/users/u/x", True)),
        ("https://ASSETS.grok.com:443/x", Place("https://assets.grok.com:443/x", True)),
        ("https://imgen.x.ai/x?y=1", Place("https://imgen.x.ai/x?y=1", True)),
        ("https://imagine-public.x.ai/a.jpg", Place("https://imagine-public.x.ai/a.jpg", False)),
    ],
)
def test_files_come_from_the_upstreams_hosts(url: str, place: Place) -> None:
    assert PLACES.find(url) == place


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://assets.grok.com/x",
        "https://assets.grok.com:8443/x",
        "https://user@assets.grok.com/x",
        "https://assets.grok.com@evil.example/x",
        "https://assets.grok.com.evil.example/x",
        "https://evil.example/assets.grok.com",
        "https://sub.assets.grok.com/x",
        "https://grok.com/x",
        "http://127.0.0.1/x",
        "ftp://assets.grok.com/x",
        "file:///etc/passwd",
        "users/../../x",
        "https://assets.grok.com\\@evil.example/",
    ],
)
def test_nothing_else_is_fetched(url: str) -> None:
    assert PLACES.find(url) is None


def test_stand_in_over_http_counts_where_the_operator_says_so() -> None:
    places = Places(assets_url="http://127.0.0.1:8080", public_url="http://127.0.0.1:8081")

    assert places.find("http://127.0.0.1:8080/x") == Place("http://127.0.0.1:8080/x", True)
    assert places.find("http://127.0.0.1:8081/x") == Place("http://127.0.0.1:8081/x", False)
    assert places.find("https://127.0.0.1:8080/x") is None
    assert places.find("http://127.0.0.1/x") is None


@pytest.mark.parametrize("token", ["", "a&b=c"])
def test_list_is_asked_for_as_the_page_does(token: str) -> None:
    parts = urlsplit(list_query("https://g", (), token).url)

    assert parts.path == "/rest/assets"
    assert dict(parse_qsl(parts.query)) == {
        "pageSize": "50",
        "orderBy": "ORDER_BY_LAST_USE_TIME",
        "source": "SOURCE_ANY",
        "isLatest": "true",
        **({"pageToken": token} if token else {}),
    }


def test_list_is_read_in_all_its_spellings() -> None:
    entry = {
        "assetId": "a",
        "fileName": "photo.png",
        "contentType": "image/png",
        "fileSize": 12345,
        "createdAt": "2026-01-01T00:00:00Z",
    }
    other = {"id": "b", "name": "n", "content_type": "t", "size": "7", "created_at": "c"}
    odd = {"id": "c", "size": -1, "name": None}

    page = read_page(
        msgspec.json.encode({"assets": [entry, other, odd, {}, 3], "nextPageToken": "p"})
    )

    assert page == AssetPage(
        (
            Asset(
                id="a",
                name="photo.png",
                media_type="image/png",
                size_bytes=12345,
                created_at="2026-01-01T00:00:00Z",
            ),
            Asset(id="b", name="n", media_type="t", size_bytes=7, created_at="c"),
            Asset(id="c"),
        ),
        "p",
    )


def test_empty_list_is_the_last_page() -> None:
    assert read_page(b'{"assets":[]}') == AssetPage(())
    assert read_page(b'{"items":[{"id":"a"}]}') == AssetPage((Asset(id="a"),))


@pytest.mark.parametrize("body", [b"", b"[]", b"x"])
def test_something_else_is_no_list(body: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        read_page(body)


@pytest.mark.parametrize(
    ("media_type", "head", "is_video", "fits"),
    [
        ("image/png", b"\x89PNG", False, True),
        ("", b"\xff\xd8", False, True),
        ("application/octet-stream", b"\x89PNG", False, False),
        ("text/html", b"\x89PNG", False, False),
        ("video/mp4", b"\0\0", False, False),
        ("image/png", b"", False, False),
        ("image/png", b" \n<html>", False, False),
        ("image/png", b'{"error":1}', False, False),
        ("video/mp4", b"\0\0\0\x18ftyp", True, True),
        ("", b"\0\0", True, True),
        ("application/octet-stream", b"\0\0", True, True),
        ("image/png", b"\0\0", True, False),
        ("video/mp4", b"<", True, False),
    ],
)
def test_words_about_a_file_are_no_file(
    media_type: str, head: bytes, *, is_video: bool, fits: bool
) -> None:
    assert is_fit(media_type, head, is_video=is_video) is fits


def test_headers_tell_type_and_size() -> None:
    assert media_type_of({"content-type": "Image/PNG; q=1"}) == "image/png"
    assert media_type_of({}) == ""
    assert size_of({"content-length": "12"}) == 12
    assert size_of({"content-length": "12", "content-encoding": "gzip"}) is None
    assert size_of({"content-length": "x"}) is None
    assert size_of({}) is None
