"""The pretend accounts: who a session token belongs to and how that account is doing."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType, field

from grok2api.simulator.identity import make_uuid, short_hash
from grok2api.simulator.ledger import Entry, Ledger
from grok2api.simulator.options import SimulatorOptions, Tier
from grok2api.simulator.quota import Quota, WindowOrder

AccountStatus = Literal["ok", "expired", "blocked", "rate_limited"]


class Registration(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account as the control API receives it.

    An empty `name` becomes the short hash of the session, an empty `tier` the simulator's default.
    `rate_limited_s` is how long `rate_limited` lasts from now. `quota` changes windows, by mode.
    """

    session: str
    name: str = ""
    tier: Tier | Literal[""] = ""
    status: AccountStatus = "ok"
    rate_limited_s: float = 60.0
    user_id: str = ""
    quota: dict[str, WindowOrder | None] = field(default_factory=dict)


class Change(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the control API changes of an account; what is left out stays as it is.

    A new `tier` brings its own windows, before `quota` changes them.
    """

    tier: Tier | UnsetType = UNSET
    status: AccountStatus | UnsetType = UNSET
    rate_limited_s: float = 60.0
    quota: dict[str, WindowOrder | None] = field(default_factory=dict)


class Account:
    """One pretend account."""

    __slots__ = ("entry", "limited_until_s", "quota", "serial", "user_id")

    def __init__(self, user_id: str, quota: Quota, entry: Entry) -> None:
        self.user_id = user_id
        self.quota = quota
        self.entry = entry
        self.limited_until_s = 0.0
        self.serial = 0

    def next_serial(self) -> int:
        """Number the calls of this account, from 1."""
        self.serial += 1
        return self.serial

    def spend(self, mode: str) -> None:
        """Count one query of an accepted call."""
        window = self.quota.spend(mode)
        self.entry.note_spent(mode, window.used, window.total)

    def spend_media(self, mode: str, units: int) -> bool:
        """Count the queries of pictures or videos, if they are metered; False if they are gone."""
        window = self.quota.look_at_media(mode)
        if window is None:
            return True
        if window.remaining < units:
            return False
        window = self.quota.spend(mode, units)
        self.entry.note_spent(mode, window.used, window.total, units)
        return True


class Accounts:
    """All pretend accounts, by session token."""

    def __init__(self, options: SimulatorOptions, ledger: Ledger) -> None:
        self._options = options
        self._ledger = ledger
        self._by_session: dict[str, Account] = {}
        self._names: dict[str, str] = {}

    def register(self, wanted: Registration) -> Account:
        """Add an account, or change the one that has this session.

        Raises:
            ValueError: the name belongs to another session.
        """
        ref = short_hash(wanted.session)
        name = wanted.name or ref
        if self._names.setdefault(name, wanted.session) != wanted.session:
            raise ValueError(f"the name {name!r} belongs to another session")
        tier = wanted.tier or self._options.tier
        fresh = Account(
            wanted.user_id or make_uuid("user", wanted.session),
            Quota(tier, self._options.clock),
            Entry(name=name, ref=ref, tier=tier, status=wanted.status),
        )
        account = self._by_session.setdefault(wanted.session, fresh)
        if account is not fresh:
            self._change(account, fresh)
        account.limited_until_s = self._options.clock.now_s() + wanted.rate_limited_s
        _set_windows(account, wanted.quota)
        self._ledger.add(account.entry)
        return account

    def change(self, name: str, wanted: Change) -> Account:
        """Change an account, by its name or short hash.

        Raises:
            LookupError: there is none.
        """
        account = next(
            (a for a in self._by_session.values() if name in (a.entry.name, a.entry.ref)), None
        )
        if account is None:
            raise LookupError(f"no account is called {name!r}")
        entry = account.entry
        if wanted.tier is not UNSET and wanted.tier != entry.tier:
            entry.tier = wanted.tier
            account.quota = Quota(wanted.tier, self._options.clock)
        if wanted.status is not UNSET:
            entry.status = wanted.status
            account.limited_until_s = self._options.clock.now_s() + wanted.rate_limited_s
        _set_windows(account, wanted.quota)
        return account

    def _change(self, account: Account, fresh: Account) -> None:
        """Give an account what `fresh` says; its counters stay."""
        if account.entry.name != fresh.entry.name:
            self._ledger.remove(account.entry.name)
            self._names.pop(account.entry.name, None)
        account.user_id = fresh.user_id
        entry = account.entry
        if entry.tier != fresh.entry.tier:
            account.quota = fresh.quota
        entry.name, entry.tier, entry.status = (
            fresh.entry.name,
            fresh.entry.tier,
            fresh.entry.status,
        )

    def reset(self, *, forget: bool) -> None:
        """Give every account a new page in the ledger and full windows, or forget them all."""
        if forget:
            self._by_session.clear()
            self._names.clear()
        for account in self._by_session.values():
            old = account.entry
            account.entry = Entry(
                name=old.name,
                ref=old.ref,
                tier=old.tier,
                status=old.status,
                sensitive_content=old.sensitive_content,
                files=old.files,
            )
            account.quota.refill()
            account.serial = 0
            self._ledger.add(account.entry)

    def find(self, session: str) -> Account | None:
        """Return the account of a session; with `accept_any` a stranger becomes an account."""
        account = self._by_session.get(session)
        if account is None and self._options.accept_any and session:
            return self.register(Registration(session=session))
        return account

    def of_user(self, user_id: str) -> Account | None:
        """Return the account with this user id."""
        return next((a for a in self._by_session.values() if a.user_id == user_id), None)

    def limited_for_s(self, account: Account) -> float:
        """Return how many seconds the account's rate limit still lasts; 0 if there is none."""
        if account.entry.status != "rate_limited":
            return 0.0
        left_s = account.limited_until_s - self._options.clock.now_s()
        if left_s <= 0:
            account.entry.status = "ok"
        return max(left_s, 0.0)


def _set_windows(account: Account, windows: dict[str, WindowOrder | None]) -> None:
    for mode, order in windows.items():
        account.quota.change(mode, order)
