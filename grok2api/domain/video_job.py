"""Video jobs: what is kept of a video from the question until it is forgotten."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from grok2api.domain.ids import AccountId, ClientKeyId, MediaId, VideoJobId
from grok2api.domain.video import ENDED, VideoPart, VideoPlan, VideoRequest, VideoState

FAILED_CODE: Final = "video_generation_failed"
"""Why a video failed, where nothing more can be said."""
REJECTED_CODE: Final = "content_policy_violation"
UNKNOWN_CODE: Final = "video_state_unknown"
"""The upstream may have made it, but nobody can find out; it was not asked a second time."""
UNKNOWN_MESSAGE: Final = (
    "The server stopped while the video was being made, or lost its answer, and what became of it "
    "cannot be found out. It was not asked for a second time."
)
DOWNLOAD_CODE: Final = "video_download_failed"
STORE_CODE: Final = "media_store_unavailable"
NO_ACCOUNT_CODE: Final = "no_account_available"


class KeptReference(Struct, frozen=True):
    """A picture that a client gave for a job: it is kept, sealed, until the job has ended."""

    media_id: MediaId
    ref: str
    name: str
    media_type: str


class KeptQuestion(Struct, frozen=True, kw_only=True):
    """What was asked for, and on whose behalf; it never changes.

    `request` has no references: these lie in the media store. `shown` are fields that a dialect
    repeats to its client. `key`, `weight` and `tags` are those of the client key.
    """

    request: VideoRequest
    references: tuple[KeptReference, ...] = ()
    shown: Mapping[str, str] = {}
    key: str = ""
    weight: int = 1
    tags: tuple[str, ...] = ()


class VideoWork(Struct, frozen=True, kw_only=True):
    """How far the making is: what another process needs to go on.

    `parts` are finished; `current` is what is known of the one under way. `url` is where the whole
    video lies, once it does. `is_upscaled`: its higher resolution was asked for, and is not again.
    """

    account: AccountId = AccountId("")
    plan: VideoPlan | None = None
    parts: tuple[VideoPart, ...] = ()
    current: VideoPart = VideoPart()
    url: str = ""
    is_upscaled: bool = False

    def can_go_on(self, request: VideoRequest) -> bool:
        """Whether another process could come to the whole video without asking for anything."""
        is_last = len(self.parts) + 1 == len(request.segments)
        return bool(self.url) or (is_last and self.current != VideoPart())


class VideoJob(Struct, frozen=True, kw_only=True):
    """A job as its owner sees it, and as it is worked on. Times: seconds since epoch, 0 not yet.

    `percent` never falls. `fence` is the number of the claim on it: only its holder moves it.
    `step` counts its moves.
    """

    id: VideoJobId
    owner: ClientKeyId
    question: KeptQuestion
    work: VideoWork = VideoWork()
    state: VideoState = VideoState.ACCEPTED
    fence: int = 0
    step: int = 0
    percent: int = 0
    created_at_s: float = 0.0
    started_at_s: float = 0.0
    completed_at_s: float = 0.0
    expires_at_s: float = 0.0
    error_code: str = ""
    error_message: str = ""
    media: MediaId | None = None

    @property
    def request(self) -> VideoRequest:
        return self.question.request

    @property
    def shown(self) -> Mapping[str, str]:
        """The fields that a dialect repeats to its client."""
        return self.question.shown

    @property
    def model(self) -> str:
        return self.request.model

    @property
    def account_id(self) -> AccountId:
        """Who makes it, "" for nobody yet."""
        return self.work.account

    @property
    def upstream_url(self) -> str:
        """Where the upstream keeps the finished video, "" as long as that is not known."""
        return self.work.url

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED


class VideoEnding(Struct, frozen=True, kw_only=True):
    """What a job came to."""

    state: VideoState
    work: VideoWork
    media: MediaId | None = None
    error_code: str = ""
    error_message: str = ""
