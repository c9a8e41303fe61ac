"""POST /v1/responses and /v1/responses/compact: a turn, streamed, whole or in the background."""

import asyncio
import dataclasses
from functools import partial
from http import HTTPStatus
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from grok2api.dialects.errors import openai_status
from grok2api.dialects.openai_compaction import CompactionRenderer, render_compacted
from grok2api.dialects.openai_responses import ResponseRenderer, render_body
from grok2api.dialects.openai_responses_request import RESPONSES_DECODER, wants_compaction
from grok2api.domain.response import EventSlice, ResponseState
from grok2api.errors import GatewayError, InternalError, ShuttingDownError
from grok2api.services.background import Ending, Tell
from grok2api.telemetry.metrics import ServedRequest
from grok2api.web.api.auth import admit
from grok2api.web.api.openai_response_follow import follow
from grok2api.web.api.openai_response_turn import ResponseTurn, prepare
from grok2api.web.api.turn import JSON, OPENAI
from grok2api.web.body import read_json
from grok2api.web.facts import facts_of
from grok2api.web.presence import client_present
from grok2api.web.streaming import EventStreamResponse, Write
from grok2api.web.usage import CLIENT_CLOSED_REQUEST, describe_served, end_answer, settle_answer

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
    await turn.run(turn.renderer, write)
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
        await turn.run(turn.renderer, _write_nothing)
    turn.finish()


async def _write_nothing(_: bytes) -> None:
    """The response is told when it is whole."""


async def _keep(turn: ResponseTurn) -> None:
    if turn.is_stored:
        await turn.state.responses.keep(turn.kept())


async def _start(turn: ResponseTurn) -> Response:
    """Have the response made whether or not the client stays."""
    kept = turn.kept()
    # What becomes of the call that began it is nothing to the response, and the other way round.
    aside = dataclasses.replace(turn, facts=msgspec.structs.replace(turn.facts))
    await turn.state.responses.background.start(
        kept, partial(_produce_aside, aside), partial(_fail_aside, aside)
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

    def served(status: int) -> ServedRequest:
        return describe_served(turn.state, turn.facts, route=ROUTE, method="POST", status=status)

    async def settle(status: int) -> None:
        # Before the end is told: who waits for it may send the next request at once.
        await settle_answer(turn.state, turn.facts, served(status))

    status = CLIENT_CLOSED_REQUEST
    try:
        await tell_more(turn.renderer.render([]))
        await turn.run(turn.renderer, tell_more)
        ending = _ending(turn, told, turn.finish())
        await settle(int(HTTPStatus.OK))
    except GatewayError as error:
        await settle(_note_failure(turn, error))
        raise
    except asyncio.CancelledError:
        if turn.state.drain.is_draining:
            status = _note_failure(turn, ShuttingDownError("This server is restarting."))
        raise
    except Exception:
        status = _note_failure(turn, InternalError("The server made a mistake."))
        raise
    finally:
        end_answer(turn.state, turn.facts, served(status))
    return ending


def _note_failure(turn: ResponseTurn, error: GatewayError) -> int:
    turn.facts.note_error(error)
    return openai_status(error.kind)


def _fail_aside(turn: ResponseTurn, error: GatewayError) -> Ending:
    first = turn.renderer.log.written
    return _ending(turn, first, turn.fail(error))


def _ending(turn: ResponseTurn, first: int, data: bytes) -> Ending:
    log = turn.renderer.log
    events = EventSlice(first, log.written - 1, data, is_end=True)
    return Ending(ResponseState(log.body.status), render_body(turn.renderer), events)
