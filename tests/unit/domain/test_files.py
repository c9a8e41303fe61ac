"""What a file is, by its bytes, and what it may be called."""

import io
import zipfile

import pytest
from hypothesis import given, strategies as st

from grok2api.domain.files import MAX_NAME_CHARS, InputFile, clean_name, find_type


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, "x" * 1000)
    return buffer.getvalue()


OFFICE = "application/vnd.openxmlformats-officedocument."
COMPOUND = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(8)


@pytest.mark.parametrize(
    ("content", "declared", "name", "kind"),
    [
        (b"\x89PNG\r\n\x1a\nx", "image/jpeg", "a.jpg", "image/png"),
        (b"\xff\xd8\xff\xe0", "", "", "image/jpeg"),
        (b"GIF89a", "text/plain", "", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "", "", "image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "image/webp", "a.webp", ""),
        (b"%PDF-1.7 \x00", "application/octet-stream", "", "application/pdf"),
        (b"\n\n%PDF-1.7 \x00", "", "", "application/pdf"),
        (b"{\\rtf1 x}", "text/plain", "", "application/rtf"),
        (
            zipped("[Content_Types].xml", "word/document.xml"),
            "",
            "",
            f"{OFFICE}wordprocessingml.document",
        ),
        (zipped("xl/workbook.xml"), "application/zip", "a.docx", f"{OFFICE}spreadsheetml.sheet"),
        (zipped("ppt/presentation.xml"), "", "", f"{OFFICE}presentationml.presentation"),
        (zipped("virus.exe"), "application/pdf", "a.docx", ""),
        (COMPOUND, "", "a.xls", "application/vnd.ms-excel"),
        (COMPOUND, "application/msword", "", "application/msword"),
        (COMPOUND, "", "setup.msi", ""),
        (b'{"a": 1}', "application/json", "", "application/json"),
        (b"a,b\n1,2", "application/octet-stream", "t.CSV", "text/csv"),
        (b"# x", "text/plain", "x.md", "text/markdown"),
        (b"<html>", "text/html; charset=utf-8", "", "text/html"),
        (b"<svg/>", "image/svg+xml", "a.svg", "text/plain"),
        (b"print(1)", "text/x-python", "a.py", "text/plain"),
        (b"plain", "image/png", "a.png", "text/plain"),
        ("größe".encode("latin-1"), "text/plain", "", "text/plain"),
        ("größe".encode("latin-1"), "", "", ""),
        ("hi".encode("utf-16"), "", "", "text/plain"),
        (b"\x7fELF\x00", "text/plain", "a.txt", ""),
        (b"\x00\x01", "image/png", "a.png", ""),
    ],
)
def test_bytes_decide_what_a_file_is(content: bytes, declared: str, name: str, kind: str) -> None:
    assert find_type(content, declared, name) == kind


@pytest.mark.parametrize(
    ("name", "media_type", "clean"),
    [
        ("photo.png", "image/png", "photo.png"),
        ("photo.JPEG", "image/jpeg", "photo.JPEG"),
        ("photo.jpg", "image/png", "photo.png"),
        ("photo.php.jpg", "image/png", "photo.php.png"),
        ("", "image/png", "image.png"),
        ("", "application/pdf", "file.pdf"),
        ("..", "text/plain", "file.txt"),
        ("../../etc/passwd", "text/plain", "passwd.txt"),
        ("C:\\x\\y.pdf", "application/pdf", "y.pdf"),
        ("a\r\nb\u202egnp.exe", "image/png", "a__b_gnp.exe.png"),
        ("main.py", "text/plain", "main.py"),
        ("x.pdf", "text/plain", "x.txt"),
        ("v1.2", "application/pdf", "v1.2.pdf"),
        ("Größe 表.pdf", "application/pdf", "Größe 表.pdf"),
        (".env", "text/plain", "env.txt"),
        ("noise.", "image/gif", "noise.gif"),
    ],
)
def test_name_is_plain_and_has_the_right_ending(name: str, media_type: str, clean: str) -> None:
    assert clean_name(name, media_type) == clean


@given(
    st.text(max_size=300), st.sampled_from(["image/png", "text/plain", "application/pdf", "x/y"])
)
def test_any_name_becomes_a_short_plain_one(name: str, media_type: str) -> None:
    clean = clean_name(name, media_type)

    assert 0 < len(clean) <= MAX_NAME_CHARS
    assert clean.strip(" .") == clean
    assert not set(clean) & set("/\\\r\n\0")
    assert clean_name(clean, media_type) == clean


def test_file_shows_nothing_of_its_content_and_can_forget_it() -> None:
    file = InputFile("r", "secret.txt", "text/plain", b"secret")

    assert "secret" not in repr(file)
    file.forget()
    assert file.content == b""
