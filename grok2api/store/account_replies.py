"""What the scripts of `lua/account` answer: one Struct per word."""

from msgspec import Struct

from grok2api.domain.account import Status
from grok2api.domain.ids import AccountId


class Saved(Struct, frozen=True, array_like=True, tag="saved"):
    """The account was added."""


class Known(Struct, frozen=True, array_like=True, tag="known"):
    """The account was there already; nothing changed."""

    pool: str


class Leased(Struct, frozen=True, array_like=True, tag="leased"):
    """A slot on an account, held until `expires_at_ms`."""

    account_id: AccountId
    pool_index: int
    secret: bytes
    user_id: str
    expires_at_ms: int


class NoneReady(Struct, frozen=True, array_like=True, tag="none_ready"):
    """No account is ready; the first timer ends in `retry_after_ms`, -1 if there is none."""

    retry_after_ms: int
    total: int
    usable: int


class Renewed(Struct, frozen=True, array_like=True, tag="renewed"):
    """The lease lives until `expires_at_ms`."""

    expires_at_ms: int


class Gone(Struct, frozen=True, array_like=True, tag="gone"):
    """The lease had ended."""


class Released(Struct, frozen=True, array_like=True, tag="released"):
    """The lease ended now; `status` is its account's."""

    status: Status


class Reaped(Struct, frozen=True, array_like=True, tag="reaped"):
    """So many timers were due."""

    count: int


class StaleEpoch(Struct, frozen=True, array_like=True, tag="stale_epoch"):
    """Another process has taken the lead since the caller was elected; nothing changed."""


class Removed(Struct, frozen=True, array_like=True, tag="removed"):
    """The account is gone, and so are its leases."""

    ended_leases: int


class Stored(Struct, frozen=True, array_like=True, tag="stored"):
    """The value is kept."""


class Changed(Struct, frozen=True, array_like=True, tag="changed"):
    """The account had the status `before`."""

    before: Status


class Unknown(Struct, frozen=True, array_like=True, tag="unknown"):
    """There is no such account."""
