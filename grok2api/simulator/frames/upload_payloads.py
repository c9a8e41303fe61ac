"""What a client may upload, byte by byte, in the page's form and in the older one."""

import base64
import binascii
import re

import msgspec
from msgspec import Struct

_BOUNDARY = re.compile(r"multipart/form-data; boundary=([0-9A-Za-z\'()+_,./:=?-]{1,70})")
_DISPOSITION = re.compile(r'form-data; name="file"; filename="((?:[^"\\\r\n]|\\["\\])+)"')
_FILE_SOURCE = (
    b'\r\n--%s\r\nContent-Disposition: form-data; name="file_source"\r\n\r\n'
    b"IMAGINE_SELF_UPLOAD_FILE_SOURCE"
)
IMAGINE_SOURCE = "imagine"
OLDER_SOURCE = "older"
_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+-]*")
_MAGIC = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/webp": (b"RIFF",),
    "application/pdf": (b"%PDF-",),
}


class Upload(Struct, frozen=True):
    """A file as it came."""

    name: str
    media_type: str
    content: bytes
    source: str = ""


class JsonUpload(Struct, forbid_unknown_fields=True):
    """The body of the older form."""

    fileName: str  # noqa: N815 - the site's spelling
    fileMimeType: str  # noqa: N815
    content: str


_JSON_UPLOAD_DECODER = msgspec.json.Decoder(JsonUpload)


class UploadError(ValueError):
    """An upload that breaks the rules; the text says which."""


def read_form(content_type: str, body: bytes) -> Upload:
    """Read the page's form: one part, the file, and for pictures to work on where it is from.

    Raises:
        UploadError: it is anything else.
    """
    found = _BOUNDARY.fullmatch(content_type)
    if found is None:
        raise UploadError("content-type must be multipart/form-data with a boundary")
    start, end = f"--{found[1]}\r\n".encode(), f"\r\n--{found[1]}--\r\n".encode()
    if not body.startswith(start) or not body.endswith(end):
        raise UploadError("the body must begin and end with its boundary")
    inside = body[len(start) : -len(end)]
    second = _FILE_SOURCE % found[1].encode()
    source = IMAGINE_SOURCE if inside.endswith(second) else ""
    inside = inside.removesuffix(second)
    if f"--{found[1]}".encode() in inside:
        raise UploadError("a chat's upload has one part, and its content not the boundary")
    head, blank, content = inside.partition(b"\r\n\r\n")
    try:
        lines = head.decode().split("\r\n")
    except UnicodeDecodeError:
        raise UploadError("the headers of the part are not UTF-8") from None
    fields = dict(line.split(": ", 1) for line in lines if ": " in line)
    named = _DISPOSITION.fullmatch(fields.get("Content-Disposition", ""))
    if not blank or named is None or list(fields) != ["Content-Disposition", "Content-Type"]:
        raise UploadError("the part must have the disposition of a file, then its type")
    name = re.sub(r'\\(["\\])', r"\1", named[1])
    return _check(Upload(name, fields["Content-Type"], content, source))


def read_json(body: bytes) -> Upload:
    """Read the older form.

    Raises:
        UploadError: it is anything else.
    """
    try:
        payload = _JSON_UPLOAD_DECODER.decode(body)
        content = base64.b64decode(payload.content, validate=True)
    except (msgspec.DecodeError, binascii.Error) as error:
        raise UploadError(str(error)) from None
    return _check(Upload(payload.fileName, payload.fileMimeType, content, OLDER_SOURCE))


def _check(upload: Upload) -> Upload:
    if not upload.name or any(ord(char) < ord(" ") or char in "/\\" for char in upload.name):
        raise UploadError("the name of a file is a name, not a path")
    if not _MEDIA_TYPE.fullmatch(upload.media_type):
        raise UploadError("the type of a file is a plain media type")
    if not upload.content:
        raise UploadError("the file is empty")
    magic = _MAGIC.get(upload.media_type)
    if magic is not None and not upload.content.startswith(magic):
        raise UploadError(f"the file is not {upload.media_type}")
    return upload
