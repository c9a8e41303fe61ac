"""POST /v1/messages, streamed or whole, and /v1/messages/count_tokens."""

import secrets
from dataclasses import dataclass
from functools import partial

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from grok2api.dialects.anthropic_messages import (
    AnswerFrame,
    StreamRenderer,
    measure_usage,
    render_message,
)
from grok2api.dialects.anthropic_messages_request import (
    MESSAGES_REQUEST_DECODER,
    ignored_fields,
    parse_request,
)
from grok2api.dialects.anthropic_tools import wants_search
from grok2api.dialects.prompt_size import count_input_tokens
from grok2api.domain.chat import ChatRequest
from grok2api.domain.client_key import ClientKey
from grok2api.services.affinity import find_affinity
from grok2api.services.dispatch import TurnRecord
from grok2api.telemetry.tokens import estimate_tokens
from grok2api.web.api.auth import admit
from grok2api.web.body import read_json
from grok2api.web.facts import RequestFacts, facts_of
from grok2api.web.presence import client_present
from grok2api.web.state import AppState, state_of
from grok2api.web.streaming import (
    MODE_HEADER,
    EventStreamResponse,
    StreamContext,
    StreamPace,
    Write,
)
from grok2api.wire.anthropic.messages import PING, TokenCount

JSON = "application/json"
ANONYMOUS = "anonymous"
"""In place of a client key's id; no id is this word."""
IGNORED_HEADER = "x-ignored-parameters"


@dataclass(frozen=True, slots=True)
class _Turn:
    """One call, decoded: what both ways of answering need."""

    state: AppState
    facts: RequestFacts
    request: ChatRequest
    frame: AnswerFrame
    ignored: tuple[str, ...]
    caller: ClientKey | None

    def note(self, record: TurnRecord) -> None:
        """Remember which accounts were tried."""
        self.facts.attempts = len(record.attempts)
        self.facts.waited_s = record.waited_s
        self.note_mode(record)
        for attempt in record.attempts:
            self.facts.account = attempt.account
            self.state.metrics.attempt_ended(attempt.outcome.value, attempt.error_kind)

    def note_mode(self, record: TurnRecord) -> None:
        """Remember which mode answers, before the answer begins."""
        self.facts.mode = record.mode.value if record.mode else ""

    @property
    def headers(self) -> dict[str, str]:
        """Tell which parameters had no effect, so that nobody wonders."""
        return {IGNORED_HEADER: ", ".join(self.ignored)} if self.ignored else {}


async def create_message(request: Request) -> Response:
    """Answer one turn of a conversation."""
    state, facts = state_of(request), facts_of(request)
    caller = await admit(request)
    wire = await read_json(request, MESSAGES_REQUEST_DECODER)
    parsed = parse_request(wire)
    affinity = find_affinity(request.headers, parsed, salt=caller.id if caller else ANONYMOUS)
    facts.affinity = affinity.rule.value
    chat_request = msgspec.structs.replace(parsed, affinity=affinity)
    features = state.settings.features
    facts.requested_model = chat_request.model
    facts.model = state.models.resolve(chat_request.model).model.name
    facts.is_stream = features.stream if chat_request.stream is None else chat_request.stream
    facts.input_tokens = count_input_tokens(chat_request, estimate_tokens)
    frame = AnswerFrame(
        message_id=f"msg_{secrets.token_hex(12)}",
        model=chat_request.model,
        input_tokens=facts.input_tokens,
        count_tokens=estimate_tokens,
        show_reasoning=chat_request.show_reasoning is True,
        show_searches=wants_search(wire.tools),
        show_sources=features.show_search_sources,
    )
    turn = _Turn(state, facts, chat_request, frame, ignored_fields(wire), caller)
    return _stream(turn) if facts.is_stream else await _complete(turn, request)


async def count_tokens(request: Request) -> Response:
    """Say how large a request would be; needs no account."""
    state, facts = state_of(request), facts_of(request)
    await admit(request)
    parsed = parse_request(await read_json(request, MESSAGES_REQUEST_DECODER))
    facts.requested_model = parsed.model
    facts.model = state.models.resolve(parsed.model).model.name
    tokens = count_input_tokens(parsed, estimate_tokens)
    return Response(msgspec.json.encode(TokenCount(tokens)), media_type=JSON)


def _stream(turn: _Turn) -> Response:
    renderer = StreamRenderer(turn.frame)
    stream = turn.state.settings.stream
    return EventStreamResponse(
        partial(_produce, turn, renderer),
        lambda error: renderer.fail(error, turn.facts.request_id),
        pace=StreamPace(stream.commit_after_s, stream.keep_alive_s, PING),
        context=StreamContext(turn.facts, turn.state.drain, turn.state.clock),
        headers=turn.headers,
        keep_alive=renderer.keep_alive,
    )


async def _produce(turn: _Turn, renderer: StreamRenderer, write: Write) -> bytes:
    record = TurnRecord()
    try:
        async with turn.state.chat.stream(turn.request, turn.caller) as answer:
            record = answer.record
            async for batch in answer:
                turn.note_mode(record)
                await write(renderer.render(batch))
    finally:
        turn.note(record)
    closing = renderer.finish()
    turn.facts.output_tokens = renderer.usage().completion
    return closing


async def _complete(turn: _Turn, request: Request) -> Response:
    record = TurnRecord()
    try:
        async with client_present(request.receive, turn.state.drain):
            _, answer = await turn.state.chat.complete(turn.request, record, turn.caller)
    finally:
        turn.note(record)
    usage = measure_usage(answer, turn.frame)
    turn.facts.output_tokens = usage.completion
    mode = {MODE_HEADER: turn.facts.mode} if turn.facts.mode else {}
    body = render_message(answer, turn.frame, usage)
    return Response(body, media_type=JSON, headers=turn.headers | mode)
