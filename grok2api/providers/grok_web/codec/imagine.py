"""Pictures over the Imagine socket: what its messages mean."""

import re
from typing import Final

from msgspec import Raw, Struct, json

from grok2api.domain.images import (
    ImageBatch,
    ImageMade,
    ImagePreview,
    ImagesDone,
    ImageStep,
    ImageWithheld,
)
from grok2api.error_kinds import LimitExtent
from grok2api.errors import UpstreamError, UpstreamRateLimitError
from grok2api.providers.grok_web.codec import image_failure, refusal
from grok2api.providers.grok_web.codec.base64_text import decode_base64
from grok2api.providers.grok_web.codec.failure import Failure
from grok2api.providers.grok_web.codec.loose import as_percent, as_text, first_text
from grok2api.providers.grok_web.codec.urls import normalise_url
from grok2api.providers.grok_web.wire_images import (
    IMAGINE_MESSAGE,
    ImagineMessage,
)

MAX_MESSAGE_BYTES: Final = 64 * 1024 * 1024
"""The messages carry whole pictures."""
MEDIUM_MIN_CHARS: Final = 30_000
"""Base64 characters above which a picture of a server that tells no states is half made."""

_DONE: Final = 100
_NAME = re.compile(r"/([^/?#]+?)(?:\.[A-Za-z]+)?(?:[?#].*)?$")
_JPEG = re.compile(r"\.jpe?g(?:[?#].*)?$", re.IGNORECASE)
_LIMIT_CODE = re.compile(r"(?<![a-z])rate(?![a-z])|limit")


class ImagineLimits(Struct, frozen=True):
    """What decides about pictures.

    At most `previews` unfinished ones are decoded of each, and none larger than `max_bytes`.
    `final_min_chars` (base64) make a picture final where the server tells no states.
    """

    previews: int
    max_bytes: int
    final_min_chars: int


class _Picture(Struct, frozen=True, gc=False):
    blob: Raw
    url: str

    @property
    def chars(self) -> int:
        return memoryview(self.blob).nbytes


_NO_PICTURE: Final = _Picture(Raw(b""), "")


class _Slot:
    """One picture: what has come of it, and whether that is all."""

    __slots__ = ("final", "is_completed", "is_over", "is_withheld", "last", "percent", "previews")

    def __init__(self) -> None:
        self.percent = -1
        self.previews = 0
        self.last = _NO_PICTURE
        self.final: _Picture | None = None
        self.is_completed = False
        self.is_withheld = False
        self.is_over = False


