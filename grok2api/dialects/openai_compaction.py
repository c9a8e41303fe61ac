"""Compaction: a conversation becomes one sealed summary, which a later request brings back."""

from collections.abc import Callable
from typing import Final

from msgspec import structs

from grok2api.dialects.openai_response_log import ResponseLog, encode_body, usage_body
from grok2api.dialects.openai_responses import item_key
from grok2api.domain.answer import AnswerFold, Usage
from grok2api.domain.chat import ChatRequest, EventBatch, FinishReason, Message, Role, TextPart
from grok2api.domain.tools import AnswerFormat, ToolChoice
from grok2api.errors import GatewayError, UpstreamProtocolError
from grok2api.wire.openai.response_object import CompactedBody, CompactionItem, ResponseBody

_TASK: Final = (
    "The conversation has to go on without its text so far. Write the notes that another "
    "assistant needs to carry on as if it had been there: what the user wants and has said about "
    "how; what was decided and why; what has been done, with the names of files, functions, "
    "commands and values that matter, literally; what went wrong; what is left to do next. "
    "Do not continue the conversation and call no tools. Write the notes only."
)


def ask_for_summary(request: ChatRequest) -> ChatRequest:
    """Return the request that has the conversation of `request` summed up."""
    return structs.replace(
        request,
        messages=(*request.messages, Message(Role.USER, (TextPart(_TASK),))),
        tools=(),
        tool_choice=ToolChoice(),
        answer_format=AnswerFormat(),
        max_output_tokens=None,
        stop=(),
    )


class CompactionRenderer:
    """Renders a response whose only item is the sealed summary that the model writes."""

    __slots__ = ("_count_tokens", "_fold", "_prompt_tokens", "_seal", "log")

    def __init__(
        self,
        body: ResponseBody,
        *,
        seal: Callable[[str], str],
        prompt_tokens: int,
        count_tokens: Callable[[str], int],
    ) -> None:
        self.log = ResponseLog(body)
        self._fold = AnswerFold()
        self._seal = seal
        self._prompt_tokens = prompt_tokens
        self._count_tokens = count_tokens

    def render(self, events: EventBatch) -> bytes:
        """Return the opening events; the text itself is not told."""
        self._fold.add(events)
        self.log.begin()
        return self.log.take()

    def finish(self, completed_s: int) -> bytes:
        """Return the item, then the last event.

        Raises:
            UpstreamProtocolError: the model wrote no summary.
        """
        text = self._fold.answer().text.strip()
        if not text:
            raise UpstreamProtocolError(
                "The upstream gave no summary.", code="upstream_stream_empty"
            )
        self.log.begin()
        item = CompactionItem(
            id=f"cmp_{item_key(self.log.body.id)}_1", encrypted_content=self._seal(text)
        )
        self.log.done(self.log.add(item), item)
        self.log.end(FinishReason.STOP, self.usage(), completed_s)
        return self.log.take()

    def fail(self, error: GatewayError, request_id: str) -> bytes:
        """Return the end of a response that broke off."""
        self.log.fail(error, request_id, self.usage())
        return self.log.take()

    def usage(self) -> Usage:
        """Return the tokens of all that came so far."""
        answer = self._fold.answer()
        thought = self._count_tokens(answer.reasoning)
        return Usage(
            prompt=self._prompt_tokens,
            completion=self._count_tokens(answer.text) + thought,
            reasoning=thought,
        )


def render_compacted(renderer: CompactionRenderer) -> bytes:
    """Return the answer of `POST /v1/responses/compact`."""
    body = renderer.log.body
    return encode_body(
        CompactedBody(
            id=body.id,
            created_at=body.created_at,
            output=body.output,
            usage=usage_body(renderer.usage()),
        )
    )
