"""Numbers in the query of a URL."""

from typing import Final

from starlette.requests import Request

from grok2api.errors import InvalidRequestError

_MAX_DIGITS: Final = 9


def read_number(request: Request, name: str, default: int) -> int:
    """Return a whole number of the query.

    Raises:
        InvalidRequestError: it is something else.
    """
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > _MAX_DIGITS:
        raise InvalidRequestError(f"'{name}' is a number.", param=name, code="invalid_value")
    return int(text)
