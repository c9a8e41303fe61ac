"""Settings that are changed while the gateway runs: one document, sealed, with its history."""

from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from grok2api.errors import SettingsError
from grok2api.store import keys, reads
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient
from grok2api.store.script import Script

MAX_REVISIONS: Final = 50
_CURRENT: Final = "current"
_DIGEST: Final = "digest"
_CONTEXT: Final = b"settings"


class StoredSettings(Struct, frozen=True):
    """All settings of a revision, by key; revision 0 is that nothing was ever stored."""

    revision: int
    values: dict[str, Any]


class Edition(Struct, frozen=True):
    """Which settings are the newest.

    A store that lost its last second may give a revision twice; never with the same `digest`.
    """

    revision: int
    digest: bytes = b""


class SettingsChange(Struct, frozen=True):
    """A revision: when and by whom which keys were changed.

    `restored` is the older revision that it brought back, 0 for none.
    """

    revision: int
    at_s: float
    by: str
    keys: tuple[str, ...]
    restored: int = 0


class Saved(Struct, frozen=True, array_like=True, tag="saved"):
    """The settings are this revision."""

    revision: int


class Conflict(Struct, frozen=True, array_like=True, tag="conflict"):
    """Somebody was first: the newest revision is another one; nothing changed."""

    revision: int


class Found(Struct, frozen=True, array_like=True, tag="found"):
    """The settings of a revision, sealed."""

    revision: int
    document: bytes


class Unknown(Struct, frozen=True, array_like=True, tag="unknown"):
    """There are none, or not any more."""


class _Told(Struct, frozen=True, array_like=True):
    """What the caller says of a change."""

    by: str
    keys: tuple[str, ...]
    restored: int


class _Entry(Struct, frozen=True, array_like=True):
    """What is kept of a change."""

    revision: int
    at_ms: float
    told: str


_DECODE_ENTRY = msgspec.msgpack.Decoder(_Entry)
_DECODE_TOLD = msgspec.json.Decoder(_Told)
_DECODE_VALUES = msgspec.json.Decoder(dict[str, Any])


class SettingsStore:
    """The settings that all processes share. `now_ms` is for tests, as in `AccountStore`."""

    def __init__(self, redis: RedisClient, cipher: SecretCipher, *, now_ms: int = 0) -> None:
        self._redis = redis
        self._cipher = cipher
        self.now_ms = now_ms
        self._save: Script[Saved | Conflict] = Script(redis, "settings/save", Saved | Conflict)
        self._load: Script[Found | Unknown] = Script(redis, "settings/load", Found | Unknown)

    async def revision(self) -> int:
        """Return the newest revision, 0 where nothing was ever stored."""
        return (await self.edition()).revision

    async def edition(self) -> Edition:
        """Return which settings are the newest, without reading them."""
        revision, digest = await reads.hash_get_many(
            self._redis, keys.settings_revisions(), (_CURRENT, _DIGEST)
        )
        return Edition(int(revision or 0), digest or b"")

    async def load(self) -> StoredSettings:
        """Return the newest settings.

        Raises:
            SettingsError: they cannot be opened with the secret keys that are configured.
            StoreUnavailableError: Redis did not answer.
        """
        return await self.find(0) or StoredSettings(0, {})

    async def find(self, revision: int) -> StoredSettings | None:
        """Return the settings of a revision, 0 for the newest; None where it is not kept.

        Raises:
            SettingsError: they cannot be opened with the secret keys that are configured.
            StoreUnavailableError: Redis did not answer.
        """
        reply = await self._load(keys=_state(), args={"revision": revision})
        if isinstance(reply, Unknown):
            return None
        try:
            plain = self._cipher.open(reply.document, _CONTEXT)
        except SettingsError:
            raise SettingsError(
                "The stored settings were sealed with a secret key that is not configured; add "
                "that key after the present one, or begin anew with `grok2api config unset --all`"
            ) from None
        return StoredSettings(reply.revision, _DECODE_VALUES.decode(plain))

    async def save(
        self,
        values: Mapping[str, Any],
        expected: int,
        *,
        by: str,
        changed: Collection[str],
        restored: int = 0,
    ) -> Saved | Conflict:
        """Keep `values` as the revision after `expected`, unless there is another one already.

        Raises:
            StoreUnavailableError: Redis did not answer; they may be kept.
        """
        told = _Told(by, tuple(changed), restored)
        return await self._save(
            keys=_state(),
            args={
                "expected": expected,
                "document": self._cipher.seal(msgspec.json.encode(values), _CONTEXT),
                "change": msgspec.json.encode(told),
                "keep": MAX_REVISIONS,
                "now_ms": self.now_ms,
            },
        )

    async def history(self) -> list[SettingsChange]:
        """Return the revisions that are kept, the newest first."""
        found = await reads.hash_all(self._redis, keys.settings_revisions())
        kept = (value for name, value in found.items() if name.isdecimal())
        entries = map(_DECODE_ENTRY.decode, kept)
        return [_read(entry) for entry in sorted(entries, key=lambda e: e.revision, reverse=True)]


def _state() -> dict[str, str]:
    return {"revisions": keys.settings_revisions(), "documents": keys.settings_documents()}


def _read(entry: _Entry) -> SettingsChange:
    told = _DECODE_TOLD.decode(entry.told)
    return SettingsChange(entry.revision, entry.at_ms / 1000, told.by, told.keys, told.restored)
