"""Settings as operators see them: what is in force and why, changed as a whole or not at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from grok2api.config.schema import BootSettings, Settings
from grok2api.config.sources import (
    BOOT_SPECS,
    BY_KEY,
    DEFAULT,
    SPECS,
    STORE,
    Sources,
    is_read_at_start,
    read_change,
    to_plain,
    value_of,
)
from grok2api.errors import ConflictError, InvalidRequestError, NotFoundError, SettingsError
from grok2api.services.action_log import ActionLog
from grok2api.services.settings_views import (
    MASKS,
    Difference,
    Draft,
    Problem,
    SettingsView,
    show_value,
    view_setting,
)
from grok2api.store.settings import Conflict, SettingsChange, SettingsStore, StoredSettings

MAX_BYTES: Final = 64 * 1024
"""All that is stored together, as JSON."""


class SettingsDesk:
    """Reads and changes the settings that all processes share."""

    __slots__ = ("_boot", "_sources", "_store")

    def __init__(self, store: SettingsStore, sources: Sources, boot: BootSettings) -> None:
        self._store = store
        self._sources = sources
        self._boot = boot

    async def read(self) -> SettingsView:
        """Return every setting.

        Raises:
            StoreUnavailableError: the store did not answer.
        """
        stored, problem = StoredSettings(await self._store.revision(), {}), ""
        try:
            stored = await self._store.load()
            loaded = self._sources.compose(stored.values)
        except SettingsError as error:
            problem, loaded = error.message, self._sources.compose()
        boot = [view_setting(spec, getattr(self._boot, spec.attribute)) for spec in BOOT_SPECS]
        views = [
            view_setting(
                spec,
                value_of(loaded.settings, spec),
                origin=self._origin(spec.key, stored),
                source=loaded.sources[spec.key],
                locked=self._lock(spec.key),
                is_stored=spec.key in stored.values,
            )
            for spec in SPECS
        ]
        return SettingsView(stored.revision, boot + views, loaded.unknown, problem)

    async def check(self, changes: Mapping[str, Any]) -> Draft:
        """Return what `changes`, values by key with None for "not here", would come to."""
        stored = await self._store.load()
        values, problems = dict(stored.values), []
        for key, raw in changes.items():
            if raw is None and key in stored.values:
                del values[key]
            elif (problem := self._judge(key, raw)) is not None:
                problems.append(problem)
            elif raw is not None:
                values[key] = to_plain(read_change(key, raw))
        return self._draft(stored, values, problems)

    async def save(
        self, changes: Mapping[str, Any], *, expected: int | None = None, by: str
    ) -> Draft:
        """Make changes; the draft's revision is the new one, or the same where nothing differs.

        `expected` is the revision that they were made from, None for whichever is the newest.

        Raises:
            InvalidRequestError: something is wrong with them; nothing is changed.
            ConflictError: somebody else has changed settings meanwhile; nothing is changed.
            StoreUnavailableError: the store did not answer; the changes may be made.
        """
        draft = await self.check(changes)
        return await self._keep(draft, expected, by)

    async def rollback(self, revision: int, *, expected: int | None = None, by: str) -> Draft:
        """Bring an older revision back, as a new one.

        Raises:
            NotFoundError: this revision is not kept.
            InvalidRequestError, ConflictError, StoreUnavailableError: as `save`.
        """
        stored = await self._store.load()
        target = await self._store.find(revision) if revision > 0 else None
        if target is None:
            raise NotFoundError(
                f"Revision {revision} of the settings is not kept.", code="revision_not_found"
            )
        draft = self._draft(stored, target.values, [])
        return await self._keep(draft, expected, by, restored=revision)

    async def clear(self, *, by: str) -> int:
        """Forget all that is stored, readable or not; return the new revision.

        Raises:
            ConflictError, StoreUnavailableError: as `save`.
        """
        reply = await self._store.save({}, await self._store.revision(), by=by, changed=())
        if isinstance(reply, Conflict):
            raise _conflict(reply.revision)
        return reply.revision

    async def history(self) -> list[SettingsChange]:
        """Return the revisions that are kept, the newest first."""
        return await self._store.history()

    async def _keep(self, draft: Draft, expected: int | None, by: str, restored: int = 0) -> Draft:
        if expected is not None and expected != draft.revision:
            raise _conflict(draft.revision)
        if draft.problems:
            first = draft.problems[0]
            raise InvalidRequestError(first.message, param=first.key or None, code=first.code)
        if not draft.differences:
            return draft
        changed = [difference.key for difference in draft.differences]
        reply = await self._store.save(
            draft.values, draft.revision, by=by, changed=changed, restored=restored
        )
        if isinstance(reply, Conflict):
            raise _conflict(reply.revision)
        return msgspec.structs.replace(draft, revision=reply.revision)

    def _draft(
        self, stored: StoredSettings, values: dict[str, Any], problems: Sequence[Problem]
    ) -> Draft:
        found = list(problems)
        after: Settings | None = None
        try:
            after = self._sources.compose(values).settings
        except SettingsError as error:
            found.append(Problem("", "invalid_value", error.message))
        if len(msgspec.json.encode(values)) > MAX_BYTES:
            found.append(Problem("", "settings_too_large", "All changes together are too large."))
        try:
            before = self._sources.compose(stored.values).settings
        except SettingsError:  # a change is what mends it
            before = None
        keys = sorted(stored.values.keys() | values.keys())
        differences = [
            Difference(key, show_value(before, key), show_value(after, key))
            for key in keys
            if stored.values.get(key) != values.get(key)
        ]
        return Draft(stored.revision, values, differences, found)

    def _judge(self, key: str, raw: object) -> Problem | None:
        """Return why a key cannot be changed so."""
        if key not in BY_KEY and not is_read_at_start(key):
            return Problem(key, "unknown_setting", f"There is no setting '{key[:80]}'.")
        if locked := self._lock(key):
            code = "startup_only_setting" if is_read_at_start(key) else "locked_setting"
            return Problem(key, code, locked)
        if raw is None:
            return None
        if BY_KEY[key].is_secret and isinstance(raw, str) and raw in MASKS:
            text = f"{key}: this is how a secret is shown. Send it only to change it."
            return Problem(key, "invalid_value", text)
        try:
            read_change(key, raw)
        except SettingsError as error:
            return Problem(key, "invalid_value", error.message)
        return None

    def _lock(self, key: str) -> str:
        if is_read_at_start(key):
            return (
                f"{key} is read when a process starts: set it in config.toml, by a variable or a "
                "flag, and start the gateway again."
            )
        if key in self._sources.environment:
            name = self._sources.environment[key].source
            return f"{name} of the environment sets {key}; take it out to change the setting here."
        return ""

    def _origin(self, key: str, stored: StoredSettings) -> str:
        if key in self._sources.environment:
            return "environment"
        if key in stored.values and not is_read_at_start(key):
            return STORE
        return "file" if key in self._sources.file else DEFAULT


@dataclass(frozen=True, slots=True)
class ConfigTools:
    """What commands change settings with."""

    desk: SettingsDesk
    actions: ActionLog


def _conflict(revision: int) -> ConflictError:
    return ConflictError(
        f"The settings were changed meanwhile; they are revision {revision} now. Read them again.",
        param="revision",
        code="revision_conflict",
    )
