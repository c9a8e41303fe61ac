"""Brings changes of settings to the requests of this worker."""

from grok2api.services.cleanup import end_if_cancelled
from grok2api.services.endless import Endless
from grok2api.services.settings_watch import SettingsWatch
from grok2api.web.graphs import Graphs


class Following(Endless):
    """Opens a new object graph whenever settings change.

    One that cannot be opened changes nothing, and is tried again: what it lacked may come back.
    """

    __slots__ = ("_graphs", "_watch")

    def __init__(self, watch: SettingsWatch, graphs: Graphs) -> None:
        super().__init__()
        self._watch = watch
        self._graphs = graphs

    async def _run_for_ever(self) -> None:
        while True:
            before = self._watch.settings
            settings = await self._watch.next()
            try:
                await self._graphs.replace(settings)
            except Exception as error:  # noqa: BLE001 - told by `refuse`; the worker goes on
                self._watch.refuse(before, error)
            else:
                self._graphs.is_unread = False
            end_if_cancelled()
