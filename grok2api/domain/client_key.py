"""Client keys: who calls us."""

from typing import Final

from msgspec import Struct

from grok2api.domain.ids import ClientKeyId

MAX_WEIGHT: Final = 64
ANONYMOUS: Final = ClientKeyId("anonymous")
"""In place of the id of a key where there was none; no id is this word."""


class ClientKey(Struct, frozen=True):
    """A key that clients present, as pages show it: the key itself is not kept anywhere.

    `hint` is enough for its owner to recognise it (`sk-…x9Qk`). Times are seconds since epoch.
    When requests wait for accounts, a key of weight 2 gets twice the turns of one of weight 1.
    A key with tags is served by accounts that have one of them, and by no others.
    """

    id: ClientKeyId
    name: str
    created_at_s: float
    is_enabled: bool = True
    hint: str = ""
    weight: int = 1
    tags: tuple[str, ...] = ()
