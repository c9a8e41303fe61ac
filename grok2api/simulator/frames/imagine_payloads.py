"""What a client of the picture socket may say, key by key."""

import re
from typing import Literal

import msgspec
from msgspec import Struct

from grok2api.simulator.identity import is_uuid
from grok2api.simulator.pictures import SIZES

_REQUEST_ID = re.compile(r"img_[0-9a-f]{32}")
_MOST = 10
_MS = re.compile(r"\d{13}")


class _Strict(Struct, forbid_unknown_fields=True):
    """A mapping whose keys are all known."""


class ResetContent(_Strict, tag="reset"):
    """What came before is over."""


class Properties(_Strict):
    """How the pictures shall be."""

    section_count: int
    is_kids_mode: bool
    enable_nsfw: bool
    skip_upsampler: bool
    enable_side_by_side: bool
    is_initial: bool
    aspect_ratio: str
    enable_pro: bool
    num_generations: int


class AskContent(_Strict, tag="input_text"):
    """What the pictures shall show."""

    requestId: str  # noqa: N815 - the site's spelling
    text: str
    properties: Properties


class Item(_Strict):
    """One message."""

    type: Literal["message"]
    content: list[ResetContent | AskContent]


class ImagineMessage(_Strict):
    """What is sent; `timestamp` is in milliseconds."""

    type: Literal["conversation.item.create"]
    timestamp: int
    item: Item


IMAGINE_DECODER = msgspec.json.Decoder(ImagineMessage)


def check_message(message: ImagineMessage, before: ImagineMessage | None) -> list[str]:
    """Return what is wrong with a message that follows `before`."""
    problems = []
    if not _MS.fullmatch(str(message.timestamp)):
        problems.append("timestamp must be milliseconds")
    if before is not None and message.timestamp < before.timestamp:
        problems.append("timestamp goes backwards")
    if len(message.item.content) != 1:
        return [*problems, "content must have one part"]
    if not is_ask(message):
        return problems
    if before is None or is_ask(before):
        problems.append("a reset stands before every request")
    content = message.item.content[0]
    return problems + (_check_ask(content) if isinstance(content, AskContent) else [])


def is_ask(message: ImagineMessage) -> bool:
    """Whether a message asks for pictures."""
    return isinstance(message.item.content[0], AskContent)


def _check_ask(content: AskContent) -> list[str]:
    wanted = content.properties
    problems = []
    if not is_uuid(content.requestId) and not _REQUEST_ID.fullmatch(content.requestId):
        problems.append("requestId must be a UUID, or img_ and 32 hex digits")
    if not content.text.strip():
        problems.append("text is empty")
    off = ("is_kids_mode", "skip_upsampler", "is_initial")
    problems += [f"{name} must be false" for name in off if getattr(wanted, name)]
    if not wanted.enable_side_by_side:
        problems.append("enable_side_by_side must be true")
    if wanted.section_count:
        problems.append("section_count must be 0")
    if wanted.aspect_ratio not in SIZES:
        problems.append(f"aspect_ratio {wanted.aspect_ratio!r} is not known")
    if not 1 <= wanted.num_generations <= _MOST:
        problems.append(f"num_generations must be 1 to {_MOST}")
    return problems
