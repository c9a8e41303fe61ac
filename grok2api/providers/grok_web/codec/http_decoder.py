"""Decoder of the HTTP stream (protocol B): bytes in, events out."""

from operator import attrgetter
from typing import Final

from grok2api.domain.chat import EventBatch, SearchKind, Source
from grok2api.errors import UpstreamError
from grok2api.providers.grok_web import wire
from grok2api.providers.grok_web.codec import refusal
from grok2api.providers.grok_web.codec.answer import DEFAULT_ASSETS_URL, AnswerState
from grok2api.providers.grok_web.codec.cards import image_chunk, parse_cards
from grok2api.providers.grok_web.codec.failure import parse_failure
from grok2api.providers.grok_web.codec.json_scanner import MAX_OBJECT_BYTES, JsonScanner
from grok2api.providers.grok_web.codec.loose import (
    Loose,
    as_list,
    as_mapping,
    as_text,
    first_text,
)
from grok2api.providers.grok_web.codec.searches import parse_web_hits, parse_x_hits
from grok2api.providers.grok_web.codec.tools import read_tool_card

# Members of a frame beside those that every token has; all None in the usual frame.
_RARE_NAMES: Final = tuple(
    name
    for name in wire.StreamResponse.__struct_fields__
    if name
    not in {
        "token",
        "is_thinking",
        "message_tag",
        "message_step_id",
        "rollout_id",
        "response_id",
        "is_soft_stop",
    }
)
_rare_members = attrgetter(*_RARE_NAMES)
_NO_MEMBERS: Final = (None,) * len(_RARE_NAMES)
_ANSWER_TAG: Final = "final"
_WEB_RESULTS = ("webSearchResults", "citedWebSearchResults")
_X_RESULTS = ("xSearchResults", "xposts", "citedXposts")


