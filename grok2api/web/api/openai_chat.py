"""POST /v1/chat/completions: a turn, streamed or whole."""

import secrets
from dataclasses import dataclass
from functools import partial

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from grok2api.dialects.openai_chat import (
    CHAT_REQUEST_DECODER,
    CallStyle,
    StreamRenderer,
    count_prompt_tokens,
    ignored_fields,
    measure_usage,
    parse_request,
    render_completion,
)
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

JSON = "application/json"
DIALECT = "openai"
ANONYMOUS = "anonymous"
"""In place of a client key's id; no id is this word."""
IGNORED_HEADER = "x-ignored-parameters"


@dataclass(frozen=True, slots=True)
class _Turn:
    """One call, decoded: what both ways of answering need."""

    state: AppState
    facts: RequestFacts
    request: ChatRequest
    completion_id: str
    created_s: int
    show_reasoning: bool
    prompt_tokens: int
    ignored: tuple[str, ...]
    calls: CallStyle
    caller: ClientKey | None

    def note_mode(self, record: TurnRecord) -> None:
        """Remember which mode answers, before the answer begins."""
        self.facts.mode = record.mode.value if record.mode else ""

    @property
    def headers(self) -> dict[str, str]:
        """Tell which parameters had no effect, so that nobody wonders."""
        return {IGNORED_HEADER: ", ".join(self.ignored)} if self.ignored else {}


async def create_chat_completion(request: Request) -> Response:
    """Answer one turn of a conversation."""
    state, facts = state_of(request), facts_of(request)
    facts.dialect = DIALECT
    caller = await admit(request)
    wire = await read_json(request, CHAT_REQUEST_DECODER)
    parsed = parse_request(wire)
    affinity = find_affinity(request.headers, parsed, salt=caller.id if caller else ANONYMOUS)
    facts.affinity = affinity.rule.value
    chat_request = msgspec.structs.replace(parsed, affinity=affinity)
    features = state.settings.features
    facts.requested_model = chat_request.model
    facts.model = state.models.resolve(chat_request.model).model.name
    facts.is_stream = _or_default(chat_request.stream, features.stream)
    turn = _Turn(
        state=state,
        facts=facts,
        request=chat_request,
        completion_id=f"chatcmpl-{secrets.token_hex(12)}",
        created_s=int(state.clock.now_s()),
        show_reasoning=_or_default(chat_request.show_reasoning, features.thinking),
        prompt_tokens=count_prompt_tokens(chat_request, estimate_tokens),
        ignored=ignored_fields(wire),
        calls=CallStyle.of(wire),
        caller=caller,
    )
    facts.input_tokens = turn.prompt_tokens
    return _stream(turn) if facts.is_stream else await _complete(turn, request)


def _stream(turn: _Turn) -> Response:
    renderer = StreamRenderer(
        turn.completion_id,
        turn.created_s,
        turn.request.model,
        include_usage=turn.request.include_usage,
        show_reasoning=turn.show_reasoning,
        prompt_tokens=turn.prompt_tokens,
        count_tokens=estimate_tokens,
        show_sources=turn.state.settings.features.show_search_sources,
        calls=turn.calls,
    )
    stream = turn.state.settings.stream
    return EventStreamResponse(
        partial(_produce, turn, renderer),
        lambda error: renderer.fail(error, turn.facts.request_id),
        pace=StreamPace(stream.commit_after_s, stream.keep_alive_s, StreamRenderer.KEEP_ALIVE),
        context=StreamContext(turn.facts, turn.state.drain, turn.state.clock),
        headers=turn.headers,
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
        _note_attempts(turn, record)
    closing = renderer.finish()
    turn.facts.output_tokens = renderer.usage().completion
    return closing


async def _complete(turn: _Turn, request: Request) -> Response:
    record = TurnRecord()
    try:
        async with client_present(request.receive, turn.state.drain):
            _, answer = await turn.state.chat.complete(turn.request, record, turn.caller)
    finally:
        _note_attempts(turn, record)
    usage = measure_usage(answer, prompt_tokens=turn.prompt_tokens, count_tokens=estimate_tokens)
    turn.facts.output_tokens = usage.completion
    body = render_completion(
        answer,
        completion_id=turn.completion_id,
        created_s=turn.created_s,
        model=turn.request.model,
        show_reasoning=turn.show_reasoning,
        usage=usage,
        show_sources=turn.state.settings.features.show_search_sources,
        calls=turn.calls,
    )
    turn.note_mode(record)
    mode = {MODE_HEADER: turn.facts.mode} if turn.facts.mode else {}
    return Response(body, media_type=JSON, headers=turn.headers | mode)


def _note_attempts(turn: _Turn, record: TurnRecord) -> None:
    turn.facts.attempts = len(record.attempts)
    turn.facts.waited_s = record.waited_s
    turn.note_mode(record)
    for attempt in record.attempts:
        turn.facts.account = attempt.account
        turn.state.metrics.attempt_ended(attempt.outcome.value, attempt.error_kind)


def _or_default(value: bool | None, default: bool) -> bool:  # noqa: FBT001
    return default if value is None else value
