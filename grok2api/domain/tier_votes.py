"""Which plan an account has, concluded from how many queries the upstream grants it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from grok2api.domain.account import Mode, Tier

VOTES: Final[Mapping[Mode, Mapping[int, Tier]]] = MappingProxyType(
    {
        Mode.AUTO: MappingProxyType(
            {7: Tier.BASIC, 20: Tier.BASIC, 50: Tier.SUPER, 150: Tier.HEAVY}
        ),
        Mode.FAST: MappingProxyType({30: Tier.BASIC, 140: Tier.SUPER, 400: Tier.HEAVY}),
    }
)
"""Totals that only one plan has. Any other total says nothing."""

_RANKS: Final = {tier: rank for rank, tier in enumerate(Tier)}


def read_votes(totals: Mapping[Mode, int]) -> dict[Mode, Tier]:
    """Return the plan that each of `totals` (queries per window) proves by itself."""
    votes = {
        mode: VOTES[mode][total] for mode, total in totals.items() if total in VOTES.get(mode, {})
    }
    if totals.get(Mode.HEAVY, 0) > 0:  # only one plan has this mode at all
        votes[Mode.HEAVY] = Tier.HEAVY
    return votes


def infer_tier(totals: Mapping[Mode, int]) -> Tier | None:
    """Return the plan that `totals` (queries per window) prove, or None if they prove nothing.

    Where they contradict each other, the lowest plan counts: it promises least.
    """
    return min(read_votes(totals).values(), key=_RANKS.__getitem__, default=None)