class HttpDecoder:
    """Turns the bytes of the HTTP stream into events.

    `error` is set when the answer ended badly, after the events before it were returned; `is_over`
    when nothing follows. `is_ending` says that the visible answer is complete: only a few late
    frames may follow, not worth waiting long for. `unknown_frames` counts what we did not
    understand and left out.
    """

    __slots__ = (
        "_has_envelope",
        "_has_metadata",
        "_raw",
        "_scanner",
        "_state",
        "_unknown",
        "is_ending",
    )

    def __init__(
        self, *, assets_url: str = DEFAULT_ASSETS_URL, limit_bytes: int = MAX_OBJECT_BYTES
    ) -> None:
        self._state = AnswerState(assets_url)
        self._scanner = JsonScanner(wire.STREAM_FRAME.decode, limit_bytes=limit_bytes)
        self._raw: list[str] = []
        self._has_envelope = False
        self._has_metadata = False
        self._unknown = 0
        self.is_ending = False

    @property
    def error(self) -> UpstreamError | None:
        return self._state.error

    @property
    def is_over(self) -> bool:
        return self._state.is_over

    @property
    def has_withheld(self) -> bool:
        """Whether the content rules kept back a picture."""
        return self._state.images.is_moderated

    @property
    def unknown_frames(self) -> int:
        return self._unknown + self._scanner.malformed

    def feed(self, data: bytes) -> EventBatch:
        """Return the events that `data` completes."""
        out: EventBatch = []
        if self.is_over:
            return out
        state = self._state
        for frame in self._scanner.feed(data):
            self._take_frame(frame, out)
            if self._has_envelope and self._has_metadata:
                state.finish(out)
            if state.is_over:
                return out
        if self._scanner.is_too_large:
            state.text.flush(out)
            state.fail(refusal.too_large())
        elif self._scanner.has_end_mark:
            state.finish(out)
        return out

    def close(self) -> EventBatch:
        """Return what is left at the end of the stream."""
        out: EventBatch = []
        if self._scanner.is_inside and not self.is_ending:
            self._state.break_off(out, "the stream ended inside an object")
        else:
            self._state.finish(out)
        return out

    def _take_frame(self, frame: wire.StreamFrame, out: EventBatch) -> None:
        result = frame.result
        if frame.error is not None:
            self._fail(frame.error, out)
        elif result is None:
            self._unknown += 1
        else:
            if result.conversation is not None:
                conversation_id = as_mapping(result.conversation).get("conversationId")
                self._state.open_conversation(conversation_id, out)
            response = result.response
            if response is not None:
                if _rare_members(response) == _NO_MEMBERS:
                    self._take_token(response, out)
                else:
                    self._take_rare(response, out)
                if response.is_soft_stop is True:
                    self.is_ending = True
            elif result.conversation is None and result.title is None:
                self._unknown += 1

    def _take_token(self, response: wire.StreamResponse, out: EventBatch) -> None:
        """Take a frame that holds nothing but a token."""
        token, tag = response.token, response.message_tag
        if token is None:
            self._unknown += response.is_soft_stop is not True
        elif not token or tag == "raw_function_result":
            pass
        elif tag == "tool_usage_card":
            self._start_tool(response, out)
        elif response.is_thinking is True:
            self._state.reason(token, response.rollout_id, out)
        elif tag == _ANSWER_TAG or not tag:
            self._raw.append(token)
            self._state.text.feed(token, out)
        else:
            self._unknown += 1

    def _take_rare(self, response: wire.StreamResponse, out: EventBatch) -> None:
        """Take a frame with other members; the order of the checks is the protocol's."""
        state = self._state
        if response.error is not None:
            self._fail(response.error, out)
            return
        for attachment in (response.card_attachment, *as_list(response.card_attachments)):
            if attachment is not None:
                state.take_attachment(attachment, out)
        if response.image_chunk is not None:
            state.take_card({"image_chunk": response.image_chunk}, out)
        if state.is_over:
            return
        if response.user_response is not None:
            state.know_parent(as_mapping(response.user_response).get("responseId"), out)
        self._take_results(response, out)
        self._take_rare_token(response, out)
        if response.model_response is not None:
            self._take_envelope(as_mapping(response.model_response), out)
        if response.streaming_image_generation_response is not None:
            state.images.take_chunk(as_mapping(response.streaming_image_generation_response), out)
        if response.final_metadata is not None:
            self._has_metadata = True
            self.is_ending = True

    def _take_rare_token(self, response: wire.StreamResponse, out: EventBatch) -> None:
        tag = response.message_tag
        if tag == "tool_usage_card" or response.tool_usage_card is not None:
            self._start_tool(response, out)
        elif response.token and (tag == _ANSWER_TAG or not response.tool_usage_card_id):
            self._take_token(response, out)
        # Else a token of a tool's own output; nobody shall see it.

    def _start_tool(self, response: wire.StreamResponse, out: EventBatch) -> None:
        card = read_tool_card(response)
        self._state.searches.start(card.id, card.kind, card.query, out)

    def _take_results(self, response: wire.StreamResponse, out: EventBatch) -> None:
        """Take search results, which belong to a run if the frame names one."""
        web = _web_hits(response.web_search_results, response.cited_web_search_results)
        posts = _x_hits(response.x_search_results, response.xposts, response.cited_xposts)
        call_id = first_text({"id": response.tool_usage_card_id}, "id")
        self._book(call_id, SearchKind.WEB, web, out)
        self._book(call_id, SearchKind.X, posts, out)

    def _book(
        self, call_id: str, kind: SearchKind, hits: list[Source] | None, out: EventBatch
    ) -> None:
        searches = self._state.searches
        if hits is None:
            return
        if call_id:
            searches.complete(call_id, kind, hits, out)
            return
        for hit in hits:
            searches.add_source(hit, out)

    def _take_envelope(self, envelope: Loose, out: EventBatch) -> None:
        """Take the model response, which repeats the whole answer at its end."""
        state = self._state
        self._has_envelope = True
        for entry in as_list(envelope.get("streamErrors")):
            failure = parse_failure(entry)
            if failure.code or failure.message:
                self._fail(entry, out)
                return
        state.know_parent(envelope.get("parentResponseId"), out)
        web = _web_hits(*(envelope.get(name) for name in _WEB_RESULTS))
        posts = _x_hits(*(envelope.get(name) for name in _X_RESULTS))
        for hit in (*(web or ()), *(posts or ())):
            state.searches.add_source(hit, out)
        for text in as_list(envelope.get("cardAttachmentsJson")):
            for card in parse_cards(text):
                state.cards.add(card)
                if image_chunk(card):
                    state.images.take_chunk(image_chunk(card), out)
        for path in as_list(envelope.get("generatedImageUrls")):
            state.images.take_url(path, out)
        self._take_tail(as_text(envelope.get("message")), out)

    def _take_tail(self, message: str, out: EventBatch) -> None:
        """Give out what the stream left out of `message`; what was streamed stands."""
        raw = "".join(self._raw)
        if len(message) > len(raw) and message.startswith(raw):
            self._raw.append(message[len(raw) :])
            self._state.text.feed(message[len(raw) :], out)

    def _fail(self, value: object, out: EventBatch) -> None:
        self._state.text.flush(out)
        self._state.fail_in_band(parse_failure(value))


def _web_hits(*values: object) -> list[Source] | None:
    given = [value for value in values if value is not None]
    return [hit for value in given for hit in parse_web_hits(value)] if given else None


def _x_hits(*values: object) -> list[Source] | None:
    given = [value for value in values if value is not None]
    return [hit for value in given for hit in parse_x_hits(value)] if given else None
