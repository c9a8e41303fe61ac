"""Seals what is secret at rest: AES-256-GCM under one of several keys."""

import hashlib
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from grok2api.errors import SettingsError

KEY_BYTES = 32
_VERSION = b"\x01"
_KEY_ID_BYTES = 4
_NONCE_BYTES = 12
_HEAD_BYTES = len(_VERSION) + _KEY_ID_BYTES + _NONCE_BYTES


def generate_key() -> bytes:
    """Return a new random key."""
    return secrets.token_bytes(KEY_BYTES)


class SecretCipher:
    """Seals with the newest key, opens with any.

    Rotation: put the new key in front, keep the old ones while anything is sealed with them.
    A sealed value is version, key id, nonce and ciphertext; `context` binds it to its place, so
    that a value copied to another account does not open.
    """

    __slots__ = ("_ciphers", "_newest_id")

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise SettingsError("There is no secret key; the gateway cannot keep credentials.")
        if any(len(key) != KEY_BYTES for key in keys):
            raise SettingsError(f"A secret key must have exactly {KEY_BYTES} bytes.")
        self._ciphers = {_key_id(key): AESGCM(key) for key in keys}
        self._newest_id = _key_id(keys[0])

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Encrypt `plain` for the place named by `context`."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._ciphers[self._newest_id].encrypt(nonce, plain, context)
        return _VERSION + self._newest_id + nonce + sealed

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Decrypt what `seal` made for the same `context`.

        Raises:
            SettingsError: no configured key fits, or the value is damaged.
        """
        key_id = sealed[len(_VERSION) : len(_VERSION) + _KEY_ID_BYTES]
        cipher = self._ciphers.get(key_id)
        if sealed[:1] != _VERSION or cipher is None:
            raise SettingsError(
                "Stored credentials were sealed with a secret key that is not configured. "
                "Add that key after the present one, or remove the accounts and add them again."
            )
        nonce = sealed[len(_VERSION) + _KEY_ID_BYTES : _HEAD_BYTES]
        try:
            return cipher.decrypt(nonce, sealed[_HEAD_BYTES:], context)
        except (InvalidTag, ValueError):
            raise SettingsError(
                "Stored credentials are damaged or belong to another account. "
                "Remove the account and add it again."
            ) from None

    def is_newest(self, sealed: bytes) -> bool:
        """Whether `sealed` was made with the newest key, so that old keys can be retired."""
        return sealed[len(_VERSION) : len(_VERSION) + _KEY_ID_BYTES] == self._newest_id


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"grok2api key id" + key).digest()[:_KEY_ID_BYTES]
