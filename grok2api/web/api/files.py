"""GET and HEAD /v1/files/image and /v1/files/video: what the links of answers lead to."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from grok2api.domain.ids import MediaId
from grok2api.domain.media import MediaKind
from grok2api.errors import NotFoundError, PermissionDeniedError
from grok2api.services.media_links import read_media_id
from grok2api.web.api.auth import admit, presented_key
from grok2api.web.api.turn import OPENAI
from grok2api.web.facts import facts_of
from grok2api.web.media_response import MediaResponse
from grok2api.web.state import state_of

ENDLESS_S: Final = 31_536_000
BY_KEY: Final = "private, no-cache"
"""For files that a key opened: the address alone says nothing, so it is asked about again."""


async def image(request: Request) -> Response:
    """Send a kept picture."""
    return await _serve(request, MediaKind.IMAGE)


async def video(request: Request) -> Response:
    """Send a kept video."""
    return await _serve(request, MediaKind.VIDEO)


async def _serve(request: Request, kind: MediaKind) -> Response:
    facts_of(request).dialect = OPENAI
    media_id = read_media_id(request.query_params.get("id", ""))
    # First: who may not open it does not learn whether it is there.
    cache_control = await _admit(request, kind, media_id)
    library = state_of(request).media
    media = await library.find(kind, media_id)
    if media is None:
        raise NotFoundError(
            f"This {kind} is not kept any more, or never was.", param="id", code="file_not_found"
        )
    return MediaResponse(
        media,
        library,
        request.headers,
        cache_control=cache_control,
        is_download=request.query_params.get("download") == "1",
    )


async def _admit(request: Request, kind: MediaKind, media_id: MediaId) -> str:
    """Return who may keep the answer, or refuse it; a client key opens what a link does not."""
    links = state_of(request).links
    try:
        opening = links.check(kind, media_id, request.query_params)
    except PermissionDeniedError:
        if presented_key(request) is None:
            raise
        opening = None
    if opening is None:
        await admit(request)
        return BY_KEY
    reach = "public" if opening.is_public else "private"
    left_s = ENDLESS_S if opening.left_s is None else int(opening.left_s)
    return f"{reach}, max-age={left_s}, immutable"
