"""Who leads maintenance: a lease that ends by itself, an epoch that fences off the last leader."""

from msgspec import Struct

from grok2api.store import keys, reads
from grok2api.store.connection import RedisClient
from grok2api.store.script import Script


class Elected(Struct, frozen=True, array_like=True, tag="elected"):
    """The caller leads; scripts take its `epoch` and refuse an older one."""

    epoch: int


class Follower(Struct, frozen=True, array_like=True, tag="follower"):
    """Another leads, for `ttl_ms` more unless it renews its lease."""

    ttl_ms: int


class Resigned(Struct, frozen=True, array_like=True, tag="resigned"):
    """Nobody leads now."""


class NotLeader(Struct, frozen=True, array_like=True, tag="not_leader"):
    """The caller did not lead; nothing changed."""


class Leadership(Struct, frozen=True):
    """Who leads, since which epoch, and when the lease ends unless it is renewed."""

    owner: str
    epoch: int
    ends_in_s: float


class LeaderStore:
    """The one leadership that processes compete for.

    `now_ms` is for tests: the time in ms since epoch, 0 for the server's own clock.
    """

    def __init__(self, redis: RedisClient, *, now_ms: int = 0) -> None:
        self._redis = redis
        self.now_ms = now_ms
        self._campaign: Script[Elected | Follower] = Script(
            redis, "leader/campaign", Elected | Follower
        )
        self._resign: Script[Resigned | NotLeader] = Script(
            redis, "leader/resign", Resigned | NotLeader
        )

    async def campaign(self, owner: str, *, ttl_s: float) -> Elected | Follower:
        """Take the lead if nobody has it; keep it for `ttl_s` more seconds if it is ours.

        A leader that comes back after its lease has ended is elected anew, with a new epoch.

        Raises:
            StoreUnavailableError: Redis did not answer; the caller may lead all the same.
        """
        return await self._campaign(
            keys={"leader": keys.leader()},
            args={"owner": owner, "ttl_ms": round(ttl_s * 1000), "now_ms": self.now_ms},
        )

    async def resign(self, owner: str) -> bool:
        """Give the lead up at once; False if the caller did not have it.

        Raises:
            StoreUnavailableError: Redis did not answer; the lease ends by itself.
        """
        reply = await self._resign(keys={"leader": keys.leader()}, args={"owner": owner})
        return isinstance(reply, Resigned)

    async def find(self) -> Leadership | None:
        """Return who leads; None where nobody does now.

        Raises:
            StoreUnavailableError: Redis did not answer.
        """
        fields = ("owner", "epoch", "ends_at_ms")
        owner, epoch, ends_at_ms = await reads.hash_get_many(self._redis, keys.leader(), fields)
        now_ms = self.now_ms or await reads.server_time_ms(self._redis)
        left_ms = int(ends_at_ms or 0) - now_ms
        if not owner or left_ms <= 0:
            return None
        return Leadership(owner.decode(), int(epoch or 0), left_ms / 1000)
