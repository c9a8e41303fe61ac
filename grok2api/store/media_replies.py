"""What the media scripts answer."""

from msgspec import Struct


class Found(Struct, frozen=True, array_like=True, tag="found"):
    """This is kept."""

    place: str
    media_type: str
    size: int
    created_ms: int
    used_ms: int


class Kept(Found, frozen=True, array_like=True, tag="kept"):
    """This is kept from now on."""


class Other(Found, frozen=True, array_like=True, tag="other"):
    """This is kept, not what the caller has written: his object has to be removed."""


class Gone(Struct, frozen=True, array_like=True, tag="gone"):
    """There is no room for the object any more: it has to be removed."""


class Reserved(Struct, frozen=True, array_like=True, tag="reserved"):
    """There is room; the object can be written."""


class Full(Struct, frozen=True, array_like=True, tag="full"):
    """Something has to go before; nothing changed."""


class TooLarge(Struct, frozen=True, array_like=True, tag="too_large"):
    """The object alone is over the limit; nothing changed."""


class Abandoned(Struct, frozen=True, array_like=True, tag="abandoned"):
    """The room is free again."""


class Page(Struct, frozen=True, array_like=True, tag="page"):
    """Some of `total` objects, packed."""

    total: int
    items: bytes


class Unseen(Struct, frozen=True, array_like=True, tag="unseen"):
    """Some objects, packed."""

    items: bytes


class Usage(Struct, frozen=True, array_like=True, tag="usage"):
    """What a kind takes up."""

    count: int
    bytes: int
    reserved: int


class Evicted(Struct, frozen=True, array_like=True, tag="evicted"):
    """Objects at these places, space between, are to be removed; 0: more has to go."""

    places: str
    is_done: int


class Removed(Struct, frozen=True, array_like=True, tag="removed"):
    """The object at this place is to be removed."""

    place: str


class Dropped(Struct, frozen=True, array_like=True, tag="dropped"):
    """So many places are forgotten."""

    count: int


class Ended(Struct, frozen=True, array_like=True, tag="ended"):
    """Objects at these places, space between, are to be removed."""

    places: str


class Strangers(Struct, frozen=True, array_like=True, tag="strangers"):
    """Numbers of objects that are not in the index like this, space between."""

    numbers: str


class Adopted(Struct, frozen=True, array_like=True, tag="adopted"):
    """The object is in the index again."""


class Known(Struct, frozen=True, array_like=True, tag="known"):
    """The object is in the index."""


class Pending(Struct, frozen=True, array_like=True, tag="pending"):
    """The object is being written, or about to be removed."""


class Useless(Struct, frozen=True, array_like=True, tag="useless"):
    """The object is to be removed."""


class StaleEpoch(Struct, frozen=True, array_like=True, tag="stale_epoch"):
    """Another process has taken the lead since the caller was elected; nothing changed."""


class Unknown(Struct, frozen=True, array_like=True, tag="unknown"):
    """There is no such object."""
