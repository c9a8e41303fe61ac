"""GET /admin/api/tokens/explain: who would serve a request now, and why the others would not."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from grok2api.errors import InvalidRequestError
from grok2api.services.explanation import Query
from grok2api.web.admin.answers import answer, read_cursor
from grok2api.web.admin.auth import admit_admin
from grok2api.web.state import state_of

MAX_SCANNED: Final = 2000
"""Accounts looked at for one answer; `next_cursor` goes on behind them."""
MAX_TAGS: Final = 16


async def explain(request: Request) -> Response:
    """Explain a request for `model`, of the client key `key`, for accounts with a `tag`.

    `session` is a conversation, as the list of sessions has it.
    """
    await admit_admin(request)
    asked = request.query_params
    if not asked.get("model"):
        raise InvalidRequestError(
            "Name the model: ?model=grok-chat-fast.", param="model", code="missing_parameter"
        )
    tags = tuple(dict.fromkeys(filter(None, asked.getlist("tag"))))
    if len(tags) > MAX_TAGS:
        raise InvalidRequestError(f"At most {MAX_TAGS} tags can be asked for.", param="tag")
    query = Query(
        model=asked["model"],
        key=asked.get("key", ""),
        session=asked.get("session", ""),
        tags=tags,
    )
    explainer = state_of(request).explainer
    return answer(await explainer.explain(query, cursor=read_cursor(request), limit=MAX_SCANNED))
