"""What the batch scripts answer."""

from msgspec import Struct

from grok2api.domain.batch import BatchKind


class Created(Struct, frozen=True, array_like=True, tag="created"):
    """The batch is open."""


class Busy(Struct, frozen=True, array_like=True, tag="busy"):
    """Too many batches have not ended."""


class Full(Struct, frozen=True, array_like=True, tag="full"):
    """Too many batches are kept; `oldest` ended first."""

    oldest: str


class Added(Struct, frozen=True, array_like=True, tag="added"):
    """The batch has `total` items now."""

    total: int


class TooMany(Struct, frozen=True, array_like=True, tag="too_many"):
    """The batch would have more items than it may; nothing changed."""


class Started(Struct, frozen=True, array_like=True, tag="started"):
    """The batch runs."""


class Empty(Struct, frozen=True, array_like=True, tag="empty"):
    """The batch has no items; nothing changed."""


class NotOpen(Struct, frozen=True, array_like=True, tag="not_open"):
    """The batch has started or ended; nothing changed."""


class Taken(Struct, frozen=True, array_like=True, tag="taken"):
    """The caller has a claim on `items`, space between; none when others have all of them."""

    kind: BatchKind
    params: bytes
    items: str


class Over(Struct, frozen=True, array_like=True, tag="over"):
    """Nothing is left to do for this batch."""


class Finished(Struct, frozen=True, array_like=True, tag="finished"):
    """So many of the reported items had not been counted before."""

    count: int


class StaleEpoch(Struct, frozen=True, array_like=True, tag="stale_epoch"):
    """Another process has taken the lead since the caller was elected; nothing changed."""


class Kept(Struct, frozen=True, array_like=True, tag="kept"):
    """The result of the item is kept."""


class Unclaimed(Struct, frozen=True, array_like=True, tag="unclaimed"):
    """Nobody works on the item any more; nothing changed."""


class Cancelled(Struct, frozen=True, array_like=True, tag="cancelled"):
    """Nothing of the batch goes on."""


class Cancelling(Struct, frozen=True, array_like=True, tag="cancelling"):
    """What is being worked on goes on; nothing else does."""


class Done(Struct, frozen=True, array_like=True, tag="done"):
    """The batch had ended before; nothing changed."""


class Forgotten(Struct, frozen=True, array_like=True, tag="forgotten"):
    """Nothing is known of the batch any more."""


class Working(Struct, frozen=True, array_like=True, tag="working"):
    """The batch runs, or is being cancelled; nothing changed."""


class Unknown(Struct, frozen=True, array_like=True, tag="unknown"):
    """There is no such batch."""
