"""Calls of the client's tools while they are being made."""

from msgspec import UNSET, Struct

from grok2api.dialects.openai_response_log import (
    COMPLETED,
    IN_PROGRESS,
    INCOMPLETE,
    PLACE,
    DeltaFrame,
    ResponseLog,
)
from grok2api.wire.openai.response_events import (
    ArgumentsDelta,
    ArgumentsDone,
    CustomInputDelta,
    CustomInputDone,
)
from grok2api.wire.openai.response_object import CustomCallItem, FunctionCallItem, OutputItem


class ToolName(Struct, frozen=True):
    """A tool as its client calls it. `namespace` is "" outside of any."""

    name: str
    namespace: str = ""
    is_custom: bool = False


class OpenCall:
    """A call of one of the client's tools."""

    __slots__ = ("_call_id", "_frame", "_id", "_index", "_log", "_name", "_texts")

    def __init__(self, log: ResponseLog, item_id: str, call_id: str, name: ToolName) -> None:
        self._log = log
        self._id = item_id
        self._call_id = call_id
        self._name = name
        self._texts: list[str] = []
        self._index = log.add(self._item(IN_PROGRESS))
        kind = CustomInputDelta if name.is_custom else ArgumentsDelta
        self._frame = DeltaFrame(
            kind(sequence_number=0, item_id=item_id, output_index=self._index, delta=PLACE)
        )

    def add(self, text: str) -> None:
        """Write more of the arguments."""
        self._texts.append(text)
        self._log.splice(self._frame, text)

    def close(self, status: str = COMPLETED) -> None:
        """Complete the call. A function always has arguments: none at all are no JSON."""
        if not self._texts and not self._name.is_custom:
            self.add("{}")
        log, text = self._log, "".join(self._texts)
        if self._name.is_custom:
            log.write(
                CustomInputDone(
                    sequence_number=log.next(),
                    item_id=self._id,
                    output_index=self._index,
                    input=text,
                )
            )
        else:
            log.write(
                ArgumentsDone(
                    sequence_number=log.next(),
                    item_id=self._id,
                    output_index=self._index,
                    name=self._name.name,
                    arguments=text,
                )
            )
        log.done(self._index, self._item(status))

    def leave(self) -> None:
        """Keep what there is of a call that broke off."""
        self._log.leave(self._index, self._item(INCOMPLETE))

    def _item(self, status: str) -> OutputItem:
        text, namespace = "".join(self._texts), self._name.namespace or UNSET
        if self._name.is_custom:
            return CustomCallItem(
                id=self._id,
                status=status,
                input=text,
                call_id=self._call_id,
                name=self._name.name,
                namespace=namespace,
            )
        return FunctionCallItem(
            id=self._id,
            status=status,
            arguments=text,
            call_id=self._call_id,
            name=self._name.name,
            namespace=namespace,
        )
