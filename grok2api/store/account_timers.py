"""What ends by itself in the account pools: leases and cooldowns."""

from typing import Final

from grok2api.store import keys
from grok2api.store.account_replies import Reaped, StaleEpoch
from grok2api.store.connection import RedisClient
from grok2api.store.script import Script

NO_EPOCH: Final = 0
"""For callers that need not lead: what they do is right at any time, by anybody."""


class AccountTimers:
    """The timers of every pool. `now_ms` is for tests, as in `AccountStore`."""

    def __init__(self, redis: RedisClient, *, now_ms: int = 0) -> None:
        self._reap: Script[Reaped | StaleEpoch] = Script(redis, "account/reap", Reaped | StaleEpoch)
        self.now_ms = now_ms

    async def reap(self, limit: int = 256, *, epoch: int = NO_EPOCH) -> int | StaleEpoch:
        """End leases that ran out, wake accounts that have cooled; return how many those were.

        With an `epoch` this is a leader's work: it does nothing once another leads.

        Raises:
            StoreUnavailableError: Redis did not answer.
        """
        reply = await self._reap(
            keys={**keys.account_state(), "leader": keys.leader()},
            args={"limit": limit, "epoch": epoch, "now_ms": self.now_ms},
        )
        return reply if isinstance(reply, StaleEpoch) else reply.count
