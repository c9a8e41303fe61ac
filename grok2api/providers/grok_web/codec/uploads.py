"""Files to and from grok.com: the upload in its two forms, what it answers, and the deletion."""

import base64
import re
from typing import Any
from urllib.parse import quote

from grok2api.domain.files import InputFile
from grok2api.domain.upstream import UpstreamRequest
from grok2api.errors import UpstreamError, UpstreamProtocolError, UpstreamRejectedError
from grok2api.providers.grok_web import wire
from grok2api.providers.grok_web.codec.failure import decode_json
from grok2api.providers.grok_web.codec.identity import Headers
from grok2api.providers.grok_web.codec.loose import as_mapping, as_text
from grok2api.providers.grok_web.codec.redact import redact

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DEFAULT_NAME = "upload.bin"
_MAX_DETAIL_CHARS = 400


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


def encode_form(file: InputFile, boundary: str) -> bytes:
    """Return the one part of a chat's upload. `boundary` must not occur in the file."""
    head = (
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="file"; filename="{quote_name(file.name)}"\r\n'
        f"Content-Type: {file.media_type}\r\n\r\n"
    )
    return b"".join((head.encode(), file.content, f"\r\n--{boundary}--\r\n".encode()))


def encode_json(file: InputFile) -> bytes:
    """Return the body of the older form."""
    return wire.ENCODER.encode(
        wire.UploadPayload(file.name, file.media_type, base64.b64encode(file.content).decode())
    )


def quote_name(name: str) -> str:
    r"""Return a file name as browsers put it between quotes: `\` and `"` escaped, no line ends."""
    plain = _CONTROL.sub("_", name.replace("\r", "").replace("\n", ""))
    return plain.replace("\\", "\\\\").replace('"', '\\"') or _DEFAULT_NAME


def read_direct_answer(body: bytes) -> str:
    """Return the id of a file that was uploaded as the page does it.

    Raises:
        UpstreamRejectedError: the site did not take the file.
        UpstreamProtocolError: there is no id in the answer.
    """
    answer = as_mapping(decode_json(body))
    if answer.get("terminalError"):  # null, false, 0 and everything empty mean success
        raise _rejected(answer["terminalError"])
    metadata = as_mapping(answer.get("fileMetadata"))
    # The last one comes alone while the site is still at work; chats may name it already.
    return _first_id(metadata.get("fileMetadataId"), metadata.get("fileId"), answer.get("uploadId"))


def read_json_answer(body: bytes) -> str:
    """Return the id of a file that was uploaded in the older form.

    Raises:
        UpstreamProtocolError: there is no id in the answer.
    """
    answer = as_mapping(decode_json(body))
    return _first_id(answer.get("fileMetadataId"), answer.get("fileId"))


def _first_id(*values: object) -> str:
    for value in values:
        if text := as_text(value).strip():
            return text
    raise UpstreamProtocolError(
        "The upstream took a file and did not name it.", code="upstream_upload_unnamed"
    )


def _rejected(reason: Any) -> UpstreamError:
    said = reason if isinstance(reason, str) else wire.ENCODER.encode(reason).decode()
    return UpstreamRejectedError(
        "The upstream does not accept one of the files.",
        code="upstream_upload_rejected",
        detail=redact(said)[:_MAX_DETAIL_CHARS],
    )
