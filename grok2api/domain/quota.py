"""Quota: how many queries an account has in each mode, as data and as the upstream tells it."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from grok2api.domain.account import Mode, Tier

DAY_S: Final = 86_400
TWO_HOURS_S: Final = 7_200


class Source(StrEnum):
    """Where the number of a window comes from."""

    UNKNOWN = "unknown"
    """Nobody knows how many queries there are; the window does not hold anything back."""
    DEFAULT = "default"
    """What the tier usually has."""
    REAL = "real"
    """The upstream said so."""
    ESTIMATED = "estimated"
    """Concluded from an answer that was no number, such as a rate limit."""


class Plan(Struct, frozen=True):
    """What a tier has of one mode: so many queries in so many seconds; None: nobody knows."""

    total: int | None
    length_s: int


_UNKNOWN_A_DAY: Final = Plan(None, DAY_S)
_MEDIA: Final = {
    Mode.IMAGE_PRO: _UNKNOWN_A_DAY,
    Mode.IMAGE_EDIT: _UNKNOWN_A_DAY,
    Mode.VIDEO_720P: _UNKNOWN_A_DAY,
}
_PAID_MEDIA: Final = {**_MEDIA, Mode.VIDEO: _UNKNOWN_A_DAY}


PLANS: Final[Mapping[Tier, Mapping[Mode, Plan]]] = MappingProxyType(
    {
        Tier.BASIC: MappingProxyType({Mode.FAST: Plan(30, DAY_S), **_MEDIA}),
        Tier.SUPER: MappingProxyType(
            {
                Mode.AUTO: Plan(50, TWO_HOURS_S),
                Mode.FAST: Plan(140, TWO_HOURS_S),
                Mode.EXPERT: Plan(50, TWO_HOURS_S),
                Mode.GROK_4_3: Plan(50, TWO_HOURS_S),
                **_PAID_MEDIA,
            }
        ),
        Tier.HEAVY: MappingProxyType(
            {
                Mode.AUTO: Plan(150, TWO_HOURS_S),
                Mode.FAST: Plan(400, TWO_HOURS_S),
                Mode.EXPERT: Plan(150, TWO_HOURS_S),
                Mode.HEAVY: Plan(20, TWO_HOURS_S),
                Mode.GROK_4_3: Plan(150, TWO_HOURS_S),
                **_PAID_MEDIA,
            }
        ),
    }
)
"""Until the upstream tells its own numbers. An account serves the modes of its tier only."""


class Reading(Struct, frozen=True):
    """What the upstream says of one window now. `resets_in_s` is an estimate where it is silent.

    `total` is None where it does not say how many a full window has: then nobody knows the number
    any more once the window has ended.
    """

    mode: Mode
    remaining: int
    total: int | None
    length_s: int
    resets_in_s: float


class Credits(Struct, frozen=True):
    """The weekly allowance of a paid account, in hundredths of a percent."""

    remaining: int
    resets_in_s: float
    total: int = 10_000


class QuotaReport(Struct, frozen=True):
    """All that one account's quota calls brought.

    `failed` names the modes that gave no usable answer, with a word for why. `unmetered` are modes
    of which the upstream tells no number, although it was asked: nobody knows what is left of them.
    `tier` is what the answers prove, None where they prove nothing. `votes` is what each mode's
    answer proves by itself, also of modes that this tier does not serve.
    """

    readings: tuple[Reading, ...]
    failed: Mapping[Mode, str]
    tier: Tier | None = None
    credits: Credits | None = None
    votes: Mapping[Mode, Tier] = {}
    unmetered: tuple[Mode, ...] = ()

    @property
    def is_unanimous(self) -> bool:
        """Whether auto and fast both prove `tier`, and no other answer proves another one."""
        has_both = Mode.AUTO in self.votes and Mode.FAST in self.votes
        return has_both and set(self.votes.values()) == {self.tier}


class Window(Struct, frozen=True):
    """What is left of one mode of an account, after all that is granted.

    Times are seconds since epoch. `total` is None where nobody knows it; what remains may be known
    all the same, until the window ends. `held` units are granted and neither settled nor given
    back. `reset_at_s` is 0 before the first use of a full window, `rests_until_s` unless the mode
    rests.
    """

    remaining: int
    total: int | None
    length_s: int
    source: Source
    held: int = 0
    reset_at_s: float = 0.0
    synced_at_s: float = 0.0
    rests_until_s: float = 0.0

    @property
    def is_known(self) -> bool:
        """Whether `remaining` is a number that holds requests back."""
        return self.total is not None or self.source in {Source.REAL, Source.ESTIMATED}
