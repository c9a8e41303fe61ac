"""The catalogue: the names that clients of the reference know, each served by what it needs."""

import pytest

from grok2api.domain.account import MEDIA_MODES, Mode, Tier
from grok2api.domain.catalogue import CATALOGUE
from grok2api.domain.model import Capability
from grok2api.domain.quota import PLANS

BY_NAME = {model.name: model for model in CATALOGUE}
CHAT, IMAGE, EDIT, VIDEO = (
    Capability.CHAT,
    Capability.IMAGE,
    Capability.IMAGE_EDIT,
    Capability.VIDEO,
)
KNOWN = [
    ("grok-4.20-0309-non-reasoning", "Grok 4.20 0309 Non-Reasoning", CHAT, Mode.FAST),
    ("grok-4.20-0309", "Grok 4.20 0309", CHAT, Mode.AUTO),
    ("grok-4.20-0309-reasoning", "Grok 4.20 0309 Reasoning", CHAT, Mode.EXPERT),
    ("grok-4.20-0309-non-reasoning-super", "Grok 4.20 0309 Non-Reasoning Super", CHAT, Mode.FAST),
    ("grok-4.20-0309-super", "Grok 4.20 0309 Super", CHAT, Mode.AUTO),
    ("grok-4.20-0309-reasoning-super", "Grok 4.20 0309 Reasoning Super", CHAT, Mode.EXPERT),
    ("grok-4.20-0309-non-reasoning-heavy", "Grok 4.20 0309 Non-Reasoning Heavy", CHAT, Mode.FAST),
    ("grok-4.20-0309-heavy", "Grok 4.20 0309 Heavy", CHAT, Mode.AUTO),
    ("grok-4.20-0309-reasoning-heavy", "Grok 4.20 0309 Reasoning Heavy", CHAT, Mode.EXPERT),
    ("grok-4.20-multi-agent-0309", "Grok 4.20 Multi-Agent 0309", CHAT, Mode.HEAVY),
    ("grok-4.20-fast", "Grok 4.20 Fast", CHAT, Mode.FAST),
    ("grok-4.20-auto", "Grok 4.20 Auto", CHAT, Mode.AUTO),
    ("grok-4.20-expert", "Grok 4.20 Expert", CHAT, Mode.EXPERT),
    ("grok-4.20-heavy", "Grok 4.20 Heavy", CHAT, Mode.HEAVY),
    ("grok-4.3-beta", "Grok 4.3 Beta", CHAT, Mode.GROK_4_3),
    ("grok-imagine-image-lite", "Grok Imagine Image Lite", IMAGE, Mode.FAST),
    ("grok-imagine-image", "Grok Imagine Image", IMAGE, Mode.IMAGE_PRO),
    ("grok-imagine-image-pro", "Grok Imagine Image Pro", IMAGE, Mode.IMAGE_PRO),
    ("grok-imagine-image-edit", "Grok Imagine Image Edit", EDIT, Mode.IMAGE_EDIT),
    ("grok-imagine-video", "Grok Imagine Video", VIDEO, Mode.VIDEO_720P),
]


@pytest.mark.parametrize("row", KNOWN, ids=[row[0] for row in KNOWN])
def test_name_of_the_reference_is_a_model(row: tuple[str, str, Capability, Mode]) -> None:
    name, title, capability, mode = row

    model = BY_NAME[name]

    assert (model.title, model.capability, model.mode) == (title, capability, mode)


def test_no_name_stands_for_two_models() -> None:
    assert len(BY_NAME) == len(CATALOGUE)


def test_every_tier_of_a_model_has_its_mode() -> None:
    for model in CATALOGUE:
        assert all(model.mode in PLANS[tier] for tier in model.tiers)


def test_nobody_knows_how_many_pictures_and_videos_a_plan_has() -> None:
    for tier, plan in PLANS.items():
        unknown = {mode for mode in plan if plan[mode].total is None}
        assert unknown == MEDIA_MODES - ({Mode.VIDEO} if tier is Tier.BASIC else set())
