"""What administrative routes answer, and what they read of an address."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from grok2api.errors import InvalidRequestError

JSON: Final = "application/json"
NO_STORE: Final = {"cache-control": "no-store"}

_CURSOR: Final = re.compile(r"[0-9]{1,16}:[!-~]{1,512}")
_MOMENT: Final = re.compile(r"[0-9]{1,15}")
MAX_TEXT: Final = 200
_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}
_MAX_DIGITS: Final = 9
_EnumT = TypeVar("_EnumT", bound=StrEnum)


def answer(body: Struct) -> Response:
    """Return `body` as JSON that nobody keeps."""
    return Response(msgspec.json.encode(body), media_type=JSON, headers=NO_STORE)


def read_flag(request: Request, name: str, *, default: bool) -> bool:
    """Return a parameter that is true or false.

    Raises:
        InvalidRequestError: it is neither.
    """
    given = request.query_params.get(name)
    if given is None:
        return default
    if given.lower() not in _FLAGS:
        raise InvalidRequestError(f"{name} must be true or false.", param=name)
    return _FLAGS[given.lower()]


def read_number(request: Request, name: str, *, default: int) -> int:
    """Return a parameter that is a whole number.

    Raises:
        InvalidRequestError: it is none.
    """
    given = request.query_params.get(name)
    if given is None:
        return default
    if not (given.isascii() and given.isdigit() and len(given) <= _MAX_DIGITS):
        raise InvalidRequestError(f"{name} must be a whole number.", param=name)
    return int(given)


def read_limit(request: Request, *, default: int, most: int) -> int:
    """Return how many the caller wants, 1 to `most`.

    Raises:
        InvalidRequestError: it is no such number.
    """
    limit = read_number(request, "limit", default=default)
    if not 1 <= limit <= most:
        raise InvalidRequestError(
            f"limit must be a whole number from 1 to {most}.", param="limit", code="invalid_value"
        )
    return limit


def read_text(request: Request, name: str) -> str:
    """Return a parameter that is a short text, "" where it is not given.

    Raises:
        InvalidRequestError: it is too long.
    """
    given = request.query_params.get(name, "").strip()
    if len(given) > MAX_TEXT:
        raise InvalidRequestError(
            f"{name} has more than {MAX_TEXT} characters.", param=name, code="invalid_value"
        )
    return given


def read_moment(request: Request, name: str) -> float:
    """Return a parameter that is a time in ms since epoch, as seconds; 0 where it is not given.

    Raises:
        InvalidRequestError: it is none.
    """
    given = request.query_params.get(name, "")
    if given and not _MOMENT.fullmatch(given):
        raise InvalidRequestError(
            f"{name} must be a time in milliseconds since 1970.", param=name, code="invalid_value"
        )
    return int(given or 0) / 1000


def read_choice(choices: type[_EnumT], given: str, name: str) -> _EnumT:
    """Return the member of `choices` that `given` names; what was given is not quoted.

    Raises:
        InvalidRequestError: it names none.
    """
    try:
        return choices(given)
    except ValueError:
        known = ", ".join(choices)
        raise InvalidRequestError(
            f"{name} must be one of: {known}.", param=name, code="invalid_value"
        ) from None


def read_cursor(request: Request) -> str:
    """Return `cursor` of the address, "" where there is none.

    Raises:
        InvalidRequestError: it is none of ours.
    """
    cursor = request.query_params.get("cursor", "")
    if cursor and not _CURSOR.fullmatch(cursor):
        raise InvalidRequestError(
            "This is no cursor; take `next_cursor` of the page before.",
            param="cursor",
            code="invalid_cursor",
        )
    return cursor


def read_name(given: Mapping[str, str | None]) -> tuple[str, str]:
    """Return the one name that is given, and its parameter.

    Raises:
        InvalidRequestError: none is given, or several.
    """
    named = [(name, param) for param, name in given.items() if name is not None]
    if len(named) != 1:
        raise InvalidRequestError(
            f"Name one account, by {' or '.join(given)}.",
            param=next(iter(given)),
            code="missing_required_parameter",
        )
    return named[0]
