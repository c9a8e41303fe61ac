"""What can be done with a response that is kept: read it, cancel it, forget it."""

from starlette.requests import Request
from starlette.responses import Response

from grok2api.dialects.openai_response_kept import (
    MAX_PAGE,
    render_deleted,
    render_input_items,
    render_kept,
)
from grok2api.domain.ids import ClientKeyId
from grok2api.errors import InvalidRequestError
from grok2api.web.api.auth import admit
from grok2api.web.api.openai_response_follow import follow
from grok2api.web.api.openai_response_turn import owner_of
from grok2api.web.api.queries import read_number
from grok2api.web.api.turn import JSON, OPENAI
from grok2api.web.facts import facts_of
from grok2api.web.state import state_of

DEFAULT_PAGE = 20
_TRUE = frozenset({"true", "1"})


async def retrieve(request: Request) -> Response:
    """GET /v1/responses/{id}: the response, or with `stream` its events."""
    owner, response_id = await _begin(request)
    state, query = state_of(request), request.query_params
    kept = await state.responses.find(owner, response_id)
    if query.get("stream", "").lower() not in _TRUE:
        return Response(render_kept(kept), media_type=JSON)
    if not kept.is_background:
        raise InvalidRequestError(
            "Only a response with 'background': true can be streamed again.",
            param="stream",
            code="invalid_value",
        )
    facts = facts_of(request)
    facts.is_stream = True
    return follow(state, facts, kept, after=read_number(request, "starting_after", -1))


async def delete(request: Request) -> Response:
    """DELETE /v1/responses/{id}."""
    owner, response_id = await _begin(request)
    await state_of(request).responses.forget(owner, response_id)
    return Response(render_deleted(response_id), media_type=JSON)


async def cancel(request: Request) -> Response:
    """POST /v1/responses/{id}/cancel: stop a background response."""
    owner, response_id = await _begin(request)
    kept = await state_of(request).responses.cancel(owner, response_id)
    return Response(render_kept(kept), media_type=JSON)


async def list_input_items(request: Request) -> Response:
    """GET /v1/responses/{id}/input_items: what the response was asked, page by page."""
    owner, response_id = await _begin(request)
    limit = read_number(request, "limit", DEFAULT_PAGE)
    if not 1 <= limit <= MAX_PAGE:
        raise _refusal(f"'limit' is 1 to {MAX_PAGE}.", "limit")
    order = request.query_params.get("order", "desc")
    if order not in ("asc", "desc"):
        raise _refusal("'order' is 'asc' or 'desc'.", "order")
    kept = await state_of(request).responses.find(owner, response_id)
    page = render_input_items(
        kept.items,
        after=request.query_params.get("after", ""),
        limit=limit,
        is_ascending=order == "asc",
    )
    return Response(page, media_type=JSON)


async def _begin(request: Request) -> tuple[ClientKeyId, str]:
    facts_of(request).dialect = OPENAI
    owner = owner_of(await admit(request))
    response_id: str = request.path_params["response_id"]
    return owner, response_id


def _refusal(message: str, param: str) -> InvalidRequestError:
    return InvalidRequestError(message, param=param, code="invalid_value")
