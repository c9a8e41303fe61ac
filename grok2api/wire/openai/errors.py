"""The error object of the OpenAI API."""

from msgspec import Struct


class ErrorObject(Struct, frozen=True):
    """All four keys are always there; null when there is nothing to say."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(Struct, frozen=True):
    """An error answer."""

    error: ErrorObject
