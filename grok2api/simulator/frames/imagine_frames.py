"""A round of the picture socket as the frames that it consists of."""

import base64
from collections.abc import Callable, Iterator
from types import MappingProxyType

import msgspec
from msgspec import Struct

from grok2api.simulator.frames.socket_frames import BINARY_MESSAGE
from grok2api.simulator.gallery import Form
from grok2api.simulator.pictures import Picture, draw_jpeg, draw_png
from grok2api.simulator.script.directives import DirectiveError, Script
from grok2api.simulator.script.faults import FAULTS

_DONE_PERCENT = 100
# Where no state is told, clients go by the length of the base64 text.
_MEDIUM_BYTES = 24_000
_FINAL_BYTES = 78_000
_HUGE_BYTES = 65 * 1024 * 1024
_ERROR_CODES = MappingProxyType(
    {401: "unauthenticated", 403: "permission_denied", 429: "rate_limit_exceeded"}
)
_encode = msgspec.json.Encoder().encode


class Round(Struct, frozen=True, kw_only=True):
    """What is asked for: `ids` has one name for each slot that will be made."""

    ids: tuple[str, ...]
    paint: Callable[[int, int, int], Picture]
    """Returns the picture of a slot at a percentage, with at least so many bytes."""
    publish: Callable[[Picture, Form], str]
    """Puts a picture onto the public host; returns its address."""


def moderated_slots(script: Script) -> set[int]:
    """Return the slots, from 0, that are withheld.

    Raises:
        DirectiveError: `moderated_slots` is no list of numbers.
    """
    try:
        listed = {int(text) for text in script.moderated_slots.split(",") if text.strip()}
    except ValueError:
        raise DirectiveError("moderated_slots must be numbers and commas") from None
    return listed | set(range(script.moderated))


def compose_round(script: Script, asked: Round) -> Iterator[bytes]:
    """Yield the frames of a round, drawn as they are needed."""
    withheld = moderated_slots(script)
    if script.unknown:
        yield _encode({"type": "json", "current_status": "warming_up"})
        yield _encode({"type": "weather", "sky": "blue"})
    if script.binary:
        yield BINARY_MESSAGE
    if script.garbage:
        yield b"this is no JSON"
        yield b'["nor an object"]'
    if script.huge:
        yield b'{"type":"image","blob":"' + b"A" * _HUGE_BYTES + b'"}'
    slots = [_Slot(script, asked, slot, is_withheld=slot in withheld) for slot in _slots(asked)]
    if script.states:
        yield from (slot.start() for slot in slots)
    for number in range(script.previews):
        percent = _DONE_PERCENT * (number + 1) // (script.previews + 1)
        is_last = number == script.previews - 1
        yield from (slot.preview(percent, is_last=is_last) for slot in slots)
    for slot in slots:
        yield from slot.end()


def encode_error(code: str, message: str) -> bytes:
    """Return the frame that ends a round with an error."""
    return _encode({"type": "error", "err_code": code, "err_msg": message})


def scripted_error(script: Script) -> bytes:
    """Return the error that a script asks for."""
    if script.error == "custom":
        return encode_error(script.code, script.message)
    fault = FAULTS[script.error]
    usual = _ERROR_CODES.get(fault.status, "internal_error")
    code = fault.code if isinstance(fault.code, str) else usual
    return encode_error(script.code or code, script.message or fault.message)


def _slots(asked: Round) -> range:
    return range(len(asked.ids))


class _Slot:
    """One picture on its way."""

    def __init__(self, script: Script, asked: Round, slot: int, *, is_withheld: bool) -> None:
        self._script = script
        self._asked = asked
        self._slot = slot
        self._is_withheld = is_withheld
        self._id = asked.ids[slot]

    def start(self) -> bytes:
        return self._state("start_stage")

    def preview(self, percent: int, *, is_last: bool) -> bytes:
        wanted = 0 if self._script.states or not is_last else _MEDIUM_BYTES
        picture = self._asked.paint(self._slot, percent, wanted)
        return self._image(picture, "png", percent)

    def end(self) -> Iterator[bytes]:
        script = self._script
        wanted = script.image_bytes if script.states else max(script.image_bytes, _FINAL_BYTES)
        picture = self._asked.paint(self._slot, _DONE_PERCENT, wanted)
        final = b"" if self._is_withheld else self._image(picture, "jpeg", _DONE_PERCENT)
        if not script.states:
            yield from filter(None, [final])
            return
        outcome: dict[str, object] = {"moderated": self._is_withheld, "r_rated": False}
        if final and script.final_in == "completed":
            extra = msgspec.json.decode(final, type=dict[str, object])
            outcome |= {key: extra[key] for key in ("url", "blob") if key in extra}
            final = b""
        completed = self._state("completed", **outcome)
        both = [completed, final] if script.completed_first else [final, completed]
        yield from filter(None, both)

    def _state(self, status: str, **members: object) -> bytes:
        names = {"image_id": self._id, "job_id": self._id}
        shape = self._asked.paint(self._slot, _DONE_PERCENT, 0)
        size = {"order": self._slot, "width": shape.width, "height": shape.height}
        return _encode({"type": "json", "current_status": status, **names, **size, **members})

    def _image(self, picture: Picture, form: Form, percent: int) -> bytes:
        script = self._script
        frame: dict[str, object] = {"type": "image"}
        if script.ids == "all":
            frame["id"] = self._id
        address = self._asked.publish(picture, form)
        if script.image_url:
            frame["url"] = address
        if script.blob != "none":
            frame["blob"] = self._blob(picture, form)
        if (percent < _DONE_PERCENT or script.final_percent) and script.states:
            frame["percentage_complete"] = percent
        frame["side_by_side_index"] = self._slot
        return _encode({**frame, "width": picture.width, "height": picture.height})

    def _blob(self, picture: Picture, form: Form) -> str:
        text = base64.b64encode(draw_png(picture) if form == "png" else draw_jpeg(picture)).decode()
        if self._script.blob == "unpadded":
            return text.rstrip("=")
        return f"data:image/{form};base64,{text}" if self._script.blob == "data_uri" else text
