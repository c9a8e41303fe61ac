"""Client keys: who calls us."""

from typing import Final

from msgspec import Struct

from grok2api.domain.ids import ClientKeyId

MAX_WEIGHT: Final = 64
ANONYMOUS: Final = ClientKeyId("anonymous")
"""In place of the id of a key where there was none; no id is this word."""


class Budget(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How much a key may use in a period; 0: no limit. `units` are those of the accounts' quota."""

    requests: int = 0
    tokens: int = 0
    units: int = 0


class KeyLimits(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a key may use at most; 0 and empty: no limit.

    A minute is any 60 seconds. Days, weeks (from Monday) and months are those of UTC.
    """

    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    concurrency: int = 0
    day: Budget = Budget()
    week: Budget = Budget()
    month: Budget = Budget()


class ClientKey(Struct, frozen=True):
    """A key that clients present, as pages show it: the key itself is not kept anywhere.

    `hint` is enough for its owner to recognise it (`sk-…x9Qk`). Times are seconds since epoch.
    When requests wait for accounts, a key of weight 2 gets twice the turns of one of weight 1.
    A key with tags is served by accounts that have one of them, and by no others.
    It works until `expires_at_s` (0: without end), for `models` only (all where there are none; one
    that ends in `*` stands for all that begin so), and from `networks` only (CIDR; all where there
    are none).
    """

    id: ClientKeyId
    name: str
    created_at_s: float
    is_enabled: bool = True
    hint: str = ""
    weight: int = 1
    tags: tuple[str, ...] = ()
    expires_at_s: float = 0.0
    models: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    limits: KeyLimits = KeyLimits()