class ImagineDecoder:
    """Turns the messages of one request for `n` pictures into events.

    A picture that came as a URL only is an `ImageMade` without content. `error` is set when the
    request ended badly, after the events before it were returned; `is_over` when nothing follows.
    `hints` is None as soon as the server has told a state; until then it counts what the sizes of
    its pictures suggest: (pictures seen, pictures that are final).
    """

    __slots__ = ("_has_state", "_limits", "_made", "_n", "_seats", "_slots", "error", "is_over")

    def __init__(self, n: int, limits: ImagineLimits) -> None:
        self._n = n
        self._limits = limits
        self._slots: dict[int, _Slot] = {}
        self._seats: dict[str, int] = {}
        self._has_state = False
        self._made = 0
        self.error: UpstreamError | None = None
        self.is_over = False

    @property
    def made(self) -> int:
        """How many pictures are finished."""
        return self._made

    @property
    def hints(self) -> tuple[int, int] | None:
        if self._has_state:
            return None
        seen = [slot.last for slot in self._slots.values() if slot.last is not _NO_PICTURE]
        return len(seen), sum(self._looks_final(picture) for picture in seen)

    def feed(self, message: bytes) -> ImageBatch:
        """Return what a message says. What we do not understand says nothing."""
        out: ImageBatch = []
        if self.is_over:
            return out
        try:
            frame = IMAGINE_MESSAGE.decode(message)
        except (ValueError, RecursionError):
            return out
        match frame.type:
            case "json":
                self._take_state(frame, out)
            case "image":
                self._take_picture(frame, out)
            case "error":
                self._fail(_classify(as_text(frame.err_code), as_text(frame.err_msg)))
            case _:
                pass
        return out

    def close(self) -> ImageBatch:
        """Return what is left when nothing more comes, or no more is waited for."""
        out: ImageBatch = []
        if self.is_over:
            return out
        if not self._has_state:
            self._settle_by_size(out)
        if not self.is_over:
            self._finish(out)
        return out

    def _take_state(self, frame: ImagineMessage, out: ImageBatch) -> None:
        self._has_state = True
        if as_text(frame.current_status) not in {"start_stage", "completed"}:
            return
        place, slot = self._find(frame, _position(frame.order))
        if slot is None or slot.is_over:
            return
        if frame.current_status == "start_stage":
            self._step(place, slot, 0, out)
            return
        slot.is_completed = True
        slot.is_withheld = frame.moderated is True
        if slot.final is None:
            slot.final = _picture(frame)
        self._settle(place, slot, out)

    def _take_picture(self, frame: ImagineMessage, out: ImageBatch) -> None:
        picture = _picture(frame)
        if picture is None:
            return
        position = _position(frame.side_by_side_index, frame.order, frame.grid_index)
        place, slot = self._find(frame, position)
        if slot is None or slot.is_over:
            return
        percent = as_percent(frame.percentage_complete)
        if percent is None or percent == _DONE:
            slot.final = slot.last = picture
            self._settle(place, slot, out)
            return
        slot.last = picture
        self._step(place, slot, percent, out)
        if slot.previews < self._limits.previews:
            content = self._decode(picture)
            if content:
                slot.previews += 1
                out.append(ImagePreview(place, percent, content))

    def _find(self, frame: ImagineMessage, position: int | None) -> tuple[int, _Slot | None]:
        """Return the slot that a message is about, or None if it is one too many.

        The upstream's own position counts if it is free; the slots after the n-th are nobody's.
        """
        key = _identify(frame) or f"#{'' if position is None else position}"
        place = self._seats.get(key)
        if place is None:
            free = [at for at in range(self._n) if at not in self._slots]
            if not free:
                return 0, None
            place = position if position is not None and position in free else free[0]
            self._seats[key] = place
            self._slots[place] = _Slot()
        return place, self._slots[place]

    def _step(self, place: int, slot: _Slot, percent: int, out: ImageBatch) -> None:
        if percent > slot.percent:
            slot.percent = percent
            out.append(ImageStep(place, percent))

    def _settle(self, place: int, slot: _Slot, out: ImageBatch) -> None:
        """Give out a slot about which everything is known."""
        if not slot.is_completed:
            return
        if slot.is_withheld:
            slot.is_over = True
            out.append(ImageWithheld(place))
        elif slot.final is not None:
            self._give_out(place, slot, slot.final, out)
        if len(self._slots) == self._n and all(one.is_over for one in self._slots.values()):
            self._finish(out)

    def _give_out(self, place: int, slot: _Slot, picture: _Picture, out: ImageBatch) -> None:
        content = self._decode(picture)
        slot.final = None
        if content or picture.url:
            slot.is_over = True
            slot.last = _NO_PICTURE
            self._made += 1
            out.append(ImageMade(place, content, picture.url))

    def _settle_by_size(self, out: ImageBatch) -> None:
        medium = False
        for place, slot in self._slots.items():
            if self._looks_final(slot.last):
                self._give_out(place, slot, slot.last, out)
            else:
                medium = medium or slot.last.chars > MEDIUM_MIN_CHARS
        if medium and not self._made:
            self._fail(image_failure.blocked())

    def _looks_final(self, picture: _Picture) -> bool:
        return bool(_JPEG.search(picture.url)) or picture.chars > self._limits.final_min_chars

    def _finish(self, out: ImageBatch) -> None:
        slots = self._slots.values()
        if self._made == self._n:
            self.is_over = True
            out.append(ImagesDone())
        elif not slots:
            self._fail(image_failure.empty())
        elif all(slot.is_withheld for slot in slots):
            self._fail(image_failure.withheld())
        else:
            error = image_failure.incomplete(self._made, self._n)
            # Where nothing was made and nothing withheld, another account may fare better.
            error.is_final = any(slot.is_withheld for slot in slots)
            self._fail(error)

    def _fail(self, error: UpstreamError) -> None:
        # What is made is paid for; another account would make all of it anew.
        error.is_final = error.is_final or bool(self._made)
        self.error = error
        self.is_over = True

    def _decode(self, picture: _Picture) -> bytes:
        try:
            text = json.decode(picture.blob, type=str)
        except ValueError:
            return b""
        return decode_base64(text, self._limits.max_bytes)


def _picture(frame: ImagineMessage) -> _Picture | None:
    url = normalise_url(frame.url)
    blob = memoryview(frame.blob)
    has_blob = blob.nbytes > len('""') and blob[0] == ord('"')  # as opposed to null
    return _Picture(frame.blob if has_blob else Raw(b""), url) if url or has_blob else None


def _identify(frame: ImagineMessage) -> str:
    names = {"image_id": frame.image_id, "job_id": frame.job_id, "id": frame.id}
    own = first_text(names, "image_id", "job_id", "id")
    if own:
        return own
    name = _NAME.search(as_text(frame.url))
    return name[1] if name else ""


def _position(*values: object) -> int | None:
    for value in values:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None


def _classify(code: str, message: str) -> UpstreamError:
    """Return what an error message of the socket means; its limits are those of one product."""
    failure = Failure(code, "", message)
    word = code.lower()
    if "moderat" in word:
        return refusal.content_rejected(status=None, detail=refusal.describe(failure))
    is_known = failure.is_blocked or failure.is_about_session or failure.is_moderated
    if _LIMIT_CODE.search(word) and not is_known:
        error = refusal.rate_limit(status=None, detail=refusal.describe(failure))
    else:
        error = refusal.classify_in_band(failure)
    if isinstance(error, UpstreamRateLimitError):
        error.extent = LimitExtent.WINDOW
    return error
