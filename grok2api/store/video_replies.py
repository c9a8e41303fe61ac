"""What the scripts of video jobs answer, and the record that they keep of one."""

from msgspec import Struct

from grok2api.domain.video import VideoState


class VideoRecord(Struct, frozen=True, kw_only=True):
    """A video job as the scripts keep it, as far as it is shown."""

    owner: str
    place: str
    state: VideoState
    fence: int
    step: int
    percent: int
    created: int
    started: int
    ended: int
    keep: int
    gone: int
    media: str
    code: str
    message: str


class Created(Struct, frozen=True, array_like=True, tag="created"):
    """The job is kept."""


class Existing(Struct, frozen=True, array_like=True, tag="existing"):
    """The same was asked for before: this job is the answer."""

    job_id: str


class Reused(Struct, frozen=True, array_like=True, tag="reused"):
    """The token was given with another question."""


class Busy(Struct, frozen=True, array_like=True, tag="busy"):
    """Too many jobs of this owner have not ended."""


class Claimed(Struct, frozen=True, array_like=True, tag="claimed"):
    """A job that the caller works on from now on."""

    job_id: str
    record: bytes
    question: bytes
    work: bytes


class ClaimEnded(Struct, frozen=True, array_like=True, tag="ended"):
    """A job could not go on; it has ended."""

    job_id: str
    question: bytes


class NoneDue(Struct, frozen=True, array_like=True, tag="none"):
    """Nothing is left to do."""


class Going(Struct, frozen=True, array_like=True, tag="going"):
    """The claim is renewed."""


class Unwanted(Struct, frozen=True, array_like=True, tag="cancelled"):
    """Nobody wants the job any more."""


class Lost(Struct, frozen=True, array_like=True, tag="lost"):
    """The job has ended, or another process works on it."""


class Advanced(Struct, frozen=True, array_like=True, tag="advanced"):
    """The job has its new state."""


class Illegal(Struct, frozen=True, array_like=True, tag="illegal"):
    """No move leads there from where the job stands."""


class Finished(Struct, frozen=True, array_like=True, tag="finished"):
    """The job has ended."""


class Cancelled(Struct, frozen=True, array_like=True, tag="cancelled"):
    """The job was cancelled just now."""


class Cancelling(Struct, frozen=True, array_like=True, tag="cancelling"):
    """Who works on the job will find out."""


class Ended(Struct, frozen=True, array_like=True, tag="ended"):
    """The job had ended before."""


class Deleted(Struct, frozen=True, array_like=True, tag="deleted"):
    """The job is gone."""


class Deleting(Struct, frozen=True, array_like=True, tag="deleting"):
    """The job goes when it has ended."""


class Unknown(Struct, frozen=True, array_like=True, tag="unknown"):
    """This owner has no such job."""


class Released(Struct, frozen=True, array_like=True, tag="released"):
    """Another process may go on with the job at once."""
