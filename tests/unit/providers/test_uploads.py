"""Uploads as bytes: the form browsers send, the older JSON, and what the site answers."""

import msgspec
import pytest
from hypothesis import given, strategies as st

from grok2api.domain.files import InputFile
from grok2api.errors import UpstreamProtocolError, UpstreamRejectedError
from grok2api.providers.grok_web.codec.uploads import (
    Naming,
    deletion,
    encode_form,
    encode_json,
    quote_name,
    read_direct_answer,
    read_json_answer,
)

USER = "00000000-0000-4000-8000-000000000001"
CHAT = Naming(assets_url="https://assets.grok.com", user_id=USER)
MEDIA = Naming(assets_url="https://assets.grok.com", user_id=USER, for_media=True)
FILE = InputFile("r", "photo.png", "image/png", b"\x89PNG\r\n\x00")


def test_form_is_one_part_as_browsers_write_it() -> None:
    assert encode_form(FILE, "----B") == (
        b'------B\r\nContent-Disposition: form-data; name="file"; filename="photo.png"\r\n'
        b"Content-Type: image/png\r\n\r\n\x89PNG\r\n\x00\r\n------B--\r\n"
    )


def test_older_form_is_plain_base64() -> None:
    assert msgspec.json.decode(encode_json(FILE)) == {
        "fileName": "photo.png",
        "fileMimeType": "image/png",
        "content": "iVBORw0KAA==",
    }


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ('a"b\\c', 'a\\"b\\\\c'),
        ("a\r\nb", "ab"),
        ("a\tb\x7f", "a_b_"),
        ("größe 表.png", "größe 表.png"),
        ("", "upload.bin"),
        ("\r\n", "upload.bin"),
    ],
)
def test_name_is_quoted_as_browsers_do(name: str, quoted: str) -> None:
    assert quote_name(name) == quoted


@given(st.text())
def test_no_name_ends_its_line_or_its_quotes(name: str) -> None:
    quoted = quote_name(name)

    assert not set(quoted) & set("\r\n\0")
    assert '"' not in quoted.replace("\\\\", "").replace('\\"', "")


@pytest.mark.parametrize(
    ("answer", "file_id"),
    [
        ({"fileMetadata": {"fileMetadataId": "m", "fileId": "f"}, "uploadId": "u"}, "m"),
        ({"fileMetadata": {"fileMetadataId": " ", "fileId": "f"}, "uploadId": "u"}, "f"),
        ({"fileMetadata": None, "uploadId": "u"}, "u"),
        ({"uploadId": "u", "terminalError": {}}, "u"),
        ({"uploadId": "u", "terminalError": None}, "u"),
        ({"uploadId": "u", "terminalError": False}, "u"),
        ({"uploadId": "u", "terminalError": 0}, "u"),
        ({"uploadId": "u", "terminalError": ""}, "u"),
        ({"uploadId": "u", "terminalError": []}, "u"),
    ],
)
def test_best_id_of_the_answer_counts(answer: object, file_id: str) -> None:
    assert read_direct_answer(msgspec.json.encode(answer), CHAT).id == file_id


@pytest.mark.parametrize("reason", ["virus", 1, True, {"code": 3}, ["x"]])
def test_anything_else_in_the_error_is_one(reason: object) -> None:
    body = msgspec.json.encode({"uploadId": "u", "terminalError": reason})

    with pytest.raises(UpstreamRejectedError):
        read_direct_answer(body, CHAT)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b"x", b'{"uploadId":""}'])
def test_answer_without_an_id_is_not_understood(body: bytes) -> None:
    for read in (read_direct_answer, read_json_answer):
        with pytest.raises(UpstreamProtocolError):
            read(body, CHAT)


def test_older_answer_names_the_metadata_first() -> None:
    assert read_json_answer(b'{"fileMetadataId":"m","fileId":"f"}', CHAT).id == "m"
    assert read_json_answer(b'{"fileId":"f"}', CHAT).id == "f"


def test_picture_to_be_edited_says_so_in_a_second_part() -> None:
    assert encode_form(FILE, "B", for_media=True).endswith(
        b'\r\n--B\r\nContent-Disposition: form-data; name="file_source"\r\n\r\n'
        b"IMAGINE_SELF_UPLOAD_FILE_SOURCE\r\n--B--\r\n"
    )


@pytest.mark.parametrize("answer", [{"fileId": "f"}, {"fileMetadataId": "", "fileId": "f"}])
def test_pictures_are_made_from_one_kind_of_id_only(answer: dict[str, str]) -> None:
    body = msgspec.json.encode({"fileMetadata": answer, "uploadId": "u"})

    for read, told in ((read_direct_answer, body), (read_json_answer, msgspec.json.encode(answer))):
        with pytest.raises(UpstreamProtocolError):
            read(told, MEDIA)


@pytest.mark.parametrize(
    ("uri", "user_id", "url"),
    [
        ("users/u-1/m/content", "", "https://assets.grok.com/users/u-1/m/content"),
        ("https://assets.grok.com/x", "", "https://assets.grok.com/x"),
        ("", USER, f"https://assets.grok.com/users/{USER}/f%2F1/content"),
        ("../x", "not an id", ""),
        (None, "", ""),
    ],
)
def test_content_lies_where_the_site_says_or_where_it_always_does(
    uri: str | None, user_id: str, url: str
) -> None:
    answer = {"fileMetadata": {"fileMetadataId": "m", "fileId": "f/1", "fileUri": uri}}
    naming = Naming(assets_url="https://assets.grok.com", user_id=user_id, for_media=True)

    assert read_direct_answer(msgspec.json.encode(answer), naming).url == url


def test_id_cannot_lead_the_deletion_elsewhere() -> None:
    assert deletion("https://g", (), "../x?y#z").url == (
        "https://g/rest/assets-metadata/..%2Fx%3Fy%23z"
    )
