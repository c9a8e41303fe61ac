"""Forms: what is in them, and that a damaged one is refused whole."""

import asyncio
from collections.abc import Sequence
from tempfile import SpooledTemporaryFile

import pytest
from hypothesis import given, strategies as st
from starlette.requests import Request
from starlette.types import Message

from grok2api.errors import BodyTooLargeError, GatewayError, InvalidRequestError
from grok2api.web.forms import MAX_FIELD_BYTES, MAX_FIELDS, Form, is_form, read_form
from grok2api.web.presence import ClientLeftError

MULTIPART = "multipart/form-data; boundary=x"
URLENCODED = "application/x-www-form-urlencoded"
END = b"--x--\r\n"


def part(name: str, content: bytes, more: str = "") -> bytes:
    head = f'--x\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def file_part(name: str, content: bytes, file_name: str = "a.png") -> bytes:
    return part(name, content, f'; filename="{file_name}"\r\nContent-Type: image/png')


def request_of(chunks: Sequence[bytes], content_type: str, *, leaves: bool = False) -> Request:
    messages: list[Message] = [
        {"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks
    ]
    messages.append({"type": "http.disconnect"} if leaves else {"type": "http.request"})

    async def receive() -> Message:
        return messages.pop(0)

    headers = [(b"content-type", content_type.encode())]
    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


async def read(body: bytes, content_type: str = MULTIPART, max_files: int = 3) -> Form:
    return await read_form(request_of([body], content_type), max_files=max_files)


async def refusal_of(body: bytes, content_type: str = MULTIPART) -> InvalidRequestError:
    with pytest.raises(InvalidRequestError) as caught:
        await read(body, content_type)
    return caught.value


async def test_fields_and_files_come_apart_and_the_last_field_wins() -> None:
    body = part("n", b"1") + file_part("image[]", b"one") + part("n", "zwölf".encode())
    body += file_part("image[]", b"two", "b.png") + file_part("mask", b"") + END

    with await read(body) as form:
        assert form.fields == {"n": "zwölf"}
        shown = [(f.field, f.name, f.media_type, f.content.read()) for f in form.files]
        assert shown == [
            ("image[]", "a.png", "image/png", b"one"),
            ("image[]", "b.png", "image/png", b"two"),
            ("mask", "a.png", "image/png", b""),
        ]
        assert [f.content.size_bytes for f in form.files] == [3, 3, 0]
        assert form.names == ("n", "image[]", "mask")
        assert [part.field for part in form.parts] == ["n", "image[]", "n", "image[]", "mask"]


async def test_urlencoded_fields_are_read_too() -> None:
    with await read(b"prompt=a+b%C3%A9&n=2&n=3", URLENCODED + "; charset=utf-8") as form:
        assert form.fields == {"prompt": "a bé", "n": "3"}
        assert form.files == ()


@pytest.mark.parametrize(
    ("content_type", "is_one"),
    [(MULTIPART, True), ("Multipart/Form-Data", True), (URLENCODED, True), ("", False)],
)
def test_content_type_tells_whether_it_is_a_form(content_type: str, *, is_one: bool) -> None:
    assert is_form(request_of([], content_type)) is is_one


async def test_large_file_lies_on_disk_and_is_deleted_with_the_form() -> None:
    content = bytes(3 * 1024 * 1024)

    with await read(file_part("image", content) + END) as form:
        spool = form.files[0].content
        assert isinstance(spool.file, SpooledTemporaryFile)
        assert spool.file._rolled  # type: ignore[attr-defined]
        assert spool.read() == content

    assert spool.file.closed


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "end is missing"),
        (part("a", b"1"), "end is missing"),
        (file_part("a", bytes(2_000_000)), "end is missing"),
        (b"what is this", "Invalid multipart"),
        (b"--x\r\nContent-Type: image/png\r\n\r\n1\r\n" + END, '"name"'),
        (b"--x\r\n" + b"A: b\r\n" * 9 + b"\r\n1\r\n" + END, "Invalid multipart"),
        (b"--x\r\nA: " + b"b" * 5000 + b"\r\n\r\n1\r\n" + END, "Invalid multipart"),
        (file_part("a", b"1") * 4 + END, "Maximum number of files is 3"),
        (part("a", b"1") * (MAX_FIELDS + 1) + END, "Maximum number of fields"),
    ],
)
async def test_damaged_multipart_is_refused_with_the_reason(body: bytes, why: str) -> None:
    error = await refusal_of(body)

    assert error.code == "invalid_form"
    assert why in error.message


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", f"multipart/form-data; boundary={'b' * 257}"]
)
async def test_missing_and_overlong_boundaries_are_refused(content_type: str) -> None:
    assert (await refusal_of(part("a", b"1") + END, content_type)).code == "invalid_form"


@pytest.mark.parametrize("content_type", ["", "application/json", "text/plain", "multipart/mixed"])
async def test_what_is_no_form_is_refused_by_its_type(content_type: str) -> None:
    error = await refusal_of(b"a=1", content_type)

    assert error.code == "unsupported_media_type"
    assert "multipart/form-data" in error.message


@pytest.mark.parametrize("is_multipart", [True, False])
async def test_field_that_belongs_into_a_file_is_too_large(*, is_multipart: bool) -> None:
    large = b"a" * (MAX_FIELD_BYTES + 1)

    with pytest.raises(BodyTooLargeError):
        await (read(part("a", large) + END) if is_multipart else read(b"a=" + large, URLENCODED))


async def test_client_that_leaves_in_the_middle_is_told_apart() -> None:
    chunks = [file_part("image", bytes(2_000_000))[:1_500_000]]

    with pytest.raises(ClientLeftError):
        await read_form(request_of(chunks, MULTIPART, leaves=True), max_files=1)


@given(body=st.binary(max_size=200), cut=st.integers(0, 300), at=st.integers(0, 300))
def test_any_bytes_are_a_form_or_refused(body: bytes, cut: int, at: int) -> None:
    whole = part("a", b"1") + file_part("f", b"2") + END
    mixed = whole[:at] + body + whole[at:]

    async def go(content_type: str) -> None:
        request = request_of([mixed[:cut], mixed[cut:]], content_type)
        try:
            with await read_form(request, max_files=2):
                pass
        except GatewayError:
            pass

    asyncio.run(go(MULTIPART))
    asyncio.run(go(URLENCODED))
