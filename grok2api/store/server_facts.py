"""What the store's server says of itself, as far as it matters for our data."""

from typing import Any

from msgspec import Struct

from grok2api.store.connection import RedisClient
from grok2api.store.failure import STORE_ERRORS, explain_failure

_SECTIONS = ("server", "memory", "persistence")


class ServerFacts(Struct, frozen=True):
    """One server. A text or number is empty or 0 where the server does not tell it.

    `max_memory_bytes` is 0 without a limit. `can_save` is False while it cannot write to its disk.
    """

    product: str
    version: str
    eviction_policy: str
    used_memory_bytes: int
    max_memory_bytes: int
    has_append_file: bool
    can_save: bool

    @property
    def major(self) -> int:
        """The first number of the version."""
        return int(self.version.partition(".")[0] or 0)


async def read_server_facts(redis: RedisClient) -> ServerFacts:
    """Ask the server (of a cluster: one of them).

    Raises:
        StoreUnavailableError: it does not answer.
    """
    facts: dict[str, str] = {}
    try:
        for section in _SECTIONS:
            facts |= _parse(await redis.execute_command("INFO", section))
    except STORE_ERRORS as error:
        raise explain_failure(error, "info") from error
    is_valkey = "valkey_version" in facts
    return ServerFacts(
        product="Valkey" if is_valkey else "Redis",
        version=facts.get("valkey_version" if is_valkey else "redis_version", "0"),
        eviction_policy=facts.get("maxmemory_policy", ""),
        used_memory_bytes=int(facts.get("used_memory", "0")),
        max_memory_bytes=int(facts.get("maxmemory", "0")),
        has_append_file=facts.get("aof_enabled") == "1",
        can_save=facts.get("aof_last_write_status", "ok") == "ok",
    )


def _parse(reply: Any) -> dict[str, str]:
    """Read the lines of INFO; the client may have split them already."""
    if isinstance(reply, dict):
        return {str(name): str(value) for name, value in reply.items()}
    text = reply.decode() if isinstance(reply, bytes) else str(reply)
    pairs = (line.partition(":") for line in text.splitlines())
    return {name: value.strip() for name, separator, value in pairs if separator}
