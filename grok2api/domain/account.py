"""Accounts: kinds, tiers, modes, credentials, and how a lease ends."""

from enum import StrEnum
from itertools import product
from typing import Final

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
    """How the upstream answers; also the unit of quota: every mode has a window of its own."""

    AUTO = "auto"
    FAST = "fast"
    EXPERT = "expert"
    HEAVY = "heavy"
    GROK_4_3 = "grok_4_3"
    IMAGE_PRO = "image_pro"
    IMAGE_EDIT = "image_edit"
    VIDEO = "video"
    VIDEO_720P = "video_720p"


MEDIA_MODES: Final = frozenset({Mode.IMAGE_PRO, Mode.IMAGE_EDIT, Mode.VIDEO, Mode.VIDEO_720P})
"""What is made instead of a chat; the upstream tells of these windows all at once."""
CHAT_MODES: Final = tuple(mode for mode in Mode if mode not in MEDIA_MODES)


class Status(StrEnum):
    """Whether an account may be used. Cooling and exhausted end by themselves."""

    ACTIVE = "active"
    COOLING = "cooling"
    EXHAUSTED = "exhausted"
    EXPIRED = "expired"
    DISABLED = "disabled"
    DELETED = "deleted"


class Outcome(StrEnum):
    """How a lease ended, as far as the account is concerned."""

    OK = "ok"
    FAILED = "failed"
    """The call failed for a reason that is not the account's."""
    CANCELLED = "cancelled"
    """The client left."""
    RATE_LIMITED = "rate_limited"
    """The upstream limits this account: the mode's window is empty, the account cools."""
    WINDOW_EMPTY = "window_empty"
    """The mode's queries are used up; the account's other modes go on."""
    USED_UP = "used_up"
    """The account's whole allowance is used up: it is exhausted."""
    FORBIDDEN = "forbidden"
    """The account may not use this mode: the mode rests; the third time in a row disables it."""
    UNCONFIRMED = "unconfirmed"
    """The session was refused without proof: the account cools; the second time it expires."""
    UNAUTHORIZED = "unauthorized"
    """The upstream no longer takes its session: it expires until its owner renews it."""


class Pool(Struct, frozen=True):
    """Accounts of one kind and tier, which can replace each other."""

    kind: ProviderKind
    tier: Tier


POOLS: Final = tuple(Pool(kind, tier) for kind, tier in product(ProviderKind, Tier))
"""Every pool there can be, tiers from the least to the best."""


class Credentials(Struct, frozen=True):
    """What an account needs to speak to its upstream. Secret: never logged, never shown.

    `session` is the session token, bare (no `sso=`). `cookies` holds the operator's own clearance
    cookies for this account, `name=value` pairs joined by `; `, or nothing.
    """

    session: str
    cookies: str = ""

    def __repr__(self) -> str:
        return "Credentials(…)"


class Lease(Struct, frozen=True):
    """A time-limited claim on one slot of an account, with all that is needed to use it."""

    id: LeaseId
    account_id: AccountId
    pool: Pool
    mode: Mode
    credentials: Credentials
    user_id: str
    expires_at_s: float
