"""Explains the pool: who would serve a request now, and why each other account would not."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from grok2api.domain.admission import KeyUse
from grok2api.domain.client_key import ClientKey
from grok2api.domain.eligibility import Reason, Word, decide
from grok2api.domain.ids import AccountId, ClientKeyId
from grok2api.domain.model import Route
from grok2api.domain.pool_member import Account
from grok2api.domain.selection import SelectionPolicy, Strategy, Wish
from grok2api.services.client_keys import ClientKeys
from grok2api.services.explanation import (
    Chosen,
    ExplainedAccount,
    Explanation,
    Line,
    Query,
    ReasonGroup,
)
from grok2api.services.key_outlook import Decisive, find_refusal
from grok2api.services.models import ModelCatalog
from grok2api.services.overview import PoolState
from grok2api.store.account_edits import AccountEdits, Choice
from grok2api.store.account_timers import AccountTimers
from grok2api.store.accounts import AccountStore
from grok2api.store.lanes import Lane, LaneStore

MAX_SHOWN: Final = 20
"""Accounts named for each reason; the others are counted."""
NO_ACCOUNTS: Final = "no_accounts"
BOUND: Final = "session"
_PAGE: Final = 500
_ORDER: Final = tuple(Word)

_CHOICES = {
    Strategy.MAX_QUOTA: (
        "The largest share of quota left for each open request goes first; of equals, the one "
        "idle for longest."
    ),
    Strategy.LRU: "The one idle for longest goes first.",
    Strategy.RANDOM: "Chance decides among {} accounts; this is one of them.",
    Strategy.WEIGHTED: (
        "Chance decides among {} accounts, those with more quota left more often; this is one "
        "of them."
    ),
}


_BOUND: Final = "It served this conversation before."

UseOfKeys = Callable[[Sequence[ClientKeyId]], Awaitable[dict[ClientKeyId, KeyUse]]]


@dataclass(frozen=True, slots=True)
class Explainer:
    """Reads what an acquire reads; nothing is leased."""

    store: AccountStore
    edits: AccountEdits
    lanes: LaneStore
    timers: AccountTimers
    models: ModelCatalog
    keys: ClientKeys
    use_of_keys: UseOfKeys
    policy: SelectionPolicy

    async def explain(
        self,
        query: Query,
        *,
        cursor: str = "",
        limit: int | None = None,
        on_progress: Callable[[int, None], None] | None = None,
    ) -> Explanation:
        """Return who would serve `query` now, and the reasons of the accounts behind `cursor`.

        At least `limit` accounts are looked at where there are as many, None: all. They are read
        page by page; an answer names at most `MAX_SHOWN` of a reason.

        Raises:
            ModelNotFoundError: there is no such model.
            NotFoundError: there is no such client key.
            StoreUnavailableError: the store does not answer.
        """
        route = self.models.resolve(query.model)
        caller = await self.keys.find(query.key) if query.key else None
        wish = Wish(
            pools=route.pools,
            modes=route.modes,
            units=route.model.cost,
            tags=query.tags or (caller.tags if caller else ()),
            session=query.session,
            key=caller.id if caller else "",
            weight=caller.weight if caller else 1,
        )
        await self.timers.reap()  # as every acquire does first
        judge = _Judge(wish, self.policy.max_concurrency, await self.lanes.now_s())
        lanes = await self.lanes.read_lanes(wish)
        choice = await self.edits.explain(wish, self.policy)
        tally = _Tally(choice.account_id if choice else None)
        next_cursor = await self._scan(judge, tally, cursor, limit, on_progress)
        chosen = await self._describe(choice, judge, lanes) if choice else None
        refusal = await self._refuse(caller, route, judge) if caller else None
        return Explanation(
            now_s=judge.now_s,
            model=route.model.name,
            requested=route.requested,
            units=wish.units,
            key=wish.key,
            strategy=self.policy.strategy,
            decisive=refusal or (_name_choice(chosen) if chosen else tally.nearest()),
            chosen=chosen,
            lanes=lanes,
            pools=[
                PoolState(count.pool.kind, count.pool.tier, count.total, count.by_status)
                for count in await self.store.pool_counts()
                if count.pool in wish.pools
            ],
            line=await self._read_line(wish),
            scanned=tally.scanned,
            reasons=tally.groups(),
            next_cursor=next_cursor,
        )

    async def _scan(
        self,
        judge: "_Judge",
        tally: "_Tally",
        cursor: str,
        limit: int | None,
        on_progress: Callable[[int, None], None] | None,
    ) -> str:
        looked_at = 0
        while True:
            page = await self.store.list(cursor=cursor, limit=_PAGE)
            looked_at += len(page.accounts)
            for account in page.accounts:
                tally.add(account, judge)
            cursor = page.next_cursor
            if on_progress is not None:
                on_progress(looked_at, None)
            if not cursor or (limit is not None and looked_at >= limit):
                return cursor

    async def _refuse(self, key: ClientKey, route: Route, judge: "_Judge") -> Decisive | None:
        use = (await self.use_of_keys([key.id]))[key.id]
        names = (route.model.name, route.requested)
        return find_refusal(key, use, names, judge.wish.units, judge.now_s)

    async def _describe(self, choice: Choice, judge: "_Judge", lanes: list[Lane]) -> Chosen | None:
        account = (await self.store.find([choice.account_id])).get(choice.account_id)
        if account is None:  # removed in between
            return None
        among = None
        if self.policy.strategy in {Strategy.RANDOM, Strategy.WEIGHTED}:
            counts = (
                lane.ready
                for lane in lanes
                if lane.ready and (lane.mode, lane.pool) == (choice.mode, choice.pool)
            )
            among = next(counts, 1)
        how = _BOUND if choice.is_bound else _CHOICES[self.policy.strategy].format(among)
        return Chosen(judge.explain(account), choice.mode, how, among, choice.is_bound)

    async def _read_line(self, wish: Wish) -> Line:
        waiting = await self.lanes.read_waiting(wish.key)
        policy = self.policy
        return Line(
            waiting=waiting.total,
            max_waiting=policy.max_waiting,
            max_waiting_per_key=policy.max_waiting_per_key,
            max_wait_s=policy.wait_s,
            by_key=waiting.by_key,
        )


@dataclass(frozen=True, slots=True)
class _Judge:
    wish: Wish
    max_concurrency: int
    now_s: float

    def decide(self, account: Account) -> Reason:
        return decide(account, self.wish, max_concurrency=self.max_concurrency, now_s=self.now_s)

    def explain(self, account: Account) -> ExplainedAccount:
        return _shown(account, self.decide(account))


@dataclass(slots=True)
class _Tally:
    """Counts reasons, and keeps the first accounts of each; `chosen` is told elsewhere."""

    chosen: AccountId | None
    scanned: int = 0
    counts: dict[Word, int] = field(default_factory=dict)
    soonest: dict[Word, float] = field(default_factory=dict)
    first: dict[Word, list[ExplainedAccount]] = field(default_factory=dict)

    def add(self, account: Account, judge: _Judge) -> None:
        if account.id == self.chosen:
            return
        reason = judge.decide(account)
        self.scanned += 1
        self.counts[reason.word] = self.counts.get(reason.word, 0) + 1
        if reason.until_s:
            soonest = self.soonest.get(reason.word, reason.until_s)
            self.soonest[reason.word] = min(soonest, reason.until_s)
        shown = self.first.setdefault(reason.word, [])
        if len(shown) < MAX_SHOWN:
            shown.append(_shown(account, reason))

    def nearest(self) -> Decisive:
        """Return what keeps the accounts from serving that pass most of what is asked."""
        if not self.counts:
            return Decisive(NO_ACCOUNTS, "There are no accounts.")
        word = max(self.counts, key=_ORDER.index)
        return Decisive(word.value, self.first[word][0].reason.text)

    def groups(self) -> list[ReasonGroup]:
        """Return the reasons, those that could serve first, then in the order of deciding."""
        order = sorted(self.counts, key=lambda word: (word is not Word.READY, _ORDER.index(word)))
        return [
            ReasonGroup(word, self.counts[word], self.soonest.get(word, 0.0), self.first[word])
            for word in order
        ]


def _name_choice(chosen: Chosen) -> Decisive:
    return Decisive(BOUND if chosen.is_bound else Word.READY.value, chosen.how)


def _shown(account: Account, reason: Reason) -> ExplainedAccount:
    return ExplainedAccount(
        account.id, account.mask, account.pool.tier, account.status, account.tags, reason
    )
