"""gRPC-web as the site speaks it: one message in a frame, frames back, a status at the end."""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import unquote

from msgspec import Struct

from grok2api.domain.upstream import UpstreamStatus
from grok2api.errors import UpstreamError, UpstreamProtocolError, UpstreamTimeoutError
from grok2api.providers.grok_web import wire
from grok2api.providers.grok_web.codec.redact import redact
from grok2api.providers.grok_web.codec.status import classify_status

_HEADER_BYTES: Final = 5
_TRAILER: Final = 0x80
_COMPRESSED: Final = 0x01
_OK, _DEADLINE_EXCEEDED, _PERMISSION_DENIED = 0, 4, 7
_HTTP_EQUIVALENT: Final = {_PERMISSION_DENIED: 403, 8: 429, 14: 503, 16: 401}
_BAD_GATEWAY: Final = 502
_TEXT_TYPE: Final = "grpc-web-text"
_BASE64 = re.compile(rb"[A-Za-z0-9+/]+={0,2}")
_BASE64_BODY = re.compile(rb"(?:[A-Za-z0-9+/]+={0,2})+")


class Frame(Struct, frozen=True):
    """One frame: a message, or the trailer lines."""

    payload: bytes
    is_trailer: bool = False


class GrpcReply(Struct, frozen=True):
    """What a call brought. `status` is None where nothing said how it ended, which is well."""

    messages: tuple[bytes, ...]
    status: int | None
    text: str = ""


def frame(message: bytes) -> bytes:
    """Return a request body with one message."""
    return b"\x00" + len(message).to_bytes(4) + message


def parse_reply(body: bytes, headers: Mapping[str, str]) -> GrpcReply:
    """Read the answer of a call whose HTTP status was a success.

    Args:
        body: the whole body, binary or in its base64 form.
        headers: by lower-case name.

    Raises:
        UpstreamProtocolError: a frame is cut short or compressed, or the status is no number.
    """
    frames = list(_read_frames(_plain(body, headers)))
    trailers: dict[str, str] = {}
    for found in frames:
        if found.is_trailer:
            trailers |= _read_trailer(found.payload)
    told = trailers if "grpc-status" in trailers else headers
    return GrpcReply(
        messages=tuple(found.payload for found in frames if not found.is_trailer),
        status=_read_status(told.get("grpc-status", "")),
        text=unquote(told.get("grpc-message", "")),
    )


def expect_message(body: bytes, headers: Mapping[str, str], *, now_s: float) -> bytes:
    """Return the message of an answer, empty if it has none.

    Raises:
        UpstreamError: the call has failed; what that means is as for the HTTP status that its
            gRPC status stands for, which is also the error's `status`.
    """
    reply = parse_reply(body, headers)
    if reply.status:
        raise _classify(reply.status, reply.text, now_s=now_s)
    return reply.messages[0] if reply.messages else b""


def _classify(status: int, text: str, *, now_s: float) -> UpstreamError:
    if status == _DEADLINE_EXCEEDED:
        return UpstreamTimeoutError(
            "The upstream did not answer in time.",
            code="upstream_deadline_exceeded",
            detail=redact(f"grpc-status {status} {text}"),
        )
    # Over HTTP a bare 7 is the mark of the anti-bot rule; here it is only what 403 is there.
    code: int | str = "permission_denied" if status == _PERMISSION_DENIED else status
    body = wire.ENCODER.encode({"code": code, "message": text})
    equivalent = UpstreamStatus(_HTTP_EQUIVALENT.get(status, _BAD_GATEWAY), {}, body)
    return classify_status(equivalent, now_s=now_s)


def _plain(body: bytes, headers: Mapping[str, str]) -> bytes:
    """Return the binary form. The first byte of a binary frame is no letter of base64."""
    text = b"".join(body.split())
    if not text:
        return body
    if not _BASE64_BODY.fullmatch(text):
        if _TEXT_TYPE in headers.get("content-type", "").lower():
            raise _garbled("the text form is no base64")
        return body
    try:
        return b"".join(
            base64.b64decode(piece + b"=" * (-len(piece) % 4), validate=True)
            for piece in _BASE64.findall(text)
        )
    except binascii.Error:
        raise _garbled("the text form is no base64") from None


def _read_frames(data: bytes) -> Iterator[Frame]:
    at = 0
    while at < len(data):
        if len(data) - at < _HEADER_BYTES:
            raise _garbled("the answer ends inside a frame's header")
        flags = data[at]
        size = int.from_bytes(data[at + 1 : at + _HEADER_BYTES])
        at += _HEADER_BYTES
        if flags & _COMPRESSED:
            raise _garbled("a frame is compressed")
        if flags not in {0, _TRAILER}:
            raise _garbled("a frame has unknown flags")
        if size > len(data) - at:
            raise _garbled("the answer ends inside a frame")
        yield Frame(data[at : at + size], is_trailer=flags == _TRAILER)
        at += size


def _read_trailer(payload: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in payload.decode("utf-8", "replace").split("\n"))
    return {name.strip().lower(): value.strip() for name, colon, value in lines if colon}


def _read_status(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 4):  # noqa: PLR2004 - 0 to 16 exist
        raise _garbled("the status is no number")
    return int(text)


def _garbled(detail: str) -> UpstreamProtocolError:
    return UpstreamProtocolError(
        "The upstream sent something we do not understand.",
        code="upstream_protocol_error",
        detail=f"gRPC-web: {detail}",
    )
