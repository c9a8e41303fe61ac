"""How an account is chosen for a request."""

from enum import StrEnum

from msgspec import Struct

from grok2api.domain.account import Mode, Pool
from grok2api.domain.ids import AccountId


class Strategy(StrEnum):
    """Which of the accounts that could serve is taken."""

    MAX_QUOTA = "max_quota"
    """The largest share of quota for each open request; of equals, the one idle for longest."""
    RANDOM = "random"
    WEIGHTED = "weighted"
    """By chance, in proportion to the free quota."""
    LRU = "lru"
    """The one idle for longest."""


class Wish(Struct, frozen=True, kw_only=True):
    """What a request needs of an account.

    Modes are tried in their order, then `tags` (any, in turns; none: every account), then pools.
    `units` are reserved in the mode's window. `session` prefers the account that served it before,
    unless the request starts it. Who waits does so in the line of `key`, which advances in
    proportion to `weight`; who may not is refused instead. `fingerprint` recognises a prompt that
    hurts one account after another.
    """

    pools: tuple[Pool, ...]
    modes: tuple[Mode, ...]
    units: int = 1
    tags: tuple[str, ...] = ()
    session: str = ""
    starts_session: bool = False
    key: str = ""
    weight: int = 1
    fingerprint: str = ""
    exclude: tuple[AccountId, ...] = ()
    may_wait: bool = True


class SelectionPolicy(Struct, frozen=True, kw_only=True):
    """What holds for every request of a process. Seconds; 0 switches waiting, affinity, demand off.

    `demand_interval_s`: a request that finds no account asks for fresh quota numbers at most so
    often, for all hosts together.
    """

    strategy: Strategy = Strategy.MAX_QUOTA
    max_concurrency: int = 8
    lease_ttl_s: float = 60.0
    session_ttl_s: float = 0.0
    wait_s: float = 0.0
    max_waiting: int = 1000
    max_waiting_per_key: int = 100
    demand_interval_s: float = 0.0
