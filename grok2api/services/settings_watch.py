"""Follows the settings that all processes share: what cannot be used changes nothing."""

import asyncio
import random
from typing import Final

import structlog

from grok2api.config.schema import Settings
from grok2api.config.sources import Sources
from grok2api.errors import SettingsError, StoreUnavailableError
from grok2api.services.cleanup import end_if_cancelled
from grok2api.store.settings import SettingsStore

log = structlog.get_logger(__name__)

LOOK_S: Final = 0.5
"""How often a process looks for a new revision; a change is everywhere within two seconds."""
_UNREAD: Final = -1


class SettingsWatch:
    """What one process has taken of the settings. `settings` are those in force now."""

    __slots__ = ("_has_trouble", "_revision", "_sources", "_store", "settings")

    def __init__(self, store: SettingsStore, sources: Sources, settings: Settings) -> None:
        self._store = store
        self._sources = sources
        self._revision = _UNREAD
        self._has_trouble = False
        self.settings = settings

    @property
    def is_unread(self) -> bool:
        """Whether the store has not been read yet: `settings` are those of file and environment."""
        return self._revision == _UNREAD

    async def begin(self) -> None:
        """Take the newest settings that can be used; none where the store does not answer.

        Raises:
            SettingsError: settings are stored, and none of their revisions can be used.
        """
        try:
            newest = await self._store.revision()
            refusal = None if newest == 0 else await self._take_usable()
        except StoreUnavailableError:
            return
        if refusal is not None:
            raise refusal
        self._revision = newest

    async def next(self) -> Settings:
        """Wait for settings that are not those in force, and put them in force here.

        Where the store could not be read before, the first that it says is returned in any case.
        """
        while True:
            # Workers start at the same moment; they need not come at the same moment for ever.
            await asyncio.sleep(LOOK_S * random.uniform(0.5, 1))  # noqa: S311
            was_unread = self.is_unread
            is_changed = await self._look()
            end_if_cancelled()
            if is_changed or (was_unread and not self.is_unread):
                return self.settings

    async def _look(self) -> bool:
        newest = self._revision
        try:
            newest = await self._store.revision()
            if newest == self._revision:
                return False
            stored = await self._store.load()
            settings = self._sources.compose(stored.values).settings
        except StoreUnavailableError as error:
            if not self._has_trouble:
                log.warning("settings_not_read", detail=error.detail)
            self._has_trouble = True
            return False
        except SettingsError as error:
            log.warning("settings_not_taken", revision=newest, detail=error.message)
            self._revision = newest
            return False
        self._has_trouble = False
        self._revision = stored.revision
        if settings == self.settings:
            return False
        self.settings = settings
        return True

    async def _take_usable(self) -> SettingsError | None:
        """Take the newest revision that can be used; return why the newest cannot, if none can."""
        refusal: SettingsError | None = None
        for change in await self._store.history():
            try:
                stored = await self._store.find(change.revision)
                if stored is not None:
                    self.settings = self._sources.compose(stored.values).settings
                    return None
            except SettingsError as error:
                log.warning("settings_not_taken", revision=change.revision, detail=error.message)
                refusal = refusal or error
        return refusal
