"""The models we know, as data. The order is the order in which they are listed."""

from grok2api.domain.account import Mode, Tier
from grok2api.domain.images import ImageWay
from grok2api.domain.model import Capability, Model

CATALOGUE_SINCE_S = 1_767_225_600
"""What `created` says of every model: a constant, for a model does not change by being asked."""

_FROM_BASIC = (Tier.BASIC, Tier.SUPER, Tier.HEAVY)
_FROM_SUPER = (Tier.SUPER, Tier.HEAVY)
_ONLY_HEAVY = (Tier.HEAVY,)
_BEST_FIRST = (Tier.HEAVY, Tier.SUPER, Tier.BASIC)
_BEST_PAID_FIRST = (Tier.HEAVY, Tier.SUPER)

LOW_COST = 1
HIGH_COST = 4

_CHAT_ROWS: tuple[tuple[str, str, Mode, tuple[Tier, ...], int], ...] = (
    # What the site itself offers now.
    ("grok-chat-fast", "Grok Chat Fast", Mode.FAST, _FROM_BASIC, LOW_COST),
    ("grok-chat-auto", "Grok Chat Auto", Mode.AUTO, _FROM_SUPER, LOW_COST),
    ("grok-chat-expert", "Grok Chat Expert", Mode.EXPERT, _FROM_SUPER, LOW_COST),
    ("grok-chat-heavy", "Grok Chat Heavy", Mode.HEAVY, _ONLY_HEAVY, LOW_COST),
    # Names with a date; a suffix raises the least tier.
    (
        "grok-4.20-0309-non-reasoning",
        "Grok 4.20 0309 Non-Reasoning",
        Mode.FAST,
        _FROM_BASIC,
        LOW_COST,
    ),
    ("grok-4.20-0309", "Grok 4.20 0309", Mode.AUTO, _FROM_SUPER, LOW_COST),
    ("grok-4.20-0309-reasoning", "Grok 4.20 0309 Reasoning", Mode.EXPERT, _FROM_SUPER, LOW_COST),
    (
        "grok-4.20-0309-non-reasoning-super",
        "Grok 4.20 0309 Non-Reasoning Super",
        Mode.FAST,
        _FROM_SUPER,
        LOW_COST,
    ),
    ("grok-4.20-0309-super", "Grok 4.20 0309 Super", Mode.AUTO, _FROM_SUPER, LOW_COST),
    (
        "grok-4.20-0309-reasoning-super",
        "Grok 4.20 0309 Reasoning Super",
        Mode.EXPERT,
        _FROM_SUPER,
        LOW_COST,
    ),
    (
        "grok-4.20-0309-non-reasoning-heavy",
        "Grok 4.20 0309 Non-Reasoning Heavy",
        Mode.FAST,
        _ONLY_HEAVY,
        LOW_COST,
    ),
    ("grok-4.20-0309-heavy", "Grok 4.20 0309 Heavy", Mode.AUTO, _ONLY_HEAVY, LOW_COST),
    (
        "grok-4.20-0309-reasoning-heavy",
        "Grok 4.20 0309 Reasoning Heavy",
        Mode.EXPERT,
        _ONLY_HEAVY,
        LOW_COST,
    ),
    (
        "grok-4.20-multi-agent-0309",
        "Grok 4.20 Multi-Agent 0309",
        Mode.HEAVY,
        _ONLY_HEAVY,
        LOW_COST,
    ),
    # The same, best pool first.
    ("grok-4.20-fast", "Grok 4.20 Fast", Mode.FAST, _BEST_FIRST, LOW_COST),
    ("grok-4.20-auto", "Grok 4.20 Auto", Mode.AUTO, _BEST_PAID_FIRST, LOW_COST),
    ("grok-4.20-expert", "Grok 4.20 Expert", Mode.EXPERT, _BEST_PAID_FIRST, LOW_COST),
    ("grok-4.20-heavy", "Grok 4.20 Heavy", Mode.HEAVY, _ONLY_HEAVY, LOW_COST),
    ("grok-4.3-beta", "Grok 4.3 Beta", Mode.GROK_4_3, _FROM_SUPER, LOW_COST),
    # Older names that clients still carry; the upstream now chooses by mode alone.
    ("grok-3", "Grok 3", Mode.FAST, _FROM_BASIC, LOW_COST),
    ("grok-3-mini", "Grok 3 Mini", Mode.FAST, _FROM_BASIC, LOW_COST),
    ("grok-3-thinking", "Grok 3 Thinking", Mode.EXPERT, _FROM_SUPER, LOW_COST),
    ("grok-4", "Grok 4", Mode.AUTO, _FROM_SUPER, LOW_COST),
    ("grok-4-fast", "Grok 4 Fast", Mode.FAST, _FROM_BASIC, LOW_COST),
    ("grok-4-mini", "Grok 4 Mini", Mode.FAST, _FROM_BASIC, LOW_COST),
    ("grok-4-thinking", "Grok 4 Thinking", Mode.EXPERT, _FROM_SUPER, LOW_COST),
    ("grok-4-expert", "Grok 4 Expert", Mode.EXPERT, _FROM_SUPER, HIGH_COST),
    ("grok-4-heavy", "Grok 4 Heavy", Mode.HEAVY, _ONLY_HEAVY, HIGH_COST),
    ("grok-4.1", "Grok 4.1", Mode.AUTO, _FROM_SUPER, LOW_COST),
    ("grok-4.1-mini", "Grok 4.1 Mini", Mode.FAST, _FROM_BASIC, LOW_COST),
    ("grok-4.1-fast", "Grok 4.1 Fast", Mode.FAST, _FROM_BASIC, LOW_COST),
    ("grok-4.1-thinking", "Grok 4.1 Thinking", Mode.EXPERT, _FROM_SUPER, HIGH_COST),
    ("grok-4.1-expert", "Grok 4.1 Expert", Mode.EXPERT, _FROM_SUPER, HIGH_COST),
)

