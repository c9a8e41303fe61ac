"""GET /v1/models and /v1/models/{id}."""

from starlette.requests import Request
from starlette.responses import Response

from grok2api.dialects.openai_models import render_model, render_models
from grok2api.web.api.auth import admit
from grok2api.web.facts import facts_of
from grok2api.web.state import state_of

JSON = "application/json"
DIALECT = "openai"


async def list_models(request: Request) -> Response:
    """List the models that some account can serve."""
    facts_of(request).dialect = DIALECT
    await admit(request)
    models = await state_of(request).models.available()
    return Response(render_models(models), media_type=JSON)


async def retrieve_model(request: Request) -> Response:
    """Describe one model, also one that no account can serve now."""
    facts_of(request).dialect = DIALECT
    await admit(request)
    name: str = request.path_params["model_id"]
    route = state_of(request).models.resolve(name)
    return Response(render_model(route.model, name), media_type=JSON)
