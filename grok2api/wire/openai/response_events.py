"""The Responses API as on the wire: the events of a stream, in the order in which they come."""

from msgspec import Struct

from grok2api.wire.openai.response_object import (
    OutputItem,
    OutputText,
    ResponseBody,
    SummaryText,
    URLCitation,
)


class ResponseEvent(Struct, frozen=True, kw_only=True, tag_field="type"):
    """One event; numbers grow strictly within a response."""

    sequence_number: int


class LifeEvent(ResponseEvent, frozen=True, kw_only=True):
    """The response as it is now."""

    response: ResponseBody


class Created(LifeEvent, frozen=True, kw_only=True, tag="response.created"):
    """The response exists."""


class InProgress(LifeEvent, frozen=True, kw_only=True, tag="response.in_progress"):
    """The response is being made."""


class Completed(LifeEvent, frozen=True, kw_only=True, tag="response.completed"):
    """The response is whole; nothing follows."""


class Incomplete(LifeEvent, frozen=True, kw_only=True, tag="response.incomplete"):
    """The response was cut; nothing follows."""


class Failed(LifeEvent, frozen=True, kw_only=True, tag="response.failed"):
    """The response failed; nothing follows."""


class OutputItemAdded(ResponseEvent, frozen=True, kw_only=True, tag="response.output_item.added"):
    """An item begins."""

    output_index: int
    item: OutputItem


class OutputItemDone(ResponseEvent, frozen=True, kw_only=True, tag="response.output_item.done"):
    """An item is complete."""

    output_index: int
    item: OutputItem


class ItemEvent(ResponseEvent, frozen=True, kw_only=True):
    """Something about an item that has begun."""

    item_id: str
    output_index: int


class PartAdded(ItemEvent, frozen=True, kw_only=True, tag="response.content_part.added"):
    """A part of a message begins."""

    content_index: int = 0
    part: OutputText


class PartDone(ItemEvent, frozen=True, kw_only=True, tag="response.content_part.done"):
    """A part of a message is complete."""

    content_index: int = 0
    part: OutputText


class TextDelta(ItemEvent, frozen=True, kw_only=True, tag="response.output_text.delta"):
    """More of the text."""

    content_index: int = 0
    delta: str
    logprobs: list[None] = []


class TextDone(ItemEvent, frozen=True, kw_only=True, tag="response.output_text.done"):
    """The text is complete."""

    content_index: int = 0
    text: str
    logprobs: list[None] = []


class AnnotationAdded(
    ItemEvent, frozen=True, kw_only=True, tag="response.output_text.annotation.added"
):
    """A note about the text."""

    content_index: int = 0
    annotation_index: int
    annotation: URLCitation


class SummaryPartAdded(
    ItemEvent, frozen=True, kw_only=True, tag="response.reasoning_summary_part.added"
):
    """A part of the reasoning begins."""

    summary_index: int
    part: SummaryText


class SummaryPartDone(
    ItemEvent, frozen=True, kw_only=True, tag="response.reasoning_summary_part.done"
):
    """A part of the reasoning is complete."""

    summary_index: int
    part: SummaryText


class SummaryDelta(
    ItemEvent, frozen=True, kw_only=True, tag="response.reasoning_summary_text.delta"
):
    """More of the reasoning."""

    summary_index: int
    delta: str


class SummaryDone(ItemEvent, frozen=True, kw_only=True, tag="response.reasoning_summary_text.done"):
    """The text of a part of the reasoning is complete."""

    summary_index: int
    text: str


class ArgumentsDelta(
    ItemEvent, frozen=True, kw_only=True, tag="response.function_call_arguments.delta"
):
    """More of a call's arguments."""

    delta: str


class ArgumentsDone(
    ItemEvent, frozen=True, kw_only=True, tag="response.function_call_arguments.done"
):
    """A call's arguments are complete."""

    name: str
    arguments: str


class CustomInputDelta(
    ItemEvent, frozen=True, kw_only=True, tag="response.custom_tool_call_input.delta"
):
    """More of what a custom tool is given."""

    delta: str


class CustomInputDone(
    ItemEvent, frozen=True, kw_only=True, tag="response.custom_tool_call_input.done"
):
    """What a custom tool is given is complete."""

    input: str


class SearchInProgress(
    ItemEvent, frozen=True, kw_only=True, tag="response.web_search_call.in_progress"
):
    """A search begins."""


class SearchSearching(
    ItemEvent, frozen=True, kw_only=True, tag="response.web_search_call.searching"
):
    """A search runs."""


class SearchCompleted(
    ItemEvent, frozen=True, kw_only=True, tag="response.web_search_call.completed"
):
    """A search has its hits."""
