"""The error object of the Anthropic API."""

from msgspec import Struct


class AnthropicError(Struct, frozen=True):
    """What went wrong."""

    type: str
    message: str


class AnthropicErrorBody(Struct, frozen=True, tag_field="type", tag="error"):
    """An error answer, and the data of an `error` event."""

    error: AnthropicError
    request_id: str
