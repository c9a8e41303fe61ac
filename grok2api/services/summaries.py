"""Summaries of conversations that clients keep for us: sealed, for one client key."""

import base64
import binascii

from grok2api.domain.ids import ClientKeyId
from grok2api.errors import SettingsError
from grok2api.store.cipher import SecretCipher


class Summaries:
    """Seals and opens summaries. Any worker that knows the secret key can open them."""

    __slots__ = ("_cipher",)

    def __init__(self, cipher: SecretCipher) -> None:
        self._cipher = cipher

    def seal(self, owner: ClientKeyId, text: str) -> str:
        """Return `text` as only we can read it, and only for `owner`."""
        sealed = self._cipher.seal(text.encode("utf-8", "surrogatepass"), _context(owner))
        return base64.urlsafe_b64encode(sealed).decode()

    def open(self, owner: ClientKeyId, sealed: str) -> str | None:
        """Return what `seal` was given; None where it was not us, or not for `owner`."""
        try:
            data = base64.b64decode(sealed.encode(), altchars=b"-_", validate=True)
            return self._cipher.open(data, _context(owner)).decode("utf-8", "surrogatepass")
        except (SettingsError, binascii.Error, ValueError):
            return None


def _context(owner: ClientKeyId) -> bytes:
    return f"summary:{owner}".encode()
