"""POST /v1/responses and /v1/responses/compact: a turn, streamed, whole or in the background."""

from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from grok2api.dialects.openai_compaction import CompactionRenderer, render_compacted
from grok2api.dialects.openai_responses import ResponseRenderer, render_body
from grok2api.dialects.openai_responses_request import RESPONSES_DECODER, wants_compaction
from grok2api.domain.response import EventSlice, ResponseState
from grok2api.errors import GatewayError, InternalError
from grok2api.services.background import Ending, Tell
from grok2api.services.dispatch import TurnRecord
from grok2api.web.api.auth import admit
from grok2api.web.api.openai_chat import DIALECT, JSON
from grok2api.web.api.openai_response_follow import follow
from grok2api.web.api.openai_response_turn import ResponseTurn, prepare
from grok2api.web.body import read_json
from grok2api.web.facts import facts_of
from grok2api.web.presence import client_present
from grok2api.web.streaming import (
    MODE_HEADER,
    EventStreamResponse,
    StreamContext,
    StreamPace,
    Write,
)


async def create_response(request: Request) -> Response:
    """Answer one turn of a conversation."""
    facts_of(request).dialect = DIALECT
    caller = await admit(request)
    wire = await read_json(request, RESPONSES_DECODER)
    turn = await prepare(request, wire, caller, compacts=wants_compaction(wire))
    default = turn.state.settings.features.stream
    turn.facts.is_stream = default if wire.stream is None else wire.stream
    if wire.background:
        return await _start(turn)
    return _stream(turn) if turn.facts.is_stream else await _complete(turn, request)


async def compact(request: Request) -> Response:
    """Sum up a conversation; nothing of it is kept here."""
    facts_of(request).dialect = DIALECT
    caller = await admit(request)
    wire = await read_json(request, RESPONSES_DECODER)
    turn = await prepare(request, wire, caller, compacts=True)
    await _answer(turn, request)
    if not isinstance(turn.renderer, CompactionRenderer):
        raise InternalError("The server made a mistake.")
    return Response(render_compacted(turn.renderer), media_type=JSON, headers=_headers(turn))


def _stream(turn: ResponseTurn) -> Response:
    stream = turn.state.settings.stream
    return EventStreamResponse(
        partial(_produce, turn),
        turn.fail,
        pace=StreamPace(stream.commit_after_s, stream.keep_alive_s, ResponseRenderer.KEEP_ALIVE),
        context=StreamContext(turn.facts, turn.state.drain, turn.state.clock),
        headers=turn.headers,
    )


async def _produce(turn: ResponseTurn, write: Write) -> bytes:
    record = TurnRecord()
    try:
        async with turn.state.chat.stream(turn.request, turn.caller) as answer:
            record = answer.record
            async for batch in answer:
                turn.note_mode(record)
                await write(turn.renderer.render(batch))
    finally:
        turn.note(record)
    closing = turn.finish()
    # Before the end is told: clients go on with the response as soon as they have it.
    await _keep(turn)
    return closing


async def _complete(turn: ResponseTurn, request: Request) -> Response:
    await _answer(turn, request)
    await _keep(turn)
    return Response(render_body(turn.renderer), media_type=JSON, headers=_headers(turn))


async def _answer(turn: ResponseTurn, request: Request) -> None:
    """Have the whole response made while the client waits."""
    async with client_present(request.receive, turn.state.drain):
        await _produce_unseen(turn)


async def _produce_unseen(turn: ResponseTurn) -> None:
    record = TurnRecord()
    try:
        async with turn.state.chat.stream(turn.request, turn.caller) as answer:
            record = answer.record
            async for batch in answer:
                turn.renderer.render(batch)
    finally:
        turn.note(record)
    turn.finish()


async def _keep(turn: ResponseTurn) -> None:
    if turn.is_stored:
        await turn.state.responses.keep(turn.kept())


async def _start(turn: ResponseTurn) -> Response:
    """Have the response made whether or not the client stays."""
    kept = turn.kept()
    await turn.state.responses.background.start(
        kept, partial(_produce_aside, turn), partial(_fail_aside, turn)
    )
    if turn.facts.is_stream:
        return follow(turn.state, turn.facts, kept, after=-1, headers=turn.headers)
    return Response(kept.body, media_type=JSON, headers=turn.headers)


async def _produce_aside(turn: ResponseTurn, tell: Tell) -> Ending:
    log, record = turn.renderer.log, TurnRecord()
    tell(EventSlice(0, 1, turn.renderer.render([])))
    try:
        async with turn.state.chat.stream(turn.request, turn.caller) as answer:
            record = answer.record
            async for batch in answer:
                first = log.written
                if data := turn.renderer.render(batch):
                    tell(EventSlice(first, log.written - 1, data))
    finally:
        turn.note(record)
    first = log.written
    return _ending(turn, first, turn.finish())


def _fail_aside(turn: ResponseTurn, error: GatewayError) -> Ending:
    first = turn.renderer.log.written
    return _ending(turn, first, turn.fail(error))


def _ending(turn: ResponseTurn, first: int, data: bytes) -> Ending:
    log = turn.renderer.log
    events = EventSlice(first, log.written - 1, data, is_end=True)
    return Ending(ResponseState(log.body.status), render_body(turn.renderer), events)


def _headers(turn: ResponseTurn) -> dict[str, str]:
    mode = {MODE_HEADER: turn.facts.mode} if turn.facts.mode else {}
    return turn.headers | mode
