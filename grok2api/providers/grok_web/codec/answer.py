"""What both stream decoders know of one answer, and how it may end."""

from typing import Final

from grok2api.domain.chat import (
    ConversationOpened,
    EventBatch,
    Finished,
    ParentKnown,
    ReasoningDelta,
)
from grok2api.errors import UpstreamError, UpstreamProtocolError, UpstreamUnavailableError
from grok2api.providers.grok_web.codec import refusal
from grok2api.providers.grok_web.codec.cards import CardCache, image_chunk, parse_cards
from grok2api.providers.grok_web.codec.failure import Failure
from grok2api.providers.grok_web.codec.images import ImageLog
from grok2api.providers.grok_web.codec.loose import Loose, as_text
from grok2api.providers.grok_web.codec.searches import SearchLog
from grok2api.providers.grok_web.codec.text import TextCleaner

DEFAULT_ASSETS_URL: Final = "https://assets.grok.com"


class AnswerState:
    """The state of one answer.

    `error` is what ended it badly; the events before it have been given out already. `is_over` says
    that nothing follows, in either case.
    """

    __slots__ = (
        "_conversation_id",
        "_parent_id",
        "cards",
        "error",
        "images",
        "is_over",
        "searches",
        "text",
    )

    def __init__(self, assets_url: str) -> None:
        self.cards = CardCache()
        self.searches = SearchLog()
        self.images = ImageLog(assets_url)
        self.text = TextCleaner(self.cards, self.searches)
        self.error: UpstreamError | None = None
        self.is_over = False
        self._conversation_id = ""
        self._parent_id = ""

    @property
    def has_content(self) -> bool:
        """Whether anything came that makes an answer."""
        return self.text.has_text or self.images.has_images or self.searches.has_runs

    def reason(self, text: str, agent: object, out: EventBatch) -> None:
        """Give out thinking, unless the answer itself has begun: the order must not go back."""
        if text and not self.text.has_text:
            out.append(ReasoningDelta(text, agent if isinstance(agent, str) else ""))

    def open_conversation(self, value: object, out: EventBatch) -> None:
        conversation_id = as_text(value).strip()
        if conversation_id and not self._conversation_id:
            self._conversation_id = conversation_id
            out.append(ConversationOpened(conversation_id))

    def know_parent(self, value: object, out: EventBatch) -> None:
        parent_id = as_text(value).strip()
        if parent_id and not self._parent_id:
            self._parent_id = parent_id
            out.append(ParentKnown(parent_id))

    def take_attachment(self, attachment: object, out: EventBatch) -> None:
        """Take cards: keep what tags refer to, report pictures."""
        for card in parse_cards(attachment):
            self.take_card(card, out)

    def take_card(self, card: Loose, out: EventBatch) -> None:
        """Take one card."""
        self.cards.add(card)
        chunk = image_chunk(card)
        if not chunk:
            return
        if "rate_limit" in as_text(chunk.get("systemErrCode")):
            self.fail(refusal.usage_limit(status=None, detail="card systemErrCode rate_limit"))
            return
        self.images.take_chunk(chunk, out)

    def fail(self, error: UpstreamError) -> None:
        """End the answer badly; the first reason stands."""
        if not self.is_over:
            self.error = error
            self.is_over = True

    def fail_in_band(self, failure: Failure) -> None:
        """End the answer by an error that the upstream put into the stream."""
        self.fail(refusal.classify_in_band(failure))

    def finish(self, out: EventBatch) -> None:
        """End the answer well, unless nothing came."""
        if self.is_over:
            return
        self.text.flush(out)
        if not self.has_content:
            self.fail(self._empty())
            return
        self.searches.finish(out)
        self.is_over = True
        out.append(Finished())

    def break_off(self, out: EventBatch, detail: str) -> None:
        """End an answer whose stream stopped in the middle."""
        if self.is_over:
            return
        self.text.flush(out)
        self.fail(
            UpstreamUnavailableError(
                "The upstream broke off its answer.",
                code="upstream_stream_truncated",
                detail=detail,
            )
            if self.has_content
            else self._empty()
        )

    def _empty(self) -> UpstreamError:
        if self.images.is_moderated:
            return refusal.content_rejected(status=None, detail="every picture was withheld")
        return UpstreamProtocolError(
            "The upstream's answer was empty.", code="upstream_stream_empty"
        )
