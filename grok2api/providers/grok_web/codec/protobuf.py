"""The little of protobuf that the site's answers need: fields one after the other, undecoded."""

import struct
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5
_MAX_VARINT_BYTES: Final = 10
_MAX_FIELD: Final = (1 << 29) - 1
_UINT_64: Final = (1 << 64) - 1


class Field(Struct, frozen=True):
    """One field: a varint as `number`; bytes, and the 4 or 8 bytes of a fixed value, as `data`."""

    id: int
    number: int | None = None
    data: bytes = b""

    def as_message(self) -> bytes:
        """Return the bytes of a message or a string.

        Raises:
            ValueError: it has another form.
        """
        if self.number is not None:
            raise ValueError(f"field {self.id} is no message")
        return self.data

    def as_float(self) -> float:
        """Return a float of 32 bits.

        Raises:
            ValueError: it has another form.
        """
        if self.number is not None or len(self.data) != 4:  # noqa: PLR2004 - bytes of a fixed32
            raise ValueError(f"field {self.id} is no float")
        value: float = struct.unpack("<f", self.data)[0]
        return value

    def as_signed(self) -> int:
        """Return an integer of 64 bits.

        Raises:
            ValueError: it has another form.
        """
        if self.number is None:
            raise ValueError(f"field {self.id} is no integer")
        return self.number - (1 << 64) if self.number >> 63 else self.number


def read_fields(message: bytes) -> Iterator[Field]:
    """Return the fields in their order; a field may come more than once.

    Raises:
        ValueError: it is no protobuf message, or ends too early.
    """
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        field_id, form = tag >> 3, tag & 7
        if not 0 < field_id <= _MAX_FIELD:
            raise ValueError("a field has an impossible number")
        if form == _VARINT:
            number, at = _read_varint(message, at)
            yield Field(field_id, number=number)
            continue
        if form == _BYTES:
            size, at = _read_varint(message, at)
        elif form in {_FIXED_32, _FIXED_64}:
            size = 4 if form == _FIXED_32 else 8
        else:
            raise ValueError(f"field {field_id} has an unknown form")
        if size > len(message) - at:
            raise ValueError("the message ends inside a field")
        yield Field(field_id, data=message[at : at + size])
        at += size


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(message[at : at + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:  # noqa: PLR2004 - the bit that says: one more
            return value & _UINT_64, at + index + 1
    raise ValueError("a number has no end")
