"""Brings changes of settings to the requests of this worker."""

import structlog

from grok2api.errors import GatewayError
from grok2api.services.cleanup import end_if_cancelled
from grok2api.services.endless import Endless
from grok2api.services.settings_watch import SettingsWatch
from grok2api.web.graphs import Graphs

log = structlog.get_logger(__name__)


class Following(Endless):
    """Opens a new object graph whenever settings change; one that cannot be opened changes none."""

    __slots__ = ("_graphs", "_watch")

    def __init__(self, watch: SettingsWatch, graphs: Graphs) -> None:
        super().__init__()
        self._watch = watch
        self._graphs = graphs

    async def _run_for_ever(self) -> None:
        while True:
            settings = await self._watch.next()
            try:
                await self._graphs.replace(settings)
            except GatewayError as error:
                log.warning("settings_not_taken", detail=error.detail or error.message)
            except Exception as error:
                log.exception("settings_not_taken", exc_info=error)
            else:
                self._graphs.is_unread = False
            end_if_cancelled()
