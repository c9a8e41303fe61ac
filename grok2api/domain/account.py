"""Accounts: kinds, tiers, modes, credentials, and how a lease ends."""

from enum import StrEnum

from msgspec import Struct

from grok2api.domain.ids import AccountId, LeaseId


class ProviderKind(StrEnum):
    """An upstream family."""

    GROK_WEB = "grok_web"


class Tier(StrEnum):
    """What the account's plan allows."""

    BASIC = "basic"
    SUPER = "super"
    HEAVY = "heavy"


class Mode(StrEnum):
    """How the upstream answers; also the unit of quota. The value is the upstream's own word."""

    AUTO = "auto"
    FAST = "fast"
    EXPERT = "expert"
    HEAVY = "heavy"
    GROK_4_3 = "grok-420-computer-use-sa"


class Status(StrEnum):
    """Whether an account may be used."""

    ACTIVE = "active"
    COOLING = "cooling"
    EXPIRED = "expired"
    DISABLED = "disabled"


class Outcome(StrEnum):
    """How a lease ended, as far as the account is concerned."""

    OK = "ok"
    RATE_LIMITED = "rate_limited"
    """The upstream limits this account for a while: it cools."""
    UNAUTHORIZED = "unauthorized"
    """The upstream no longer takes its session: it expires until its owner renews it."""
    FAILED = "failed"
    """The call failed for a reason that is not the account's."""
    CANCELLED = "cancelled"
    """The client left."""


class Pool(Struct, frozen=True):
    """Accounts of one kind and tier, which can replace each other."""

    kind: ProviderKind
    tier: Tier


class Credentials(Struct, frozen=True):
    """What an account needs to speak to its upstream. Secret: never logged, never shown.

    `session` is the session token, bare (no `sso=`). `cookies` holds the operator's own clearance
    cookies for this account, `name=value` pairs joined by `; `, or nothing.
    """

    session: str
    cookies: str = ""

    def __repr__(self) -> str:
        return "Credentials(…)"


class Account(Struct, frozen=True):
    """An account as pages and lists show it: no secret in it.

    `mask` is a short hint of the session for its owner (`eyJh…x9Qk`). Times: seconds since epoch.
    """

    id: AccountId
    pool: Pool
    status: Status
    mask: str
    created_at_s: float
    tags: tuple[str, ...] = ()
    user_id: str = ""
    reason: str = ""
    until_s: float = 0.0
    open_leases: int = 0


class Lease(Struct, frozen=True):
    """A time-limited claim on one slot of an account, with all that is needed to use it."""

    id: LeaseId
    account_id: AccountId
    pool: Pool
    credentials: Credentials
    user_id: str
    expires_at_s: float
