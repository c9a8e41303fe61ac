"""Client keys: who may call us."""

import builtins
import hashlib
import secrets
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from functools import partial

import msgspec

from grok2api.clock import Clock
from grok2api.domain.client_key import ClientKey
from grok2api.domain.ids import ClientKeyId
from grok2api.errors import (
    AuthenticationError,
    InvalidRequestError,
    NotFoundError,
    StoreUnavailableError,
)
from grok2api.services.key_changes import UNCHANGED, KeyChanges, apply_changes, check_changes
from grok2api.services.key_rules import require_good
from grok2api.store.client_keys import ClientKeyStore

_MAX_KEY_LENGTH = 512
_HINT_FROM_LENGTH = 16
_CONFIGURED = "configured"


def digest_key(key: str) -> str:
    """Return the SHA-256 of the whole key, in hex: what is stored and looked up instead of it.

    A key is 256 random bits, so it needs no slow hash, and a look-up by digest tells a guesser
    nothing about how near he is.
    """
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def new_key() -> str:
    """Return a fresh random key."""
    return "sk-" + secrets.token_urlsafe(32)


class ClientKeys:
    """Creates, finds and revokes client keys.

    `configured` are the keys of the settings (`app.api_key`): they are valid as long as they stand
    there and are not stored.
    """

    __slots__ = ("_allow_anonymous", "_clock", "_configured", "_models", "_store")

    def __init__(
        self,
        store: ClientKeyStore,
        clock: Clock,
        *,
        configured: Iterable[str] = (),
        allow_anonymous: bool = False,
        models: Collection[str] = (),
    ) -> None:
        """`models` are the names that a key can be limited to; those with a `*` at the end too."""
        self._store = store
        self._models = models
        self._clock = clock
        self._allow_anonymous = allow_anonymous
        self._configured = {
            digest_key(key): ClientKey(
                id=ClientKeyId(f"key_{digest_key(key)[:12]}"),
                name=_CONFIGURED,
                created_at_s=0.0,
                hint=_hint(key),
            )
            for key in configured
        }

    async def admit(self, presented: str | None) -> ClientKey | None:
        """Return the key that `presented` is; None only where anonymous calls are allowed.

        Raises:
            AuthenticationError: no key, not one of ours, disabled or expired.
            StoreUnavailableError: the keys cannot be looked up now.
        """
        if not presented:
            if self._allow_anonymous:
                return None
            raise AuthenticationError(
                "You didn't provide an API key. Send it as 'Authorization: Bearer YOUR_KEY'.",
                code="invalid_api_key",
            )
        key = await self._look_up(presented)
        if key is None:
            raise AuthenticationError("Incorrect API key provided.", code="invalid_api_key")
        require_good(key, self._clock.now_s())
        return key

    async def _look_up(self, presented: str) -> ClientKey | None:
        if len(presented) > _MAX_KEY_LENGTH:
            return None
        digest = digest_key(presented)
        return self._configured.get(digest) or await self._store.find(digest)

    async def create(self, name: str, changes: KeyChanges = UNCHANGED) -> tuple[ClientKey, str]:
        """Create a key; the second value is the key itself, which cannot be read again.

        Raises:
            InvalidRequestError: a value does not hold.
        """
        bare, plain = self.draft("")
        record = self._change(msgspec.structs.replace(changes, name=name))(bare)
        await self._store.save(record, digest_key(plain))
        return record, plain

    async def edit(self, id_or_name: str, changes: KeyChanges) -> ClientKey:
        """Change a key and return it; it holds for the very next call with the key.

        Raises:
            NotFoundError: there is none, or it stands in the settings and is changed there.
            InvalidRequestError: several keys have this name, or a value does not hold.
        """
        found = await self.find(id_or_name)
        return await self.edit_id(found.id, changes)

    async def edit_id(self, key_id: ClientKeyId, changes: KeyChanges) -> ClientKey:
        """Do the same with the key of this id.

        Raises:
            NotFoundError: there is none, or it stands in the settings and is changed there.
            InvalidRequestError: a value does not hold.
        """
        edited = await self._store.edit(key_id, self._change(changes))
        if edited is None:
            raise NotFoundError(
                "This client key cannot be changed here: it was revoked, or stands in app.api_key.",
                param="key",
                code="key_not_found",
            )
        return edited

    def _change(self, changes: KeyChanges) -> Callable[[ClientKey], ClientKey]:
        checked = check_changes(changes, models=self._models, now_s=self._clock.now_s())
        return partial(apply_changes, changes=checked)

    async def replace(self, name: str) -> tuple[ClientKey, str]:
        """Create a key and revoke all others of the same name."""
        old = [key for key in await self._store.list() if key.name == name]
        created = await self.create(name)
        for key in old:
            await self._store.revoke(key.id)
        return created

    async def list(self) -> builtins.list[ClientKey]:
        return await self._store.list()

    @property
    def configured(self) -> tuple[ClientKey, ...]:
        """The keys of the settings, which cannot be changed here."""
        return tuple(self._configured.values())

    async def get(self, key_id: ClientKeyId) -> ClientKey:
        """Return the key of this id, a configured one too.

        Raises:
            NotFoundError: there is none.
        """
        configured = {key.id: key for key in self._configured.values()}
        found = configured.get(key_id) or await self._store.get(key_id)
        if found is None:
            raise NotFoundError("There is no such client key.", param="id", code="key_not_found")
        return found

    async def find(self, id_or_name: str) -> ClientKey:
        """Return the key of this id or name, a configured one too.

        Raises:
            NotFoundError: there is none. The error does not repeat what may be a secret.
            InvalidRequestError: several keys have this name.
        """
        known = [*self._configured.values(), *await self._store.list()]
        found = [key for key in known if id_or_name in (key.id, key.name)]
        if not found:
            raise _unknown()
        if len(found) > 1:
            raise InvalidRequestError(
                "Several client keys have this name; give the id of one.",
                param="key",
                code="key_ambiguous",
            )
        return found[0]

    async def create_all(
        self, names: Sequence[str], changes: KeyChanges = UNCHANGED
    ) -> builtins.list[tuple[ClientKey, str]]:
        """Create a key of each name, all of them or none; what `create` returns of each.

        Raises:
            InvalidRequestError: a value does not hold.
            StoreUnavailableError: what was made before is revoked, as far as the store answers;
                what could not be is worth nothing, for nobody has seen it.
        """
        made: builtins.list[tuple[ClientKey, str]] = []
        try:
            for name in names:
                made += [await self.create(name, changes)]
        except StoreUnavailableError:
            with suppress(StoreUnavailableError):
                await self.revoke_ids([record.id for record, _ in made])
            raise
        return made

    async def enable_ids(
        self, key_ids: Sequence[ClientKeyId], *, is_enabled: bool
    ) -> dict[ClientKeyId, bool]:
        """Enable or disable keys; tell of each whether there was one that can be changed here."""
        change = self._change(KeyChanges(is_enabled=is_enabled))
        return {
            key_id: await self._store.edit(key_id, change) is not None
            for key_id in dict.fromkeys(key_ids)
        }

    async def revoke_ids(self, key_ids: Sequence[ClientKeyId]) -> dict[ClientKeyId, bool]:
        """Revoke keys; tell of each whether there was one."""
        return {key_id: await self._store.revoke(key_id) for key_id in dict.fromkeys(key_ids)}

    async def revoke(self, id_or_name: str) -> int:
        """Revoke the key of this id, or all keys of this name; return how many that were.

        Raises:
            NotFoundError: there is none. The error does not repeat what may be a secret.
        """
        count = 0
        for key in await self._store.list():
            if id_or_name in (key.id, key.name):
                count += await self._store.revoke(key.id)
        if not count:
            raise _unknown()
        return count

    def draft(self, name: str) -> tuple[ClientKey, str]:
        """Make up a key without storing it."""
        plain = new_key()
        record = ClientKey(
            id=ClientKeyId("key_" + secrets.token_hex(6)),
            name=name,
            created_at_s=self._clock.now_s(),
            hint=_hint(plain),
        )
        return record, plain


def _unknown() -> NotFoundError:
    return NotFoundError(
        "No client key has this id or name; `grok2api keys list` shows them.",
        param="key",
        code="key_not_found",
    )


def _hint(key: str) -> str:
    return f"{key[:3]}…{key[-4:]}" if len(key) >= _HINT_FROM_LENGTH else "…"
