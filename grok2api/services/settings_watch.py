"""Follows the settings that all processes share: what cannot be used changes nothing."""

import asyncio
import random
from typing import Final

import structlog

from grok2api.config.schema import Settings
from grok2api.config.sources import Sources
from grok2api.errors import GatewayError, SettingsError, StoreUnavailableError
from grok2api.services.cleanup import end_if_cancelled
from grok2api.store.settings import Edition, SettingsStore

log = structlog.get_logger(__name__)

LOOK_S: Final = 0.5
"""How often a process looks for a new revision; a change is everywhere within two seconds."""
_UNREAD: Final = Edition(-1)
_REFUSED: Final = Edition(-2)


class SettingsWatch:
    """What one process has taken of the settings. `settings` are those in force now."""

    __slots__ = ("_edition", "_sources", "_store", "_trouble", "settings")

    def __init__(self, store: SettingsStore, sources: Sources, settings: Settings) -> None:
        self._store = store
        self._sources = sources
        self._edition = _UNREAD
        self._trouble = ""
        self.settings = settings

    @property
    def is_unread(self) -> bool:
        """Whether the store has not been read yet: `settings` are those of file and environment."""
        return self._edition == _UNREAD

    async def begin(self) -> None:
        """Take the newest settings that can be used; none where the store does not answer.

        Raises:
            SettingsError: settings are stored, and none of their revisions can be used.
        """
        try:
            newest = await self._store.edition()
            refusal = None if newest.revision == 0 else await self._take_usable()
        except StoreUnavailableError:
            return
        if refusal is not None:
            raise refusal
        self._edition = newest

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

    def refuse(self, before: Settings, error: Exception) -> None:
        """Go back to `before`: the settings that `next` told cannot be put in force by the caller.

        They are told again as long as they are the newest.
        """
        self.settings = before
        self._edition = _REFUSED
        if isinstance(error, GatewayError):
            self._complain("settings_not_taken", error.detail or error.message)
        else:
            self._complain("settings_not_taken", repr(error), error)

    async def _look(self) -> bool:
        newest = self._edition
        try:
            newest = await self._store.edition()
            if newest == self._edition:
                self._trouble = ""
                return False
            stored = await self._store.load()
            settings = self._sources.compose(stored.values).settings
        except StoreUnavailableError as error:
            self._complain("settings_not_read", error.detail)
            return False
        except SettingsError as error:
            self._complain("settings_not_taken", f"revision {newest.revision}: {error.message}")
            self._edition = newest
            return False
        was_refused, self._edition = self._edition == _REFUSED, newest
        if settings == self.settings and not was_refused:
            self._trouble = ""
            return False
        self.settings = settings
        return True

    def _complain(self, event: str, why: str, crash: Exception | None = None) -> None:
        """Say once what is wrong, however often it is found."""
        if why != self._trouble:
            log.warning(event, detail=why, exc_info=crash)
        self._trouble = why

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
