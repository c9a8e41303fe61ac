"""How many requests a client address may send."""

from grok2api.config.security import SecuritySettings
from grok2api.errors import RateLimitExceededError
from grok2api.store.rate_limits import RateLimitStore, Refused


class RateLimits:
    """The limit by address of the settings, shared by all workers; off unless they say so."""

    __slots__ = ("_settings", "_store")

    def __init__(self, store: RateLimitStore, settings: SecuritySettings) -> None:
        self._store = store
        self._settings = settings

    @property
    def is_on(self) -> bool:
        return self._settings.rate_limit_enabled

    async def take(self, address: str) -> None:
        """Count a request of `address`, which is one client or a network that counts as one.

        Raises:
            RateLimitExceededError: it is one too many; it was not counted.
            StoreUnavailableError: nobody knows.
        """
        reply = await self._store.take(
            address,
            per_minute=self._settings.rate_limit_per_minute,
            burst=self._settings.rate_limit_burst,
        )
        if isinstance(reply, Refused):
            raise RateLimitExceededError(
                "Too many requests from your address. Send fewer, or wait.",
                retry_after_s=reply.retry_after_ms / 1000,
            )
