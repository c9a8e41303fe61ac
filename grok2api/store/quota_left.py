"""What all accounts together have left, as the leader found it on its last walk."""

from collections.abc import Mapping

from msgspec import Struct

from grok2api.domain.account import POOLS, Mode, Pool
from grok2api.store import keys, reads, usage_keys
from grok2api.store.account_replies import StaleEpoch
from grok2api.store.connection import RedisClient
from grok2api.store.script import Script

_PLACES = tuple((pool, mode) for pool in POOLS for mode in Mode)
QuotaLeft = Mapping[tuple[Pool, Mode], int]


class Kept(Struct, frozen=True, array_like=True, tag="kept"):
    """It is kept."""


class QuotaLeftStore:
    """Both methods raise StoreUnavailableError when Redis does not answer."""

    __slots__ = ("_keep", "_redis")

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self._keep: Script[Kept | StaleEpoch] = Script(
            redis, "account/keep_quota_left", Kept | StaleEpoch
        )

    async def keep(self, left: QuotaLeft, *, epoch: int, ttl_s: float) -> Kept | StaleEpoch:
        """Replace what was kept; it is forgotten after `ttl_s`."""
        return await self._keep(
            keys={"left": usage_keys.quota_left(), "leader": keys.leader()},
            args={
                "epoch": epoch,
                "ttl_ms": round(ttl_s * 1000),
                "found": [
                    word
                    for (pool, mode), units in left.items()
                    for word in (_name(pool, mode), str(units))
                ],
            },
        )

    async def read(self) -> dict[tuple[Pool, Mode], int]:
        """Return units by pool and mode; nothing where no walk has ended lately."""
        names = [_name(pool, mode) for pool, mode in _PLACES]
        found = await reads.hash_get_many(self._redis, usage_keys.quota_left(), names)
        return {
            place: int(units)
            for place, units in zip(_PLACES, found, strict=True)
            if units is not None
        }


def _name(pool: Pool, mode: Mode) -> str:
    return f"{keys.pool_name(pool)} {mode.value}"
