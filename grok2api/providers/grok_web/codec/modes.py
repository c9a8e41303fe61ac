"""What the upstream calls our modes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from grok2api.domain.account import Mode

_OTHER_WORDS = {Mode.GROK_4_3: "grok-420-computer-use-sa"}

MEDIA_PRODUCTS: Final[Mapping[str, Mode]] = MappingProxyType(
    {
        "imagePro": Mode.IMAGE_PRO,
        "imageEdit": Mode.IMAGE_EDIT,
        "video": Mode.VIDEO,
        "video720p": Mode.VIDEO_720P,
    }
)
"""What is metered of pictures and videos, in the upstream's words."""


def word_of(mode: Mode) -> str:
    """Return the upstream's own word for a mode of chat."""
    return _OTHER_WORDS.get(mode, mode.value)
