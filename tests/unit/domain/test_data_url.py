"""Data URLs: measured first, decoded strictly."""

import base64
from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from grok2api.domain.data_url import DataUrlError, is_data_url, parse_data_url


@pytest.mark.parametrize(
    ("url", "media_type", "name", "content"),
    [
        ("data:image/png;base64,AAEC", "image/png", "", b"\x00\x01\x02"),
        ("DATA:Image/PNG;BASE64,AAE=", "image/png", "", b"\x00\x01"),
        ("data:;base64,AAE", "", "", b"\x00\x01"),
        ("data:text/plain;charset=utf-8,a%20b+c", "text/plain", "", b"a b+c"),
        ("data:,", "", "", b""),
        ("data:a/b;base64,-_-_", "a/b", "", b"\xfb\xff\xbf"),
        ("data:a/b;base64,AA\r\n EC", "a/b", "", b"\x00\x01\x02"),
        ("data:a/b;base64,AAE%3D", "a/b", "", b"\x00\x01"),
        ('data:a/b;name="x%20y.pdf";base64,AAEC', "a/b", "x y.pdf", b"\x00\x01\x02"),
    ],
)
def test_data_url_is_read(url: str, media_type: str, name: str, content: bytes) -> None:
    found = parse_data_url(url)

    assert (found.media_type, found.name) == (media_type, name)
    assert found.decode() == content


@pytest.mark.parametrize(
    "payload", ["A", "AAECA", "AA=A", "AAEC====", "AA!C", "AAÄC", "====", "AAEC,", "A=", "\x00AAE"]
)
def test_damaged_base64_is_not_guessed_at(payload: str) -> None:
    with pytest.raises(DataUrlError):
        parse_data_url(f"data:image/png;base64,{payload}").decode()


@pytest.mark.parametrize("url", ["data:image/png;base64", "data:" + "x" * 2000 + ",", "http://x,"])
def test_url_without_content_is_refused(url: str) -> None:
    with pytest.raises(DataUrlError):
        parse_data_url(url)


@given(
    st.binary(max_size=200),
    st.sampled_from([base64.b64encode, base64.encodebytes, base64.urlsafe_b64encode]),
    st.sampled_from(["", "="]),
)
def test_size_is_known_before_decoding(
    content: bytes, encode: Callable[[bytes], bytes], padding: str
) -> None:
    text = encode(content).decode().replace("=", padding)
    found = parse_data_url(f"data:image/png;base64,{text}")

    assert found.decode() == content
    assert len(content) <= found.size_bytes <= len(content) + 2


@given(st.text(max_size=100))
def test_size_is_never_told_too_small(payload: str) -> None:
    found = parse_data_url(f"data:image/png;base64,{payload}")
    try:
        content = found.decode()
    except DataUrlError:
        return
    assert len(content) <= found.size_bytes


def test_data_urls_are_told_from_others() -> None:
    assert is_data_url("Data:,")
    assert not is_data_url("https://example.com/data:,")
