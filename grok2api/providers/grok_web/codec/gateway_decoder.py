"""Decoder of the gateway socket (protocol A): one text message in, events out."""

from typing import Final

from grok2api.domain.chat import EventBatch, SearchKind
from grok2api.errors import UpstreamError, UpstreamUnavailableError
from grok2api.providers.grok_web import wire
from grok2api.providers.grok_web.codec import refusal
from grok2api.providers.grok_web.codec.answer import DEFAULT_ASSETS_URL, AnswerState
from grok2api.providers.grok_web.codec.failure import parse_failure
from grok2api.providers.grok_web.codec.loose import as_list, as_mapping, as_text, first_text
from grok2api.providers.grok_web.codec.redact import redact
from grok2api.providers.grok_web.codec.searches import parse_web_hits, parse_x_hits

MAX_MESSAGE_BYTES = 16 * 1024 * 1024

_decode = wire.GATEWAY_MESSAGE.decode
_ANSWER_CHANNEL: Final = "CHANNEL_ASSISTANT_RESPONSE"
# Part of the protocol, and nothing in it that a client would need.
_SILENT = frozenset({"session.created", "ping", "pong"})
_GOOD_STATUSES = frozenset({"", "completed"})


class GatewayDecoder:
    """Turns the messages of the gateway into events.

    `error` is set when the answer ended badly, after the events before it were returned; `is_over`
    when nothing follows. `unknown_frames` counts what we did not understand and left out.
    """

    __slots__ = ("_state", "unknown_frames")

    def __init__(self, *, assets_url: str = DEFAULT_ASSETS_URL) -> None:
        self._state = AnswerState(assets_url)
        self.unknown_frames = 0

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

    def open_conversation(self, conversation_id: str) -> EventBatch:
        """Return the event that says how the handshake named the conversation."""
        out: EventBatch = []
        self._state.open_conversation(conversation_id, out)
        return out

    def feed(self, message: bytes) -> EventBatch:
        """Return the events of one message."""
        out: EventBatch = []
        self.feed_into(message, out)
        return out

    def feed_into(self, message: bytes, out: EventBatch) -> None:
        """Append the events of one message to `out`."""
        if self._state.is_over:
            return
        if len(message) > MAX_MESSAGE_BYTES:
            self._state.fail(refusal.too_large())
            return
        try:
            event = _decode(message).event
        except (ValueError, RecursionError):
            self.unknown_frames += 1
            return
        if event is None:
            self.unknown_frames += 1
        elif event.type == "response.chunk" and event.chunk is not None:
            self._take_chunk(event.chunk, out)
        else:
            self._take_rare(event, out)

    def close(self) -> EventBatch:
        """Return what is left when the socket has closed; that is an error unless it is over."""
        out: EventBatch = []
        self._state.break_off(out, "the socket closed before the answer was complete")
        return out

    def _take_chunk(self, chunk: wire.GatewayChunk, out: EventBatch) -> None:
        text, card, result = chunk.text, chunk.tool_usage_card, chunk.tool_result
        if card is not None:
            self._start_tool(card, out)
        if result is not None:
            self._end_tool(result, out)
        if chunk.render_citation is not None:
            self._state.text.cite(as_mapping(chunk.render_citation).get("url"), out)
        elif text is not None:
            if text.text:
                self._take_text(text.text, text.channel, out)
        elif card is None and result is None:
            self.unknown_frames += 1

    def _take_text(self, text: str, channel: object, out: EventBatch) -> None:
        if channel != _ANSWER_CHANNEL:
            name = as_text(channel).strip().upper()
            if "ANALYSIS" in name or "REASONING" in name:
                self._state.reason(text, None, out)
                return
            if name and name != _ANSWER_CHANNEL:
                self.unknown_frames += 1
                return
        self._state.text.feed(text, out)

    def _start_tool(self, value: object, out: EventBatch) -> None:
        card = as_mapping(value)
        call_id = first_text(card, "tool_usage_card_id", "id")
        for name, kind in (("web_search", SearchKind.WEB), ("x_search", SearchKind.X)):
            tool = card.get(name)
            if isinstance(tool, dict):
                query = first_text(tool, "query") or first_text(
                    as_mapping(tool.get("args")), "query"
                )
                self._state.searches.start(call_id, kind, query, out)
                return
        self._state.searches.start(call_id, None, "", out)

    def _end_tool(self, value: object, out: EventBatch) -> None:
        result = as_mapping(value)
        call_id = first_text(result, "tool_call_id", "tool_usage_card_id", "id")
        web, post = result.get("web_search"), result.get("x_post")
        searches = self._state.searches
        if isinstance(web, dict):
            hits = parse_web_hits(web.get("webpages"))
            searches.complete(call_id, SearchKind.WEB, hits, out)
        if isinstance(post, dict):
            searches.complete(call_id, SearchKind.X, parse_x_hits(post.get("posts")), out)

    def _take_rare(self, event: wire.GatewayEvent, out: EventBatch) -> None:
        state = self._state
        match event.type:
            case "response.output_text.delta" if isinstance(event.delta, str):
                state.text.feed(event.delta, out)
            case "response.output_text.done" if isinstance(event.text, str):
                if not state.text.has_text:
                    state.text.feed(event.text, out)
            case "response.search.result":
                for hit in parse_web_hits([event.result]):
                    state.searches.add_source(hit, out)
            case "response.grok.output":
                self._take_wrapped(event.output, out)
            case "response.done":
                self._take_done(event.response, out)
            case "conversation.attached":
                state.open_conversation(as_mapping(event.conversation).get("id"), out)
            case _:
                self._take_ending(event, out)

    def _take_ending(self, event: wire.GatewayEvent, out: EventBatch) -> None:
        state = self._state
        if event.type == "error":
            state.text.flush(out)
            state.fail_in_band(parse_failure(event.error))
        elif event.type == "session.ended":
            state.text.flush(out)
            state.fail(
                UpstreamUnavailableError(
                    "The upstream ended its session before the answer was complete.",
                    code="upstream_session_ended",
                )
            )
        elif event.type not in _SILENT:
            self.unknown_frames += 1

    def _take_wrapped(self, value: object, out: EventBatch) -> None:
        output = as_mapping(value)
        if output.get("stream_error"):
            self._state.text.flush(out)
            self._state.fail_in_band(parse_failure(output["stream_error"]))
        elif output.get("card_attachment"):
            for attachment in as_list(output["card_attachment"]) or [output["card_attachment"]]:
                self._state.take_attachment(attachment, out)
        else:
            self.unknown_frames += 1

    def _take_done(self, value: object, out: EventBatch) -> None:
        response = as_mapping(value)
        status = as_text(response.get("status")).strip().lower()
        if status in _GOOD_STATUSES:
            self._state.text.flush(out)
            self._state.know_parent(response.get("id"), out)
            self._state.finish(out)
            return
        self._state.text.flush(out)
        detail = redact(f"response.done with status {status}")
        self._state.fail(refusal.unavailable(status=None, detail=detail))
