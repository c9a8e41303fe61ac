"""What an explanation of the pool asks for, and what it tells."""

from msgspec import Struct

from grok2api.domain.account import Mode, Status, Tier
from grok2api.domain.eligibility import Reason, Word
from grok2api.domain.ids import AccountId
from grok2api.domain.selection import Strategy
from grok2api.services.key_outlook import Decisive
from grok2api.services.overview import PoolState
from grok2api.store.lanes import Lane


class Query(Struct, frozen=True, kw_only=True):
    """What to explain: a request for `model`.

    `key` is the id or the name of a client key, `session` the digest of a conversation.
    """

    model: str
    key: str = ""
    session: str = ""
    tags: tuple[str, ...] = ()


class ExplainedAccount(Struct, frozen=True):
    """An account and what decides of it."""

    id: AccountId
    mask: str
    tier: Tier
    status: Status
    tags: tuple[str, ...]
    reason: Reason


class Chosen(Struct, frozen=True):
    """Who would serve the request now. `among` is None where no chance decides.

    `is_bound`: it is chosen because it served this conversation before.
    """

    account: ExplainedAccount
    mode: Mode
    how: str
    among: int | None
    is_bound: bool


class Line(Struct, frozen=True):
    """Requests that wait now, all of them and by client key ("-": without a key)."""

    waiting: int
    max_waiting: int
    max_waiting_per_key: int
    max_wait_s: float
    by_key: dict[str, int]


class ReasonGroup(Struct, frozen=True):
    """How many accounts have one reason, and the first of them.

    `soonest_s` is when it ends by itself for the first of all of them, 0 where it never does.
    """

    word: Word
    count: int
    soonest_s: float
    accounts: list[ExplainedAccount]


class Explanation(Struct, frozen=True, kw_only=True):
    """The pool as one request would find it at `now_s`, seconds since epoch.

    `lanes` are looked at in their order. `reasons` cover `scanned` accounts beside the chosen one:
    all of them when `next_cursor` is "", else those up to there. `decisive` is what decides of all:
    why the key is refused, why the chosen account is, or what the accounts that come nearest to
    serving lack.
    """

    now_s: float
    model: str
    requested: str
    units: int
    key: str
    strategy: Strategy
    decisive: Decisive
    chosen: Chosen | None
    lanes: list[Lane]
    pools: list[PoolState]
    line: Line
    scanned: int
    reasons: list[ReasonGroup]
    next_cursor: str
