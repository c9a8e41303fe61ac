"""The events of one response: numbered, framed, and remembered as the response they make."""

import msgspec
from msgspec import Struct

from grok2api.dialects.errors import render_openai_error
from grok2api.domain.answer import Usage
from grok2api.domain.chat import FinishReason
from grok2api.errors import GatewayError
from grok2api.wire.openai.errors import ErrorBody
from grok2api.wire.openai.response_events import (
    Completed,
    Created,
    Failed,
    Incomplete,
    InProgress,
    LifeEvent,
    OutputItemAdded,
    OutputItemDone,
    ResponseEvent,
)
from grok2api.wire.openai.response_object import (
    IncompleteDetails,
    InputTokensDetails,
    OutputItem,
    OutputTokensDetails,
    ResponseBody,
    ResponseFault,
    ResponseUsage,
)
from grok2api.wire.sse import format_event

IN_PROGRESS, COMPLETED, INCOMPLETE, FAILED, CANCELLED = (
    "in_progress",
    "completed",
    "incomplete",
    "failed",
    "cancelled",
)

_TOO_MANY_REQUESTS = 429
_RATE_LIMITED = "rate_limit_exceeded"
PLACE = "\N{OBJECT REPLACEMENT CHARACTER}here"
_NUMBER = b'"sequence_number":'
_CUT = {
    FinishReason.LENGTH: "max_output_tokens",
    FinishReason.CONTENT_FILTER: "content_filter",
}

_encode = msgspec.json.Encoder().encode
_ERROR = msgspec.json.Decoder(ErrorBody)


class ResponseLog:
    """Writes the events of a response; `body` is what they come to.

    `take` returns the bytes since it was last called.
    """

    __slots__ = ("_items", "_out", "_sequence", "body", "is_begun")

    def __init__(self, body: ResponseBody) -> None:
        self.body = body
        self.is_begun = False
        self._items: list[OutputItem] = []
        self._out: list[bytes] = []
        self._sequence = 0

    @property
    def written(self) -> int:
        """How many events there are; the next one gets this number."""
        return self._sequence

    def take(self) -> bytes:
        """Return what was written since the last call."""
        out = b"".join(self._out)
        self._out.clear()
        return out

    def begin(self) -> None:
        """Write the opening events, once."""
        if not self.is_begun:
            self.is_begun = True
            self._live(Created)
            self._live(InProgress)

    def next(self) -> int:
        """Return the number of the event that is written next."""
        return self._sequence

    def write(self, event: ResponseEvent) -> None:
        """Write an event that has the number from `next`."""
        name = event.__struct_config__.tag
        self._out.append(format_event(_encode(event), str(name)))
        self._sequence += 1

    def splice(self, frame: "DeltaFrame", text: str) -> None:
        """Write a delta event by its frame."""
        self._out.append(frame.fill(self._sequence, text))
        self._sequence += 1

    def add(self, item: OutputItem) -> int:
        """Begin an item; return its place in the output."""
        index = len(self._items)
        self._items.append(item)
        self.write(OutputItemAdded(sequence_number=self.next(), output_index=index, item=item))
        return index

    def done(self, index: int, item: OutputItem) -> None:
        """Complete an item."""
        self._items[index] = item
        self.write(OutputItemDone(sequence_number=self.next(), output_index=index, item=item))

    def leave(self, index: int, item: OutputItem) -> None:
        """Keep an item as it is where the response broke off."""
        self._items[index] = item

    def end(self, reason: FinishReason, usage: Usage, completed_s: int) -> None:
        """Write the last event of a response that did not fail."""
        cut = _CUT.get(reason)
        self.body = msgspec.structs.replace(
            self.body,
            status=INCOMPLETE if cut else COMPLETED,
            incomplete_details=IncompleteDetails(cut) if cut else None,
            completed_at=None if cut else completed_s,
            output=list(self._items),
            usage=usage_body(usage),
        )
        self._live(Incomplete if cut else Completed)

    def fail(self, error: GatewayError, request_id: str, usage: Usage) -> None:
        """Write the last event of a response that failed."""
        self.begin()
        self.body = msgspec.structs.replace(
            self.body,
            status=FAILED,
            error=fault_of(error, request_id),
            output=list(self._items),
            usage=usage_body(usage),
        )
        self._live(Failed)

    def _live(self, kind: type[LifeEvent]) -> None:
        self.write(kind(sequence_number=self.next(), response=self.body))


class DeltaFrame:
    """The bytes around number and text of an event that comes many times."""

    __slots__ = ("_head", "_middle", "_tail")

    def __init__(self, event: Struct) -> None:
        """`event` has the number 0 and the text `PLACE`."""
        name = str(event.__struct_config__.tag)
        data, _, self._tail = format_event(_encode(event), name).rpartition(_encode(PLACE))
        head, word, rest = data.partition(_NUMBER)
        self._head = head + word
        self._middle = rest[len(b"0") :]

    def fill(self, number: int, text: str) -> bytes:
        """Return the event with this number and text."""
        return b"".join((self._head, b"%d" % number, self._middle, _encode(text), self._tail))


def usage_body(usage: Usage) -> ResponseUsage:
    """Return `usage` as the API tells it."""
    return ResponseUsage(
        input_tokens=usage.prompt,
        input_tokens_details=InputTokensDetails(),
        output_tokens=usage.completion,
        output_tokens_details=OutputTokensDetails(usage.reasoning),
        total_tokens=usage.prompt + usage.completion,
    )


def fault_of(error: GatewayError, request_id: str) -> ResponseFault:
    """Return why a response failed; clients read the pause before a retry from the text."""
    rendered = render_openai_error(error, request_id)
    told = _ERROR.decode(rendered.body).error
    code, message = told.code or "server_error", told.message
    if rendered.status == _TOO_MANY_REQUESTS and code == _RATE_LIMITED:
        wait_s = rendered.headers.get("retry-after", "1")
        message = f"{message} Please try again in {wait_s}s."
    return ResponseFault(code=code, message=message)


def encode_body(body: Struct) -> bytes:
    """Return a body as bytes."""
    return _encode(body)
