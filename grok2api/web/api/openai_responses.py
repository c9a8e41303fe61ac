"""POST /v1/responses and /v1/responses/compact: a turn, streamed, whole or in the background."""

from functools import partial
from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from grok2api.dialects.errors import openai_status
from grok2api.dialects.openai_compaction import CompactionRenderer, render_compacted
from grok2api.dialects.openai_responses import ResponseRenderer, render_body
from grok2api.dialects.openai_responses_request import RESPONSES_DECODER, wants_compaction
from grok2api.domain.response import EventSlice, ResponseState
from grok2api.errors import GatewayError, InternalError
from grok2api.services.background import Ending, Tell
from grok2api.web.api.auth import admit
from grok2api.web.api.openai_response_follow import follow
from grok2api.web.api.openai_response_turn import ResponseTurn, prepare
from grok2api.web.api.turn import JSON, OPENAI
from grok2api.web.body import read_json
from grok2api.web.facts import facts_of
from grok2api.web.presence import client_present
from grok2api.web.streaming import EventStreamResponse, Write
from grok2api.web.usage import CLIENT_CLOSED_REQUEST, record_usage, settle_usage

ROUTE: Final = "/v1/responses"


async def create_response(request: Request) -> Response:
    """Answer one turn of a conversation."""
    facts_of(request).dialect = OPENAI
    caller = await admit(request)
    wire = await read_json(request, RESPONSES_DECODER)
    turn = await prepare(request, wire, caller, compacts=wants_compaction(wire))
    if wire.background:
        return await _start(turn)
    return _stream(turn) if turn.facts.is_stream else await _complete(turn, request)


async def compact(request: Request) -> Response:
    """Sum up a conversation; nothing of it is kept here."""
    facts_of(request).dialect = OPENAI
    caller = await admit(request)
    wire = await read_json(request, RESPONSES_DECODER)
    turn = await prepare(request, wire, caller, compacts=True)
    turn.facts.is_stream = False
    await _answer(turn, request)
    if not isinstance(turn.renderer, CompactionRenderer):
        raise InternalError("The server made a mistake.")
    return Response(render_compacted(turn.renderer), media_type=JSON, headers=turn.answer_headers)


def _stream(turn: ResponseTurn) -> Response:
    return EventStreamResponse(
        partial(_produce, turn),
        turn.fail,
        pace=turn.pace(ResponseRenderer.KEEP_ALIVE),
        context=turn.context,
        headers=turn.headers,
    )


async def _produce(turn: ResponseTurn, write: Write) -> bytes:
    await turn.run(turn.renderer.render, write, turn.renderer.usage)
    closing = turn.finish()
    # Before the end is told: clients go on with the response as soon as they have it.
    await _keep(turn)
    return closing


async def _complete(turn: ResponseTurn, request: Request) -> Response:
    await _answer(turn, request)
    await _keep(turn)
    return Response(render_body(turn.renderer), media_type=JSON, headers=turn.answer_headers)


async def _answer(turn: ResponseTurn, request: Request) -> None:
    """Have the whole response made while the client waits."""
    async with client_present(request.receive, turn.state.drain):
        await turn.run(turn.renderer.render, _write_nothing, turn.renderer.usage)
    turn.finish()


async def _write_nothing(_: bytes) -> None:
    """The response is told when it is whole."""


async def _keep(turn: ResponseTurn) -> None:
    if turn.is_stored:
        await turn.state.responses.keep(turn.kept())


async def _start(turn: ResponseTurn) -> Response:
    """Have the response made whether or not the client stays."""
    kept = turn.kept()
    await turn.state.responses.background.start(
        kept, partial(_produce_aside, turn), partial(_fail_aside, turn)
    )
    turn.facts.is_background = True
    if turn.facts.is_stream:
        return follow(turn.state, turn.facts, kept, after=-1, headers=turn.headers)
    return Response(kept.body, media_type=JSON, headers=turn.headers)


async def _produce_aside(turn: ResponseTurn, tell: Tell) -> Ending:
    log, told = turn.renderer.log, 0

    async def tell_more(data: bytes) -> None:
        nonlocal told
        if data:
            tell(EventSlice(told, log.written - 1, data))
            told = log.written

    async def settle(status: int) -> None:
        # Before the end is told: who waits for it may send the next request at once.
        await settle_usage(turn.state, turn.facts, route=ROUTE, method="POST", status=status)

    try:
        await tell_more(turn.renderer.render([]))
        await turn.run(turn.renderer.render, tell_more, turn.renderer.usage)
        ending = _ending(turn, told, turn.finish())
        await settle(int(HTTPStatus.OK))
    except GatewayError as error:
        turn.facts.note_error(error)
        await settle(openai_status(error.kind))
        raise
    finally:
        gone = CLIENT_CLOSED_REQUEST
        record_usage(turn.state, turn.facts, route=ROUTE, method="POST", status=gone)
    return ending


def _fail_aside(turn: ResponseTurn, error: GatewayError) -> Ending:
    first = turn.renderer.log.written
    return _ending(turn, first, turn.fail(error))


def _ending(turn: ResponseTurn, first: int, data: bytes) -> Ending:
    log = turn.renderer.log
    events = EventSlice(first, log.written - 1, data, is_end=True)
    return Ending(ResponseState(log.body.status), render_body(turn.renderer), events)
