"""Removes the objects that the index of kept media has given up."""

from collections.abc import Sequence

import structlog

from grok2api.domain.media import MediaKind
from grok2api.errors import GatewayError
from grok2api.media.objects import ObjectStore
from grok2api.store.media import MediaIndex

log = structlog.get_logger(__name__)


async def erase(
    objects: ObjectStore, index: MediaIndex, kind: MediaKind, places: Sequence[str]
) -> None:
    """Remove objects. What fails is not told to anybody: the leader tries again each minute."""
    gone = await objects.delete(places)
    try:
        await index.drop(kind, gone)
    except GatewayError as error:
        log.warning("media_not_dropped", count=len(gone), detail=error.detail)
    if len(gone) < len(places):
        log.warning("media_not_removed", count=len(places) - len(gone))
