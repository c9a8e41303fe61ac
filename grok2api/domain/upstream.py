"""Requests to an upstream, as values that a pure codec can build."""

from msgspec import Struct


class UpstreamRequest(Struct, frozen=True):
    """One HTTP request. `headers` keep their order; a cookie is one of them.

    `is_only_once`: it costs too much to be sent again where a kept connection turns out to be dead,
    for the upstream may have taken it on before.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    is_only_once: bool = False


class UpstreamStatus(Struct, frozen=True):
    """What an upstream answered when it refused.

    `headers` have lower-case names; `body` is at most the first 64 KiB.
    """

    status: int
    headers: dict[str, str]
    body: bytes
