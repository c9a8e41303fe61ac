"""GET /v1/models and /v1/models/{id}, in the form of the API that the client speaks."""

from starlette.requests import Request
from starlette.responses import Response

from grok2api.dialects.anthropic_models import parse_page_query, render_model_info, render_page
from grok2api.dialects.openai_models import render_model, render_models
from grok2api.web.api.auth import admit
from grok2api.web.api.turn import JSON, OPENAI
from grok2api.web.facts import ANTHROPIC, facts_of
from grok2api.web.state import state_of


async def list_models(request: Request) -> Response:
    """List the models that some account can serve, and the operator's names for them."""
    is_anthropic = _is_anthropic(request)
    await admit(request)
    given = request.query_params
    names = ("limit", "after_id", "before_id")
    query = parse_page_query(*(given.get(name, "") for name in names)) if is_anthropic else None
    models = await state_of(request).models.available()
    body = render_models(models) if query is None else render_page(models, query)
    return Response(body, media_type=JSON)


async def retrieve_model(request: Request) -> Response:
    """Describe one model, also one that no account can serve now."""
    is_anthropic = _is_anthropic(request)
    await admit(request)
    name: str = request.path_params["model_id"]
    model = state_of(request).models.resolve(name).model
    body = render_model_info(model, name) if is_anthropic else render_model(model, name)
    return Response(body, media_type=JSON)


def _is_anthropic(request: Request) -> bool:
    facts = facts_of(request)
    facts.dialect = facts.dialect or OPENAI
    return facts.dialect == ANTHROPIC
