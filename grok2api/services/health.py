"""Is this process able to serve?"""

from collections.abc import Awaitable, Callable


class Health:
    """What readiness stands for: the store answers."""

    __slots__ = ("_ping",)

    def __init__(self, ping: Callable[[], Awaitable[None]]) -> None:
        self._ping = ping

    async def check(self) -> None:
        """Return if the store answers.

        Raises:
            StoreUnavailableError: it does not.
        """
        await self._ping()
