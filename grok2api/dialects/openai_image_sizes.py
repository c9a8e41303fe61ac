"""Sizes and aspect ratios that clients name, as those the upstream knows."""

import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from grok2api.dialects.fields import refusal

RATIOS: Final = (
    *("1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3", "2:1", "1:2"),
    *("19.5:9", "9:19.5", "20:9", "9:20"),
)
"""The upstream's own words; of equally near ones the first is taken."""

SIZES: Mapping[str, str] = MappingProxyType(
    {
        "1280x720": "16:9",
        "720x1280": "9:16",
        "1792x1024": "3:2",
        "1536x1024": "3:2",
        "1024x1792": "2:3",
        "1024x1536": "2:3",
        "1024x1024": "1:1",
    }
)
"""Sizes that clients of these models use, and what they mean to the upstream."""

_AUTO: Final = "auto"
_PAIR = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,3})?) ?[x*:\u00d7/] ?([0-9]{1,5}(?:\.[0-9]{1,3})?)")


class FoundRatio(Struct, frozen=True):
    """A ratio of the upstream, "" for its own choice.

    `warning` says, so that a header can hold it, what became of a size that has no such ratio.
    """

    ratio: str
    warning: str = ""


def find_ratio(named: str, param: str) -> FoundRatio:
    """Return the ratio for a size or ratio as a client writes it; the nearest, if need be.

    Raises:
        InvalidRequestError: it is neither.
    """
    text = named.strip().lower()
    if text in ("", _AUTO):
        return FoundRatio("")
    if text in RATIOS:
        return FoundRatio(text)
    if text in SIZES:
        return FoundRatio(SIZES[text])
    pair = _PAIR.fullmatch(text)
    width, height = (float(side) for side in pair.groups()) if pair else (0.0, 0.0)
    if not width or not height:
        raise refusal(
            f"'{param}' is a size such as 1024x1024, auto, or one of the ratios "
            f"{', '.join(RATIOS)}.",
            param,
        )
    wanted = math.log(width / height)
    ratio = min(RATIOS, key=lambda ratio: abs(_log_of(ratio) - wanted))
    shown = text.replace("\u00d7", "x")
    return FoundRatio(ratio, f"{param}: {shown} became the aspect ratio {ratio}")


def _log_of(ratio: str) -> float:
    width, _, height = ratio.partition(":")
    return math.log(float(width) / float(height))
