"""Files that clients give: what is kept of them, what they are, and what they may be called."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from msgspec import Struct

MAX_NAME_CHARS: Final = 100

IMAGE_TYPES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_OPEN_XML: Final = "application/vnd.openxmlformats-officedocument."
_DOCX: Final = f"{_OPEN_XML}wordprocessingml.document"
_XLSX: Final = f"{_OPEN_XML}spreadsheetml.sheet"
_PPTX: Final = f"{_OPEN_XML}presentationml.presentation"
_PLAIN: Final = "text/plain"
_MARKERS_BYTES: Final = 256 * 1024
_PDF_HEAD_BYTES: Final = 1024
_BINARY_HEAD_BYTES: Final = 64 * 1024

# The first extension of a type is the one it is given.
_EXTENSIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "image/png": ("png",),
        "image/jpeg": ("jpg", "jpeg"),
        "image/gif": ("gif",),
        "image/webp": ("webp",),
        "application/pdf": ("pdf",),
        "application/json": ("json",),
        "application/xml": ("xml",),
        "text/xml": ("xml",),
        "application/rtf": ("rtf",),
        "application/msword": ("doc",),
        _DOCX: ("docx",),
        "application/vnd.ms-powerpoint": ("ppt",),
        _PPTX: ("pptx",),
        "application/vnd.ms-excel": ("xls",),
        _XLSX: ("xlsx",),
        _PLAIN: ("txt", "log"),
        "text/csv": ("csv",),
        "text/markdown": ("md", "markdown"),
        "text/html": ("html", "htm"),
    }
)
_TYPES: Mapping[str, str] = MappingProxyType(
    {e: kind for kind, endings in reversed([*_EXTENSIONS.items()]) for e in endings}
)
_TEXTS: Final = frozenset(
    {
        *("application/json", "application/xml", "text/xml", "text/csv"),
        *("text/markdown", "text/html", _PLAIN),
    }
)
_OLD_OFFICE: Final = frozenset(
    {"application/msword", "application/vnd.ms-powerpoint", "application/vnd.ms-excel"}
)
_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"{\\rtf", "application/rtf"),
)
_OPEN_XML_MARKERS: Final = ((b"word/", _DOCX), (b"xl/", _XLSX), (b"ppt/", _PPTX))
_ZIP: Final = b"PK\x03\x04"
_COMPOUND: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")

# Control characters, and those that change the direction of text or show nothing.
_UNSHOWN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


class InputFile(Struct):
    """A file a client gave, checked and ready to be uploaded.

    Parts of the request name it by `ref` in place of a URL; a file that was given twice is there
    once. `content` is empty as soon as no account will be asked anew.
    """

    ref: str
    name: str
    media_type: str
    content: bytes

    def __repr__(self) -> str:
        return f"InputFile({self.media_type!r}, {len(self.content)} bytes)"

    def forget(self) -> None:
        """Let go of the content."""
        self.content = b""


def find_type(content: bytes, declared: str, name: str) -> str:
    """Return the media type of `content`, or "" for none that can be served.

    The bytes decide; what the client says counts only where they leave a choice.
    """
    claimed = _claimed_type(declared, name)
    if kind := _find_magic(content):
        return kind
    if content.startswith(_ZIP):
        return _find_open_xml(content)
    if content.startswith(_COMPOUND):
        return claimed if claimed in _OLD_OFFICE else ""
    if not _is_text(content, declared, claimed):
        return ""
    return claimed if claimed in _TEXTS else _PLAIN


def clean_name(name: str, media_type: str) -> str:
    """Return a plain file name for content of `media_type`: no folders, the right extension."""
    last = _UNSHOWN.sub("_", re.split(r"[/\\]", name)[-1]).strip(" .")
    stem, dot, ending = last.rpartition(".")
    if not dot:
        stem, ending = last, ""
    right = _EXTENSIONS.get(media_type, ("bin",))
    is_known = ending.lower() in _TYPES
    if ending.lower() not in right and not (ending and media_type == _PLAIN and not is_known):
        stem, ending = (stem if is_known or not ending else last), right[0]
    kept = stem[: MAX_NAME_CHARS - len(ending[: MAX_NAME_CHARS // 2]) - 1].strip(" .")
    default = "image" if media_type in IMAGE_TYPES else "file"
    return f"{kept or default}.{ending[: MAX_NAME_CHARS // 2]}"


def _find_magic(content: bytes) -> str:
    for magic, kind in _MAGIC:
        if content.startswith(magic):
            return kind
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "image/webp"
    return "application/pdf" if b"%PDF-" in content[:_PDF_HEAD_BYTES] else ""


def _claimed_type(declared: str, name: str) -> str:
    kind = declared.partition(";")[0].strip().lower()
    if kind in _EXTENSIONS and kind != _PLAIN:
        return kind
    return _TYPES.get(name.rpartition(".")[2].lower(), kind)


def _find_open_xml(content: bytes) -> str:
    # Names stand in the local headers and again in the directory at the end; nothing is unpacked.
    for place in (content[:_MARKERS_BYTES], content[-_MARKERS_BYTES:]):
        for marker, kind in _OPEN_XML_MARKERS:
            if marker in place:
                return kind
    return ""


def _is_text(content: bytes, declared: str, claimed: str) -> bool:
    if content.startswith(_UTF16_MARKS):
        return True
    if b"\x00" in content[:_BINARY_HEAD_BYTES]:
        return False
    try:
        content.decode()
    except UnicodeDecodeError:
        # Another encoding of old; only who says that it is text is believed.
        return claimed in _TEXTS or declared.strip().lower().startswith("text/")
    return True
