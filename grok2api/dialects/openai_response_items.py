"""Output items while they are being made: each writes its events and becomes what is kept of it."""

from msgspec import UNSET

from grok2api.dialects.openai_response_log import (
    COMPLETED,
    IN_PROGRESS,
    INCOMPLETE,
    PLACE,
    DeltaFrame,
    ResponseLog,
)
from grok2api.domain.chat import Citation, SearchCall
from grok2api.wire.openai.response_events import (
    AnnotationAdded,
    PartAdded,
    PartDone,
    SearchCompleted,
    SearchInProgress,
    SearchSearching,
    SummaryDelta,
    SummaryDone,
    SummaryPartAdded,
    SummaryPartDone,
    TextDelta,
    TextDone,
)
from grok2api.wire.openai.response_object import (
    MessageItem,
    OutputText,
    ReasoningItem,
    SearchAction,
    SearchItem,
    SearchSourceURL,
    SummaryText,
    URLCitation,
)


class OpenMessage:
    """The text. `first` is how many characters earlier messages of this answer hold."""

    __slots__ = ("_frame", "_id", "_index", "_log", "_marks", "_texts", "first", "length")

    def __init__(self, log: ResponseLog, item_id: str, first: int) -> None:
        self._log = log
        self._id = item_id
        self._texts: list[str] = []
        self._marks: list[URLCitation] = []
        self.first = first
        self.length = 0
        self._index = log.add(MessageItem(id=item_id, status=IN_PROGRESS, content=[]))
        log.write(
            PartAdded(
                sequence_number=log.next(),
                item_id=item_id,
                output_index=self._index,
                part=OutputText(),
            )
        )
        self._frame = DeltaFrame(
            TextDelta(sequence_number=0, item_id=item_id, output_index=self._index, delta=PLACE)
        )

    def add(self, text: str) -> None:
        """Write more text."""
        self._texts.append(text)
        self.length += len(text)
        self._log.splice(self._frame, text)

    def cite(self, mark: Citation) -> None:
        """Note a citation whose mark stands in the text."""
        note = URLCitation(
            url=mark.url,
            title=mark.title or mark.url,
            start_index=mark.start - self.first,
            end_index=mark.end - self.first,
        )
        self._marks.append(note)
        self._log.write(
            AnnotationAdded(
                sequence_number=self._log.next(),
                item_id=self._id,
                output_index=self._index,
                annotation_index=len(self._marks) - 1,
                annotation=note,
            )
        )

    def close(self, status: str = COMPLETED) -> None:
        """Complete the message."""
        log, part = self._log, self._part()
        log.write(
            TextDone(
                sequence_number=log.next(),
                item_id=self._id,
                output_index=self._index,
                text=part.text,
            )
        )
        log.write(
            PartDone(
                sequence_number=log.next(), item_id=self._id, output_index=self._index, part=part
            )
        )
        log.done(self._index, self._item(status))

    def leave(self) -> None:
        """Keep what there is of a message that broke off."""
        self._log.leave(self._index, self._item(INCOMPLETE))

    def _part(self) -> OutputText:
        return OutputText(text="".join(self._texts), annotations=list(self._marks))

    def _item(self, status: str) -> MessageItem:
        return MessageItem(id=self._id, status=status, content=[self._part()])


class OpenReasoning:
    """The thinking: a part for each speaker in turn. Something is added before it is closed."""

    __slots__ = ("_agent", "_frame", "_id", "_index", "_log", "_parts", "_texts")

    def __init__(self, log: ResponseLog, item_id: str) -> None:
        self._log = log
        self._id = item_id
        self._agent = ""
        self._frame: DeltaFrame | None = None
        self._texts: list[str] = []
        self._parts: list[SummaryText] = []
        self._index = log.add(ReasoningItem(id=item_id, summary=[], status=IN_PROGRESS))

    def add(self, text: str, agent: str) -> None:
        """Write more of what `agent` thinks."""
        if self._frame is not None and agent != self._agent:
            self._end_part()
        self._agent = agent
        frame = self._frame or self._begin_part()
        self._texts.append(text)
        self._log.splice(frame, text)

    def close(self, status: str = COMPLETED) -> None:
        """Complete the item."""
        self._end_part()
        self._log.done(self._index, self._item(status))

    def leave(self) -> None:
        """Keep what there is of thinking that broke off."""
        self._parts.append(SummaryText(text="".join(self._texts)))
        self._log.leave(self._index, self._item(INCOMPLETE))

    def _begin_part(self) -> DeltaFrame:
        log, at = self._log, len(self._parts)
        log.write(
            SummaryPartAdded(
                sequence_number=log.next(),
                item_id=self._id,
                output_index=self._index,
                summary_index=at,
                part=SummaryText(),
            )
        )
        self._frame = DeltaFrame(
            SummaryDelta(
                sequence_number=0,
                item_id=self._id,
                output_index=self._index,
                summary_index=at,
                delta=PLACE,
            )
        )
        return self._frame

    def _end_part(self) -> None:
        log, at = self._log, len(self._parts)
        part = SummaryText(text="".join(self._texts))
        log.write(
            SummaryDone(
                sequence_number=log.next(),
                item_id=self._id,
                output_index=self._index,
                summary_index=at,
                text=part.text,
            )
        )
        log.write(
            SummaryPartDone(
                sequence_number=log.next(),
                item_id=self._id,
                output_index=self._index,
                summary_index=at,
                part=part,
            )
        )
        self._parts.append(part)
        self._texts.clear()
        self._frame = None

    def _item(self, status: str) -> ReasoningItem:
        return ReasoningItem(id=self._id, summary=list(self._parts), status=status)


def write_search(
    log: ResponseLog, item_id: str, search: SearchCall, *, shows_sources: bool
) -> None:
    """Write a search from its beginning to its end."""
    action = SearchAction(
        query=search.query,
        sources=[SearchSourceURL(url=hit.url) for hit in search.sources]
        if shows_sources
        else UNSET,
    )
    index = log.add(SearchItem(id=item_id, status=IN_PROGRESS, action=action))
    for kind in (SearchInProgress, SearchSearching, SearchCompleted):
        log.write(kind(sequence_number=log.next(), item_id=item_id, output_index=index))
    log.done(index, SearchItem(id=item_id, status=COMPLETED, action=action))
