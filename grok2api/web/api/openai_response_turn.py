"""One call of the Responses API, decoded: what every way of answering it needs."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import msgspec
from msgspec import Raw
from starlette.requests import Request

from grok2api.dialects.openai_compaction import CompactionRenderer, ask_for_summary
from grok2api.dialects.openai_response_kept import (
    conversation_of,
    items_by_id,
    response_of_item,
)
from grok2api.dialects.openai_response_log import encode_body
from grok2api.dialects.openai_responses import Renderer, ResponseRenderer, item_key
from grok2api.dialects.openai_responses_request import (
    ParsedResponses,
    build_body,
    ignored_fields,
    normalize_items,
    parse_request,
    referred_items,
)
from grok2api.dialects.prompt_size import count_input_tokens
from grok2api.domain.client_key import ANONYMOUS, ClientKey
from grok2api.domain.ids import ClientKeyId, ResponseId
from grok2api.domain.response import KeptResponse, ResponseState
from grok2api.errors import GatewayError
from grok2api.web.api.turn import Turn, count_text, list_ignored, note_request, take_for_chat
from grok2api.web.facts import facts_of
from grok2api.web.state import AppState, state_of
from grok2api.wire.openai.response_object import ResponseBody
from grok2api.wire.openai.responses import ResponsesRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseTurn(Turn):
    """One call, and the response that is made of its answer."""

    renderer: Renderer
    owner: ClientKeyId
    items: Sequence[Raw]
    is_stored: bool

    def kept(self) -> KeptResponse:
        """Return the response as it is now, as it is kept."""
        body = self.renderer.log.body
        return KeptResponse(
            id=ResponseId(body.id),
            owner=self.owner,
            body=encode_body(body),
            items=tuple(bytes(item) for item in self.items),
            state=ResponseState(body.status),
            previous=body.previous_response_id or "",
            affinity=self.request.affinity.digest,
            is_background=body.background,
        )

    def finish(self) -> bytes:
        """Return the end of a response that came to its end."""
        closing = self.renderer.finish(int(self.state.clock.now_s()))
        self.facts.output_tokens = self.renderer.usage().completion
        return closing

    def fail(self, error: GatewayError) -> bytes:
        """Return the end of a response that broke off."""
        return self.renderer.fail(error, self.facts.request_id)


def owner_of(caller: ClientKey | None) -> ClientKeyId:
    """Return whose responses a caller sees; those without a key share one name."""
    return caller.id if caller else ANONYMOUS


async def prepare(
    request: Request, wire: ResponsesRequest, caller: ClientKey | None, *, compacts: bool
) -> ResponseTurn:
    """Decode a call; with `compacts`, its conversation is summed up instead of answered.

    Raises:
        RequestError: it makes no sense, or something it refers to is not there.
        StoreUnavailableError: what it refers to cannot be read now.
    """
    state, facts, owner = state_of(request), facts_of(request), owner_of(caller)
    response_id = f"resp_{secrets.token_hex(12)}"
    previous = wire.previous_response_id
    chain = await state.responses.chain(owner, previous) if previous else []
    known = await _find_referred(state, owner, wire)
    items = normalize_items(wire.input or (), item_key(response_id), known)
    parsed = parse_request(
        wire,
        items,
        history=conversation_of(chain),
        continues=chain[-1].affinity if chain else "",
        expand=partial(state.responses.summaries.open, owner),
    )
    chat = note_request(request, parsed.chat, caller)
    is_stored = wire.store is not False and not compacts
    created_s = int(state.clock.now_s())
    body = build_body(wire, response_id, created_s, is_stored=is_stored)
    if compacts:
        chat = ask_for_summary(chat)
    facts.input_tokens = count_input_tokens(chat, count_text)
    await take_for_chat(request, chat, caller)
    builds = _build_compaction if compacts else _build_renderer
    renderer = builds(state, owner, parsed, body, facts.input_tokens)
    return ResponseTurn(
        state=state,
        facts=facts,
        request=chat,
        renderer=renderer,
        owner=owner,
        caller=caller,
        items=items,
        is_stored=is_stored,
        ignored=await list_ignored(request, wire, ignored_fields(wire, parsed.tools)),
    )


def _build_compaction(
    state: AppState,
    owner: ClientKeyId,
    _: ParsedResponses,
    body: ResponseBody,
    prompt_tokens: int,
) -> Renderer:
    return CompactionRenderer(
        body,
        seal=partial(state.responses.summaries.seal, owner),
        prompt_tokens=prompt_tokens,
        count_tokens=count_text,
    )


def _build_renderer(
    state: AppState,
    _: ClientKeyId,
    parsed: ParsedResponses,
    body: ResponseBody,
    prompt_tokens: int,
) -> Renderer:
    features, shows = state.settings.features, parsed.chat.show_reasoning
    view = msgspec.structs.replace(
        parsed.view,
        show_reasoning=features.thinking if shows is None else shows,
        show_sources=features.show_search_sources,
    )
    return ResponseRenderer(body, view, prompt_tokens=prompt_tokens, count_tokens=count_text)


async def _find_referred(
    state: AppState, owner: ClientKeyId, wire: ResponsesRequest
) -> dict[str, Raw]:
    """Return the items of the responses that the input refers to."""
    if not isinstance(wire.input, list):
        return {}
    names = [response_of_item(item_id) for item_id in referred_items(wire.input)]
    wanted = list(dict.fromkeys(name for name in names if name is not None))
    return items_by_id(await state.responses.find_some(owner, wanted)) if wanted else {}
