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
from grok2api.web.api.auth import admit
from grok2api.web.api.turn import (
    JSON,
    Turn,
    count_text,
    list_ignored,
    note_model,
    note_request,
    take_for_chat,
)
from grok2api.web.body import read_json
from grok2api.web.facts import facts_of
from grok2api.web.state import state_of
from grok2api.web.streaming import EventStreamResponse, Write
from grok2api.wire.anthropic.messages import PING, TokenCount


@dataclass(frozen=True, slots=True, kw_only=True)
class _MessageTurn(Turn):
    """One call, and how its answer is shown."""

    frame: AnswerFrame


async def create_message(request: Request) -> Response:
    """Answer one turn of a conversation."""
    state, facts = state_of(request), facts_of(request)
    caller = await admit(request)
    wire = await read_json(request, MESSAGES_REQUEST_DECODER)
    chat_request = note_request(request, parse_request(wire), caller)
    facts.input_tokens = count_input_tokens(chat_request, count_text)
    await take_for_chat(request, chat_request, caller)
    frame = AnswerFrame(
        message_id=f"msg_{secrets.token_hex(12)}",
        model=chat_request.model,
        input_tokens=facts.input_tokens,
        count_tokens=count_text,
        show_reasoning=chat_request.show_reasoning is True,
        show_searches=wants_search(wire.tools),
        show_sources=state.settings.features.show_search_sources,
    )
    turn = _MessageTurn(
        state=state,
        facts=facts,
        request=chat_request,
        caller=caller,
        ignored=await list_ignored(request, wire, ignored_fields(wire)),
        frame=frame,
    )
    return _stream(turn) if facts.is_stream else await _complete(turn, request)


async def count_tokens(request: Request) -> Response:
    """Say how large a request would be; needs no account."""
    await admit(request)
    parsed = parse_request(await read_json(request, MESSAGES_REQUEST_DECODER))
    note_model(request, parsed.model)
    tokens = count_input_tokens(parsed, count_text)
    return Response(msgspec.json.encode(TokenCount(tokens)), media_type=JSON)


def _stream(turn: _MessageTurn) -> Response:
    renderer = StreamRenderer(turn.frame)
    return EventStreamResponse(
        partial(_produce, turn, renderer),
        lambda error: renderer.fail(error, turn.facts.request_id),
        pace=turn.pace(PING),
        context=turn.context,
        headers=turn.headers,
        keep_alive=renderer.keep_alive,
    )


async def _produce(turn: _MessageTurn, renderer: StreamRenderer, write: Write) -> bytes:
    await turn.run(renderer, write)
    closing = renderer.finish()
    turn.facts.output_tokens = renderer.usage().completion
    return closing


async def _complete(turn: _MessageTurn, request: Request) -> Response:
    answer = await turn.complete(request)
    usage = measure_usage(answer, turn.frame)
    turn.facts.output_tokens = usage.completion
    body = render_message(answer, turn.frame, usage)
    return Response(body, media_type=JSON, headers=turn.answer_headers)
