"""Responses that are kept: so that they can be read again, continued and made in the background."""

from enum import StrEnum

from msgspec import Struct

from grok2api.domain.ids import ClientKeyId, ResponseId


class ResponseState(StrEnum):
    """How far a kept response is."""

    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"
    """The worker that made it is gone."""


class KeptResponse(Struct, frozen=True, kw_only=True):
    """A response of one client key.

    `body` is the response and `items` its input, in the form of the dialect that made them; while
    it is in progress, and where it was cancelled or lost, `body` is how it began. `affinity` is
    the conversation under which it was given. Nobody but its `owner` gets to see it.
    """

    id: ResponseId
    owner: ClientKeyId
    body: bytes
    items: tuple[bytes, ...] = ()
    state: ResponseState = ResponseState.COMPLETED
    previous: str = ""
    affinity: str = ""
    is_background: bool = False


class EventSlice(Struct, frozen=True):
    """Events number `first` to `last` of a response, framed. After one with `is_end` comes none."""

    first: int
    last: int
    data: bytes
    is_end: bool = False


class CancelResult(StrEnum):
    """What a cancellation came to."""

    CANCELLED = "cancelled"
    ENDED = "ended"
    FOREGROUND = "foreground"
    UNKNOWN = "unknown"
