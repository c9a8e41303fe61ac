"""Models: what a public name stands for."""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from grok2api.domain.account import Mode, Pool, ProviderKind, Tier
from grok2api.domain.images import ImageWay


class Capability(StrEnum):
    """What a model makes."""

    CHAT = "chat"
    IMAGE = "image"
    IMAGE_EDIT = "image_edit"
    VIDEO = "video"


OPERATIONS: Final = {
    Capability.CHAT: "chat",
    Capability.IMAGE: "image_generation",
    Capability.IMAGE_EDIT: "image_edit",
    Capability.VIDEO: "video_generation",
}
"""What making it is called in metrics and traces; "chat" is a term of OpenTelemetry."""


class Model(Struct, frozen=True):
    """One row of the catalogue.

    `tiers` are the tiers that may serve it, in the order in which they are tried.
    `cost` is in quota units (1 low effort, 4 high effort); for pictures and videos, of each. `way`
    is how an image model makes them. A video model's mode depends on the resolution: its own is
    that of the best one.
    """

    name: str
    title: str
    capability: Capability
    mode: Mode
    tiers: tuple[Tier, ...]
    cost: int = 1
    way: ImageWay | None = None
    kind: ProviderKind = ProviderKind.GROK_WEB


class Route(Struct, frozen=True):
    """How one request for a model is served.

    `requested` is the name the client used, `model` the catalogue row it stands for. Its modes are
    tried in their order.
    """

    requested: str
    model: Model
    modes: tuple[Mode, ...]

    @property
    def mode(self) -> Mode:
        """The mode that is asked for now."""
        return self.modes[0]

    @property
    def pools(self) -> tuple[Pool, ...]:
        """The pools to try, best first."""
        return tuple(Pool(self.model.kind, tier) for tier in self.model.tiers)
