"""What the scripts of `lua/account` answer: one Struct per word."""

from msgspec import Struct

from grok2api.domain.account import Mode, Status
from grok2api.domain.ids import AccountId


class Saved(Struct, frozen=True, array_like=True, tag="saved"):
    """The account was added."""


class Known(Struct, frozen=True, array_like=True, tag="known"):
    """The account was there already; nothing changed."""

    pool: str


class Replaced(Struct, frozen=True, array_like=True, tag="replaced"):
    """A new session is in the place of the account."""


class Leased(Struct, frozen=True, array_like=True, tag="leased"):
    """A slot on an account, held until `expires_at_ms`."""

    account_id: AccountId
    pool: str
    mode: Mode
    secret: bytes
    user_id: str
    expires_at_ms: int


class WaitingInLine(Struct, frozen=True, array_like=True, tag="waiting"):
    """The request stands in line until `ends_at_ms`; its worker is told when its turn has come."""

    ends_at_ms: int


class NoneReadyNow(Struct, frozen=True, array_like=True, tag="none_ready"):
    """No account is ready; a timer that may help ends in `retry_after_ms`, -1 if none is known."""

    retry_after_ms: int
    total: int
    usable: int


class LineFull(Struct, frozen=True, array_like=True, tag="line_full"):
    """Too many wait already: of this "key", or for the "pool"."""

    whose: str
    retry_after_ms: int


class Poisonous(Struct, frozen=True, array_like=True, tag="poisonous"):
    """This prompt has hurt too many accounts to be given another one."""

    retry_after_ms: int


class Chosen(Struct, frozen=True, array_like=True, tag="chosen"):
    """Who would serve the request now. `is_bound`: because it served the session before."""

    account_id: AccountId
    pool: str
    mode: Mode
    is_bound: int


class Renewed(Struct, frozen=True, array_like=True, tag="renewed"):
    """The lease lives until `expires_at_ms`."""

    expires_at_ms: int


class Gone(Struct, frozen=True, array_like=True, tag="gone"):
    """The lease had ended."""


class Released(Struct, frozen=True, array_like=True, tag="released"):
    """The lease ended now; `status` is its account's."""

    status: Status


class LeftLine(Struct, frozen=True, array_like=True, tag="left"):
    """The request waits no more."""


class Reaped(Struct, frozen=True, array_like=True, tag="reaped"):
    """So many timers were due."""

    count: int


class StaleEpoch(Struct, frozen=True, array_like=True, tag="stale_epoch"):
    """Another process has taken the lead since the caller was elected; nothing changed."""


class Removed(Struct, frozen=True, array_like=True, tag="removed"):
    """The account is gone; its open leases run on."""

    open_leases: int


class Stored(Struct, frozen=True, array_like=True, tag="stored"):
    """The value is kept."""


class Changed(Struct, frozen=True, array_like=True, tag="changed"):
    """The account had the status `before`."""

    before: Status


class Synced(Struct, frozen=True, array_like=True, tag="synced"):
    """The numbers are written down; the account's status and pool are these now."""

    status: Status
    pool: str


class Deferred(Struct, frozen=True, array_like=True, tag="deferred"):
    """The account is asked about later; its status is this now."""

    status: Status


class Taken(Struct, frozen=True, array_like=True, tag="taken"):
    """Accounts to ask the upstream about: id and pool in turn, msgpack."""

    accounts: bytes


class Cleared(Struct, frozen=True, array_like=True, tag="cleared"):
    """So many sessions are forgotten."""

    count: int


class Unknown(Struct, frozen=True, array_like=True, tag="unknown"):
    """There is no such account."""
