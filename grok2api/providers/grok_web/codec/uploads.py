"""Files to and from grok.com: the upload in its two forms, what it answers, and the deletion."""

import base64
import re
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from grok2api.domain.files import InputFile
from grok2api.domain.upstream import UpstreamRequest
from grok2api.errors import UpstreamError, UpstreamProtocolError, UpstreamRejectedError
from grok2api.providers.grok_web import wire
from grok2api.providers.grok_web.codec.failure import decode_json
from grok2api.providers.grok_web.codec.identity import Headers, canonical_uuid
from grok2api.providers.grok_web.codec.loose import Loose, as_mapping, first_text
from grok2api.providers.grok_web.codec.redact import redact
from grok2api.providers.grok_web.codec.urls import asset_url, content_url
from grok2api.providers.session import UploadedFile

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DEFAULT_NAME = "upload.bin"
_MAX_DETAIL_CHARS = 400
_MEDIA_SOURCE = "IMAGINE_SELF_UPLOAD_FILE_SOURCE"


class Naming(Struct, frozen=True, kw_only=True):
    """How the answer to an upload is read: below `assets_url`, as a file of `user_id` or "".

    What pictures and videos are made from (`for_media`) has one kind of id only.
    """

    assets_url: str
    user_id: str = ""
    for_media: bool = False


def direct_upload(base_url: str, headers: Headers, body: bytes) -> UpstreamRequest:
    """Build the upload as the page makes it; `body` is from `encode_form`."""
    return UpstreamRequest("POST", f"{base_url}/http/upload-file-v2/direct", headers, body)


def json_upload(base_url: str, headers: Headers, body: bytes) -> UpstreamRequest:
    """Build the upload as it was before; `body` is from `encode_json`."""
    return UpstreamRequest("POST", f"{base_url}/rest/app-chat/upload-file", headers, body)


def deletion(base_url: str, headers: Headers, file_id: str) -> UpstreamRequest:
    """Build the request that deletes a file."""
    path = quote(file_id, safe="")
    return UpstreamRequest("DELETE", f"{base_url}/rest/assets-metadata/{path}", headers)


def encode_form(file: InputFile, boundary: str, *, for_media: bool = False) -> bytes:
    """Return a chat's upload, or one for pictures. `boundary` must not occur in the file."""
    head = (
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="file"; filename="{quote_name(file.name)}"\r\n'
        f"Content-Type: {file.media_type}\r\n\r\n"
    )
    source = (
        f"\r\n--{boundary}\r\n"
        'Content-Disposition: form-data; name="file_source"\r\n\r\n'
        f"{_MEDIA_SOURCE}"
    )
    tail = f"{source if for_media else ''}\r\n--{boundary}--\r\n"
    return b"".join((head.encode(), file.content, tail.encode()))


def encode_json(file: InputFile) -> bytes:
    """Return the body of the older form."""
    return wire.ENCODER.encode(
        wire.UploadPayload(file.name, file.media_type, base64.b64encode(file.content).decode())
    )


def quote_name(name: str) -> str:
    r"""Return a file name as browsers put it between quotes: `\` and `"` escaped, no line ends."""
    plain = _CONTROL.sub("_", name.replace("\r", "").replace("\n", ""))
    return plain.replace("\\", "\\\\").replace('"', '\\"') or _DEFAULT_NAME


def read_direct_answer(body: bytes, naming: Naming) -> UploadedFile:
    """Return a file that was uploaded as the page does it.

    Raises:
        UpstreamRejectedError: the site did not take the file.
        UpstreamProtocolError: there is no id in the answer.
    """
    answer = as_mapping(decode_json(body))
    if answer.get("terminalError"):  # null, false, 0 and everything empty mean success
        raise _rejected(answer["terminalError"])
    # This id comes alone while the site is still at work; chats may name it already.
    return _read_names(
        as_mapping(answer.get("fileMetadata")), naming, first_text(answer, "uploadId")
    )


def read_json_answer(body: bytes, naming: Naming) -> UploadedFile:
    """Return a file that was uploaded in the older form.

    Raises:
        UpstreamProtocolError: there is no id in the answer.
    """
    return _read_names(as_mapping(decode_json(body)), naming, "")


def _read_names(metadata: Loose, naming: Naming, upload_id: str) -> UploadedFile:
    found = first_text(metadata, "fileMetadataId")
    if not naming.for_media:
        found = found or first_text(metadata, "fileId") or upload_id
    if not found:
        raise UpstreamProtocolError(
            "The upstream took a file and did not name it.", code="upstream_upload_unnamed"
        )
    file_id = first_text(metadata, "fileId") or found
    url = asset_url(naming.assets_url, first_text(metadata, "fileUri")) or content_url(
        naming.assets_url, canonical_uuid(naming.user_id), file_id
    )
    return UploadedFile(found, url)


def _rejected(reason: Any) -> UpstreamError:
    said = reason if isinstance(reason, str) else wire.ENCODER.encode(reason).decode()
    return UpstreamRejectedError(
        "The upstream does not accept one of the files.",
        code="upstream_upload_rejected",
        detail=redact(said)[:_MAX_DETAIL_CHARS],
    )
