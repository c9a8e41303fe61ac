"""Videos on demand: what is asked, the steps of making one, and the job that does it."""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from grok2api.domain.account import Mode
from grok2api.domain.files import InputFile


class Preset(StrEnum):
    """How freely the upstream plays with the prompt."""

    FUN = "fun"
    NORMAL = "normal"
    SPICY = "spicy"
    CUSTOM = "custom"


class Resolution(StrEnum):
    """Lines of the video."""

    P480 = "480p"
    P720 = "720p"


MODE_OF_RESOLUTION: Final = {Resolution.P480: Mode.VIDEO, Resolution.P720: Mode.VIDEO_720P}
"""The quota that a video of this resolution is taken from."""

MAX_REFERENCES: Final = 7
MAX_PROMPT_CHARS: Final = 32_000
SEGMENTS: Final = {12: (6, 6), 16: (10, 6), 20: (10, 10)}
"""Lengths that are made in two parts where the upstream has to extend, in seconds."""


class VideoRequest(Struct, frozen=True, kw_only=True):
    """What a client asks for, in no dialect.

    `segments` are the lengths of its parts in seconds: the first is generated, each further one
    extends it. `aspect_ratio` is one of the upstream's own words. `references` are empty for text
    to video.
    """

    model: str
    prompt: str
    segments: tuple[int, ...] = (6,)
    aspect_ratio: str = "9:16"
    resolution: Resolution = Resolution.P720
    preset: Preset = Preset.CUSTOM
    upscale: bool = False
    references: tuple[InputFile, ...] = ()

    @property
    def seconds(self) -> int:
        return sum(self.segments)


class VideoWish(Struct, frozen=True):
    """What a client wants of its video; `length_field` is how it calls `seconds`."""

    seconds: int = 6
    length_field: str = "seconds"
    aspect_ratio: str = "9:16"
    resolution: Resolution = Resolution.P720
    preset: Preset = Preset.CUSTOM
    upscale: bool = False


class VideoPlan(Struct, frozen=True, kw_only=True):
    """What was prepared at the upstream before the first part is asked for; may be kept as JSON.

    `parent_post` and `references` (URLs) are "" and empty where the protocol needs none. `owner` is
    the account's id at the upstream, "" where it is not known.
    """

    prompt: str
    owner: str = ""
    parent_post: str = ""
    references: tuple[str, ...] = ()


class VideoPart(Struct, frozen=True, kw_only=True):
    """What the upstream said of one part: its ids, "" where it said none; may be kept as JSON.

    `owner` is that of the plan: where a lost video lies depends on it.
    """

    owner: str = ""
    video_id: str = ""
    post_id: str = ""
    asset_id: str = ""
    url: str = ""


class VideoStep(Struct, frozen=True, tag="step"):
    """This part is `percent` done, 0 to 100; `part` is what is known of it, `url` still ""."""

    percent: int
    part: VideoPart


class VideoMade(Struct, frozen=True, tag="made"):
    """This part is finished: it lies at `part.url`."""

    part: VideoPart


VideoEvent = VideoStep | VideoMade


class VideoState(StrEnum):
    """Where a job stands.

    accepted → submitting → submitted → polling → storing → done; failed, cancelled and unknown end
    it too. `submitting`: the upstream is about to be asked, or was; nobody asks it once more
    unless it refused. `polling`: it reported progress. `storing`: the video is finished and is
    being fetched. `unknown`: whether there is a video cannot be found out.
    """

    ACCEPTED = "accepted"
    SUBMITTING = "submitting"
    SUBMITTED = "submitted"
    POLLING = "polling"
    STORING = "storing"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


ENDED: Final = frozenset(
    {VideoState.DONE, VideoState.FAILED, VideoState.CANCELLED, VideoState.UNKNOWN}
)
