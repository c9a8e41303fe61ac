"""POST /v1/chat/completions: a turn, streamed or whole."""

import secrets
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from grok2api.dialects.openai_chat import (
    CHAT_REQUEST_DECODER,
    CallStyle,
    StreamRenderer,
    ignored_fields,
    measure_usage,
    parse_request,
    render_completion,
)
from grok2api.dialects.prompt_size import count_input_tokens
from grok2api.web.api.auth import admit
from grok2api.web.api.turn import (
    JSON,
    OPENAI,
    Turn,
    count_text,
    list_ignored,
    note_request,
    take_for_chat,
)
from grok2api.web.body import read_json
from grok2api.web.facts import facts_of
from grok2api.web.state import state_of
from grok2api.web.streaming import EventStreamResponse, Write


@dataclass(frozen=True, slots=True, kw_only=True)
class _ChatTurn(Turn):
    """One call, and how its answer is shown."""

    completion_id: str
    created_s: int
    show_reasoning: bool
    calls: CallStyle


async def create_chat_completion(request: Request) -> Response:
    """Answer one turn of a conversation."""
    state, facts = state_of(request), facts_of(request)
    facts.dialect = OPENAI
    caller = await admit(request)
    wire = await read_json(request, CHAT_REQUEST_DECODER)
    chat_request = note_request(request, parse_request(wire), caller)
    facts.input_tokens = count_input_tokens(chat_request, count_text)
    await take_for_chat(request, chat_request, caller)
    shows = chat_request.show_reasoning
    turn = _ChatTurn(
        state=state,
        facts=facts,
        request=chat_request,
        caller=caller,
        ignored=await list_ignored(request, wire, ignored_fields(wire)),
        completion_id=f"chatcmpl-{secrets.token_hex(12)}",
        created_s=int(state.clock.now_s()),
        show_reasoning=state.settings.features.thinking if shows is None else shows,
        calls=CallStyle.of(wire),
    )
    return _stream(turn) if facts.is_stream else await _complete(turn, request)


def _stream(turn: _ChatTurn) -> Response:
    renderer = StreamRenderer(
        turn.completion_id,
        turn.created_s,
        turn.request.model,
        include_usage=turn.request.include_usage,
        show_reasoning=turn.show_reasoning,
        prompt_tokens=turn.facts.input_tokens,
        count_tokens=count_text,
        show_sources=turn.state.settings.features.show_search_sources,
        calls=turn.calls,
    )
    return EventStreamResponse(
        partial(_produce, turn, renderer),
        lambda error: renderer.fail(error, turn.facts.request_id),
        pace=turn.pace(StreamRenderer.KEEP_ALIVE),
        context=turn.context,
        headers=turn.headers,
    )


async def _produce(turn: _ChatTurn, renderer: StreamRenderer, write: Write) -> bytes:
    await turn.run(renderer, write)
    closing = renderer.finish()
    turn.facts.output_tokens = renderer.usage().completion
    return closing


async def _complete(turn: _ChatTurn, request: Request) -> Response:
    answer = await turn.complete(request)
    usage = measure_usage(answer, prompt_tokens=turn.facts.input_tokens, count_tokens=count_text)
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
    return Response(body, media_type=JSON, headers=turn.answer_headers)