_IMAGE_ROWS: tuple[tuple[str, str, ImageWay, int], ...] = (
    ("grok-imagine-image-lite", "Grok Imagine Image Lite", ImageWay.LITE, LOW_COST),
    ("grok-imagine-image", "Grok Imagine Image", ImageWay.SPEED, LOW_COST),
    ("grok-imagine-image-pro", "Grok Imagine Image Pro", ImageWay.QUALITY, LOW_COST),
    ("grok-imagine-image-2.0", "Grok Imagine Image 2.0", ImageWay.QUALITY, LOW_COST),
    ("grok-imagine-image-edit", "Grok Imagine Image Edit", ImageWay.EDIT, LOW_COST),
    ("grok-imagine-1.0", "Grok Imagine 1.0", ImageWay.LITE, HIGH_COST),
    ("grok-imagine-1.0-edit", "Grok Imagine 1.0 Edit", ImageWay.EDIT, LOW_COST),
)
_VIDEO_ROWS: tuple[tuple[str, str], ...] = (
    ("grok-imagine-video", "Grok Imagine Video"),
    ("grok-imagine-1.0-video", "Grok Imagine 1.0 Video"),
)
_MODE_OF_WAY = {
    ImageWay.LITE: Mode.FAST,
    ImageWay.SPEED: Mode.IMAGE_PRO,
    ImageWay.QUALITY: Mode.IMAGE_PRO,
    ImageWay.EDIT: Mode.IMAGE_EDIT,
}

CATALOGUE: tuple[Model, ...] = (
    *(
        Model(name=name, title=title, capability=Capability.CHAT, mode=mode, tiers=tiers, cost=cost)
        for name, title, mode, tiers, cost in _CHAT_ROWS
    ),
    # From the least tier up: what an account may make, its own windows say.
    *(
        Model(
            name=name,
            title=title,
            capability=Capability.IMAGE_EDIT if way is ImageWay.EDIT else Capability.IMAGE,
            mode=_MODE_OF_WAY[way],
            tiers=_FROM_BASIC,
            cost=cost,
            way=way,
        )
        for name, title, way, cost in _IMAGE_ROWS
    ),
    *(
        Model(
            name=name,
            title=title,
            capability=Capability.VIDEO,
            mode=Mode.VIDEO_720P,
            tiers=_FROM_BASIC,
        )
        for name, title in _VIDEO_ROWS
    ),
)
