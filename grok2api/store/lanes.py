"""The lanes of a request: where it looks for an account, in order, and who waits there."""

from typing import Final

from msgspec import Struct

from grok2api.domain.account import POOLS, Mode, Pool
from grok2api.domain.selection import Wish
from grok2api.store import keys, reads
from grok2api.store.account_pages import read_tag_names
from grok2api.store.connection import RedisClient

MAX_KEYS_SHOWN: Final = 100

# As section_of.lua, stand_in_line.lua and open_pools.lua of lua/include pack scores.
_MODE_NUMBERS: Final = {
    Mode.AUTO: 0,
    Mode.FAST: 1,
    Mode.EXPERT: 2,
    Mode.HEAVY: 3,
    Mode.GROK_4_3: 4,
    Mode.IMAGE_PRO: 5,
    Mode.IMAGE_EDIT: 6,
    Mode.VIDEO: 7,
    Mode.VIDEO_720P: 8,
}
_SECTION: Final = 2**42
_WITH_FOUR_UNITS: Final = 2**41
_SLOT: Final = 2**46
_MANY_UNITS: Final = 4


class Lane(Struct, frozen=True):
    """One place to look: a mode of a pool, among the accounts of a tag ("": all).

    `ready` accounts stand there now, `waiting` requests hope for one of this pool and mode.
    """

    mode: Mode
    pool: Pool
    tag: str
    ready: int
    waiting: int


class Waiting(Struct, frozen=True):
    """Requests that wait, by client key: up to 100 keys, those that are first found."""

    total: int
    by_key: dict[str, int]


class LaneStore:
    """Reads counters and ranges; the cost does not depend on the number of accounts."""

    def __init__(self, redis: RedisClient, *, now_ms: int = 0) -> None:
        self._redis = redis
        self.now_ms = now_ms

    async def now_s(self) -> float:
        """Return the time that accounts go by: the server's."""
        return (self.now_ms or await reads.server_time_ms(self._redis)) / 1000

    async def read_lanes(self, wish: Wish) -> list[Lane]:
        """Return where an acquire looks, in its order: modes, then tags, then pools."""
        numbers = {name: n for n, name in (await read_tag_names(self._redis)).items()}
        found = []
        for mode in wish.modes:
            for tag in wish.tags or ("",):
                number = numbers.get(tag) if tag else 0
                for pool in wish.pools:
                    ready = 0 if number is None else await self._ready(mode, pool, number, wish)
                    found.append(Lane(mode, pool, tag, ready, await self._waiting_at(mode, pool)))
        return found

    async def read_waiting(self, key: str = "") -> Waiting:
        """Return how many requests wait; those of `key`, where one is named, are always told."""
        total = await reads.hash_length(self._redis, keys.waiters())
        if key:
            packed = await reads.hash_get(self._redis, keys.queues(), key)
            return Waiting(total, {key: _count_of(packed)})
        found = await reads.hash_some(self._redis, keys.queues(), MAX_KEYS_SHOWN + 1)
        found.pop("", None)  # how far the lines have come
        names = sorted(found)[:MAX_KEYS_SHOWN]
        return Waiting(total, {name: _count_of(found[name]) for name in names})

    async def _ready(self, mode: Mode, pool: Pool, tag: int, wish: Wish) -> int:
        least = (tag * 16 + _MODE_NUMBERS[mode] - 2048) * _SECTION
        width = _SECTION if wish.units < _MANY_UNITS else _WITH_FOUR_UNITS
        return await reads.count_between(self._redis, keys.ready(pool), least, least + width)

    async def _waiting_at(self, mode: Mode, pool: Pool) -> int:
        least = (POOLS.index(pool) * 16 + _MODE_NUMBERS[mode]) * _SLOT
        return await reads.count_between(self._redis, keys.waiting(), least, least + _SLOT)


def _count_of(packed: bytes | None) -> int:
    return int(packed.split()[0]) if packed else 0
