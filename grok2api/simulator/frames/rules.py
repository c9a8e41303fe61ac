"""What many bodies have in common: no key is unknown, switches are as wanted, ratios are known."""

from msgspec import UNSET, Struct, UnsetType

from grok2api.simulator.pictures import SIZES


class Strict(Struct, forbid_unknown_fields=True):
    """A mapping whose keys are all known."""


def demand(post: Struct, on: tuple[str, ...], off: tuple[str, ...] = ()) -> list[str]:
    """Return which switches are not as they must be."""
    problems = [f"{name} must be true" for name in on if not getattr(post, name)]
    return problems + [f"{name} must be false" for name in off if getattr(post, name)]


def check_ratio(ratio: str | UnsetType) -> list[str]:
    """Return what is wrong with an aspect ratio that may be left out."""
    known = ratio is UNSET or ratio in SIZES
    return [] if known else [f"aspectRatio {ratio!r} is not known"]
