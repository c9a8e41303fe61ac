"""Messages of the site's gRPC-web calls, byte by byte."""

import struct

from msgspec import Struct

EMPTY_CALL = b"\x00\x00\x00\x00\x00"
GRPC_TYPE = "application/grpc-web+proto"
_SWITCH = b"\x12\x1a\x0a\x18always_show_nsfw_content"
_CHAT = 4


class Credits(Struct, frozen=True):
    """The weekly pool of a paid account; `start` and `end` are seconds and nanoseconds."""

    used_percent: float
    start: tuple[int, int]
    end: tuple[int, int]


def pack_answer(message: bytes | None, *, status: int = 0) -> bytes:
    """Return the body of an answer: a data frame, if there is one, and the trailers."""
    data = b"" if message is None else _frame(0, message)
    return data + _frame(0x80, f"grpc-status:{status}\r\n".encode())


def pack_credits(credits_: Credits) -> bytes:
    """Return the message for an account with a weekly pool; all was used for chat."""
    percent = struct.pack("<f", credits_.used_percent)
    chat = b"\x08" + _varint(_CHAT) + b"\x15" + percent
    config = b"\x0d" + percent + _period(credits_.start, credits_.end) + _field(7, chat)
    return _field(1, config)


def pack_no_credits(start_s: int, end_s: int) -> bytes:
    """Return the message for an account without a weekly pool: whole seconds and no percentage."""
    return _field(1, _field(2, b"") + _field(3, b"") + _period((start_s, 0), (end_s, 0)))


def read_switch(body: bytes) -> bool | None:
    """Return what a call turns the switch to; None if it is not such a call."""
    for is_on in (True, False):
        if body == _frame(0, b"\x0a\x02\x10" + bytes([is_on]) + _SWITCH):
            return is_on
    return None


def _frame(flags: int, payload: bytes) -> bytes:
    return bytes([flags]) + struct.pack(">I", len(payload)) + payload


def _period(start: tuple[int, int], end: tuple[int, int]) -> bytes:
    return _field(4, _moment(*start)) + _field(5, _moment(*end))


def _moment(seconds: int, nanos: int) -> bytes:
    return b"\x08" + _varint(seconds) + (b"\x10" + _varint(nanos) if nanos else b"")


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
