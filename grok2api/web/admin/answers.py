"""What administrative routes answer, and what they read of an address."""

import re
from typing import Final

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from grok2api.errors import InvalidRequestError

_JSON: Final = "application/json"
_NO_STORE: Final = {"cache-control": "no-store"}
_CURSOR: Final = re.compile(r"[0-9]{1,16}:[!-~]{1,512}")


def answer(body: Struct) -> Response:
    """Return `body` as JSON that nobody keeps."""
    return Response(msgspec.json.encode(body), media_type=_JSON, headers=_NO_STORE)


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
