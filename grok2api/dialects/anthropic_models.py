"""Models in the form of the Anthropic API: pages of them."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from grok2api.domain.catalogue import CATALOGUE_SINCE_S
from grok2api.domain.model import Model
from grok2api.errors import InvalidRequestError
from grok2api.wire.anthropic.models import ModelInfo, ModelPage

DEFAULT_LIMIT = 20
MAX_LIMIT = 1000

_CREATED_AT = datetime.fromtimestamp(CATALOGUE_SINCE_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class PageQuery(msgspec.Struct, frozen=True):
    """Which models are wanted: at most `limit`, right after or right before one that is known."""

    limit: int = DEFAULT_LIMIT
    after_id: str = ""
    before_id: str = ""


def parse_page_query(limit: str = "", after_id: str = "", before_id: str = "") -> PageQuery:
    """Return what the parameters of a list mean.

    Raises:
        InvalidRequestError: the limit is no number from 1 to 1000, or both ends are given.
    """
    if limit and not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:5]) <= MAX_LIMIT):
        raise InvalidRequestError(f"limit: It is from 1 to {MAX_LIMIT}.", param="limit")
    if after_id and before_id:
        raise InvalidRequestError("Give one of 'after_id' and 'before_id'.", param="before_id")
    return PageQuery(int(limit or DEFAULT_LIMIT), after_id, before_id)


def render_page(models: Sequence[Model], query: PageQuery) -> bytes:
    """Return the body of one page of `models`, in the order given. An unknown id ends the list."""
    names = [model.name for model in models]
    if query.before_id:
        end = names.index(query.before_id) if query.before_id in names else 0
        start = max(0, end - query.limit)
        has_more = start > 0
    else:
        start = names.index(query.after_id) + 1 if query.after_id in names else 0
        start = len(names) if query.after_id and query.after_id not in names else start
        end = min(len(names), start + query.limit)
        has_more = end < len(names)
    data = [_info(model, model.name) for model in models[start:end]]
    first, last = (data[0].id, data[-1].id) if data else (None, None)
    return msgspec.json.encode(ModelPage(data, has_more, first, last))


def render_model_info(model: Model, requested: str) -> bytes:
    """Return the body of one model. `requested` is the id the client used, such as an alias."""
    return msgspec.json.encode(_info(model, requested))


def _info(model: Model, model_id: str) -> ModelInfo:
    return ModelInfo(model_id, model.title, _CREATED_AT)
