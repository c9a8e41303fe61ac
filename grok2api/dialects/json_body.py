"""Bytes of a JSON body to a wire Struct."""

from typing import TypeVar

import msgspec

from grok2api.dialects.errors import parse_problem
from grok2api.wire.surrogates import repair_surrogates

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
