"""GET /v1/models and /v1/models/{id}, in the form of the API that the client speaks."""

from starlette.requests import Request
from starlette.responses import Response

from grok2api.dialects.anthropic_models import parse_page_query, render_model_info, render_page
from grok2api.dialects.openai_models import render_model, render_models
from grok2api.domain.client_key import ClientKey
from grok2api.domain.model import Route
from grok2api.services.key_rules import may_use_model
from grok2api.services.models import model_not_found
from grok2api.web.api.auth import admit
from grok2api.web.api.turn import JSON, OPENAI
from grok2api.web.facts import ANTHROPIC, facts_of
from grok2api.web.state import state_of


async def list_models(request: Request) -> Response:
    """List the models that some account can serve, and the operator's names for them.

    Those that the caller's key may not use are left out.
    """
    is_anthropic = _is_anthropic(request)
    caller = await admit(request)
    given = request.query_params
    names = ("limit", "after_id", "before_id")
    query = parse_page_query(*(given.get(name, "") for name in names)) if is_anthropic else None
    catalog = state_of(request).models
    models = [
        model
        for model in await catalog.available()
        if _may_use(caller, catalog.resolve(model.name))
    ]
    body = render_models(models) if query is None else render_page(models, query)
    return Response(body, media_type=JSON)


async def retrieve_model(request: Request) -> Response:
    """Describe one model, also one that no account can serve now."""
    is_anthropic = _is_anthropic(request)
    caller = await admit(request)
    name: str = request.path_params["model_id"]
    route = state_of(request).models.resolve(name)
    if not _may_use(caller, route):
        raise model_not_found(name)
    model = route.model
    body = render_model_info(model, name) if is_anthropic else render_model(model, name)
    return Response(body, media_type=JSON)


def _may_use(caller: ClientKey | None, route: Route) -> bool:
    return caller is None or may_use_model(caller, route.model.name, route.requested)


def _is_anthropic(request: Request) -> bool:
    facts = facts_of(request)
    facts.dialect = facts.dialect or OPENAI
    return facts.dialect == ANTHROPIC
