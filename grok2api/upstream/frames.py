"""WebSocket frames (RFC 6455), client side: build and parse, no I/O."""

import base64
import hashlib
import struct
from enum import IntEnum
from typing import Final

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
_ACCEPT_SALT: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_FINAL: Final = 0x80
_MASKED: Final = 0x80
_RESERVED: Final = 0x70
_OPCODE: Final = 0x0F
_WHOLE_TEXT: Final = 0x81
_SHORT: Final = 126
_LONG: Final = 127
_MAX_CONTROL_BYTES: Final = 125


class Opcode(IntEnum):
    """Frame kinds."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class FrameError(Exception):
    """Bytes that are no acceptable frame; `close_code` is what to tell the peer."""

    def __init__(self, message: str, close_code: int = 1002) -> None:
        super().__init__(message)
        self.close_code = close_code


def accept_of(key: bytes) -> str:
    """Return the Sec-WebSocket-Accept value that answers a key."""
    return base64.b64encode(
        hashlib.sha1(key + _ACCEPT_SALT, usedforsecurity=False).digest()
    ).decode()


def encode_frame(opcode: Opcode, payload: bytes, mask: bytes) -> bytes:
    """Build one final, masked frame. `mask` is four unpredictable bytes."""
    size = len(payload)
    if size < _SHORT:
        head = bytes((_FINAL | opcode, _MASKED | size))
    elif size <= 0xFFFF:  # noqa: PLR2004
        head = struct.pack("!BBH", _FINAL | opcode, _MASKED | _SHORT, size)
    else:
        head = struct.pack("!BBQ", _FINAL | opcode, _MASKED | _LONG, size)
    pad = (mask * (size // 4 + 1))[:size]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")
    return head + mask + masked.to_bytes(size, "big")


class FrameParser:
    """Feed bytes, get whole messages.

    `texts` collects text messages, `controls` the (opcode, payload) of CLOSE and PING, in order;
    the owner empties both. Binary messages and pongs are dropped. No message may be larger than
    `limit_bytes`.
    """

    __slots__ = (
        "_bytes_kept",
        "_bytes_needed",
        "_fragments",
        "_fragments_size",
        "_is_text",
        "_kept",
        "_limit",
        "controls",
        "texts",
    )

    def __init__(self, limit_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._limit = limit_bytes
        self.texts: list[bytes] = []
        self.controls: list[tuple[Opcode, bytes]] = []
        self._kept: list[bytes] = []
        self._bytes_kept = 0
        self._bytes_needed = 2
        self._fragments: list[bytes] | None = None
        self._fragments_size = 0
        self._is_text = False

    def feed(self, data: bytes) -> None:
        """Parse what can be parsed and keep the rest.

        Raises:
            FrameError: the bytes break the protocol, or a message is too large.
        """
        if self._kept or len(data) < self._bytes_needed:
            self._kept.append(data)
            self._bytes_kept += len(data)
            if self._bytes_kept < self._bytes_needed:
                return
            data = b"".join(self._kept)
            self._kept.clear()
        position = self._parse(data)
        self._bytes_kept = len(data) - position
        if self._bytes_kept:
            self._kept.append(data[position:])

    def _parse(self, data: bytes) -> int:
        """Parse whole frames; return where the first incomplete one starts."""
        position, end = 0, len(data)
        texts = self.texts
        while end - position >= 2:  # noqa: PLR2004
            first, size = data[position], data[position + 1]
            start = position + 2
            if size >= _SHORT:
                if end - position < 10:  # noqa: PLR2004
                    self._bytes_needed = _head_size(size)
                    if end - position < self._bytes_needed:
                        return position
                start, size = _read_size(data, start, size)
                if size > self._limit:
                    raise FrameError("message too large", 1009)
            stop = start + size
            if stop > end:
                self._bytes_needed = stop - position
                return position
            payload = data[start:stop]
            if first == _WHOLE_TEXT and self._fragments is None:
                texts.append(payload)
            else:
                self._take(first, payload)
            position = stop
        self._bytes_needed = 2
        return position

    def _take(self, first: int, payload: bytes) -> None:
        """Handle anything but an unfragmented text message."""
        if first & _RESERVED:
            raise FrameError("reserved bits are set")
        opcode = first & _OPCODE
        if opcode in {Opcode.CLOSE, Opcode.PING, Opcode.PONG}:
            if not first & _FINAL or len(payload) > _MAX_CONTROL_BYTES:
                raise FrameError("bad control frame")
            if opcode != Opcode.PONG:
                self.controls.append((Opcode(opcode), payload))
            return
        if opcode not in {Opcode.CONTINUATION, Opcode.TEXT, Opcode.BINARY}:
            raise FrameError(f"unknown opcode {opcode}")
        self._join(opcode, payload, is_final=bool(first & _FINAL))

    def _join(self, opcode: int, payload: bytes, *, is_final: bool) -> None:
        if (opcode == Opcode.CONTINUATION) != (self._fragments is not None):
            raise FrameError("fragments out of order")
        if self._fragments is None:
            self._fragments = []
            self._fragments_size = 0
            self._is_text = opcode == Opcode.TEXT
        self._fragments_size += len(payload)
        if self._fragments_size > self._limit:
            raise FrameError("message too large", 1009)
        if self._is_text:
            self._fragments.append(payload)
        if is_final:
            if self._is_text:
                self.texts.append(b"".join(self._fragments))
            self._fragments = None


def _head_size(size: int) -> int:
    return 10 if size & ~_MASKED == _LONG else 4


def _read_size(data: bytes, start: int, size: int) -> tuple[int, int]:
    """Return where the payload starts and how long it is, for a frame with a longer header."""
    if size & _MASKED:
        raise FrameError("a server must not mask its frames")
    if size == _SHORT:
        return start + 2, int.from_bytes(data[start : start + 2], "big")
    length = int.from_bytes(data[start : start + 8], "big")
    return start + 8, length
