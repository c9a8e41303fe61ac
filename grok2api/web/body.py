"""Reads a request's body and decodes it; size and pauses are bounded by the middleware."""

from typing import TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from grok2api.dialects.json_body import decode_body
from grok2api.errors import InvalidRequestError
from grok2api.web.presence import ClientLeftError

T = TypeVar("T")


async def read_json(request: Request, decoder: msgspec.json.Decoder[T]) -> T:
    """Return the decoded body; the content type does not matter, since many clients get it wrong.

    Raises:
        InvalidRequestError: it is empty, not JSON or not what `decoder` wants.
        BodyTooLargeError: it is over the limit.
        RequestTimeoutError: it did not come in time.
        ClientLeftError: the client left before the end of it.
    """
    try:
        body = await request.body()
    except ClientDisconnect:
        raise ClientLeftError from None
    if not body:
        raise InvalidRequestError(
            "The request has no body. Send the parameters as JSON.", code="missing_body"
        )
    return decode_body(decoder, body)
