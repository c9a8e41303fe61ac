"""Bytes of a JSON body to a wire Struct."""

import re
from functools import cache
from typing import Final, TypeVar

import msgspec
from msgspec import Raw, Struct

from grok2api.dialects.errors import parse_problem
from grok2api.wire.surrogates import repair_surrogates

MAX_UNKNOWN: Final = 20
"""More fields than this are not named: the list goes into a header."""

_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")

T = TypeVar("T")


def decode_body(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Decode `body`; a string that was cut inside an emoji is mended rather than refused.

    Raises:
        InvalidRequestError: not JSON, or not what `decoder` wants; `param` says where.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as problem:
        raise parse_problem(problem) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as problem:
        mended = repair_surrogates(body)
        if mended is body:
            raise parse_problem(problem) from None
    try:
        return decoder.decode(mended)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as problem:
        raise parse_problem(problem) from None


def find_unknown(body: bytes, known: type[Struct]) -> tuple[str, ...]:
    """Return the names in `body` that `known` has not, and that a header can hold."""
    try:
        members = _MEMBERS.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        # What had to be mended to be read at all is not searched again.
        return ()
    unknown = members.keys() - _names_of(known)
    named = [name for name in members if name in unknown and _NAME.fullmatch(name)]
    return tuple(name for name in named if bytes(members[name]) != b"null")[:MAX_UNKNOWN]


@cache
def _names_of(known: type[Struct]) -> frozenset[str]:
    # Looked up once a type: it evaluates every annotation, a twentieth of a short request.
    return frozenset(field.encode_name for field in msgspec.structs.fields(known))
