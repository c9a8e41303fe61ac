"""Which plan the totals of an account's windows prove."""

import pytest
from hypothesis import given, strategies as st

from grok2api.domain.account import Mode, Tier
from grok2api.domain.quota import PLANS
from grok2api.domain.tier_votes import infer_tier

TIERS = list(Tier)
totals = st.dictionaries(
    st.sampled_from(Mode), st.sampled_from([0, 7, 20, 30, 50, 60, 140, 150, 400]) | st.integers()
)


@pytest.mark.parametrize(
    ("told", "tier"),
    [
        ({Mode.AUTO: 7}, Tier.BASIC),
        ({Mode.AUTO: 20}, Tier.BASIC),
        ({Mode.AUTO: 50}, Tier.SUPER),
        ({Mode.AUTO: 150}, Tier.HEAVY),
        ({Mode.FAST: 30}, Tier.BASIC),
        ({Mode.FAST: 140}, Tier.SUPER),
        ({Mode.FAST: 400}, Tier.HEAVY),
        ({Mode.HEAVY: 1}, Tier.HEAVY),
        ({Mode.HEAVY: 20}, Tier.HEAVY),
    ],
)
def test_a_known_total_proves_its_plan(told: dict[Mode, int], tier: Tier) -> None:
    assert infer_tier(told) is tier


@pytest.mark.parametrize(
    "told",
    [
        {},
        {Mode.AUTO: 21},
        {Mode.FAST: 50},
        {Mode.HEAVY: 0},
        {Mode.HEAVY: -1},
        {Mode.EXPERT: 50},
        {Mode.GROK_4_3: 150},
    ],
)
def test_an_unknown_total_proves_nothing(told: dict[Mode, int]) -> None:
    assert infer_tier(told) is None


@pytest.mark.parametrize(
    ("told", "tier"),
    [
        ({Mode.AUTO: 50, Mode.FAST: 30}, Tier.BASIC),
        ({Mode.AUTO: 20, Mode.FAST: 400, Mode.HEAVY: 20}, Tier.BASIC),
        ({Mode.AUTO: 150, Mode.FAST: 140}, Tier.SUPER),
        ({Mode.AUTO: 51, Mode.FAST: 140}, Tier.SUPER),
    ],
)
def test_contradicting_totals_prove_the_lowest_plan(told: dict[Mode, int], tier: Tier) -> None:
    assert infer_tier(told) is tier


@pytest.mark.parametrize("tier", TIERS)
def test_every_plan_proves_itself(tier: Tier) -> None:
    known = {mode: plan.total for mode, plan in PLANS[tier].items() if plan.total is not None}
    assert infer_tier(known) is tier


@given(totals)
def test_one_more_total_never_raises_a_proven_plan(told: dict[Mode, int]) -> None:
    proven = infer_tier(told)

    for mode in told:
        rest = infer_tier({other: n for other, n in told.items() if other is not mode})
        if proven is not None and rest is not None:
            assert TIERS.index(proven) <= TIERS.index(rest)


@given(totals)
def test_a_proven_plan_is_the_vote_of_one_of_the_modes(told: dict[Mode, int]) -> None:
    alone = {infer_tier({mode: total}) for mode, total in told.items()}

    assert infer_tier(told) in alone | {None}
    assert (infer_tier(told) is None) == (alone <= {None})
