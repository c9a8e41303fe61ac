"""The names of the keys of statistics and logs, one function each."""

from grok2api.domain.statistics import Dimension
from grok2api.store.keys import PREFIX


def usage_log() -> str:
    """STREAM of finished requests: "id", and "record" as msgpack; capped."""
    return f"{PREFIX}usage:log"


def usage_index() -> str:
    """HASH request id -> its place in the log."""
    return f"{PREFIX}usage:index"


def usage_receipt(recorder: str) -> str:
    """STRING number of the last batch that a recorder had settled; it expires."""
    return f"{PREFIX}usage:receipt:{recorder}"


def usage_of_hour(dimension: Dimension, hour: int) -> str:
    """HASH member -> what it used in an hour (counted since epoch), msgpack; it expires."""
    return f"{PREFIX}usage:hour:{hour}:{dimension.value}"


def usage_of_day(dimension: Dimension, day: int) -> str:
    """HASH member -> what it used in a day (counted since epoch), msgpack; it expires."""
    return f"{PREFIX}usage:day:{day}:{dimension.value}"


def action_log() -> str:
    """STREAM of what administrators did: "record" as msgpack; capped."""
    return f"{PREFIX}action_log"


def quota_left() -> str:
    """HASH "pool mode" -> units that all accounts together have left there; it expires."""
    return f"{PREFIX}usage:quota_left"
