"""Models in the form of the OpenAI API."""

from collections.abc import Iterable

import msgspec

from grok2api.domain.catalogue import CATALOGUE_SINCE_S
from grok2api.domain.model import Model
from grok2api.wire.openai.models import ModelList, ModelObject

_OWNER = "xai"


def render_models(models: Iterable[Model]) -> bytes:
    """Return the body of the list, in the order given."""
    return msgspec.json.encode(
        ModelList(data=[_model_object(model, model.name) for model in models])
    )


def render_model(model: Model, requested: str | None = None) -> bytes:
    """Return the body of one model. `requested` is the id the client used, such as an alias."""
    return msgspec.json.encode(_model_object(model, requested or model.name))


def _model_object(model: Model, model_id: str) -> ModelObject:
    return ModelObject(
        id=model_id,
        created=CATALOGUE_SINCE_S,
        owned_by=_OWNER,
        name=model.title,
        capability=model.capability,
    )
