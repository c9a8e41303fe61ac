"""What went wrong with Redis, in words for the log; the client learns only that it did."""

from typing import Final

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ConnectionError as RedisConnectionError,
    MaxConnectionsError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TimeoutError as RedisTimeoutError,
)

from grok2api.errors import StoreUnavailableError

STORE_ERRORS: Final = (RedisError, RedisClusterException, TimeoutError, OSError)
"""All that a Redis client raises when the store cannot do what it was asked."""

_PUBLIC_MESSAGE: Final = "The gateway's store is not available; try again shortly."
_RETRY_AFTER_S: Final = 1.0

_BY_CLASS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (BusyLoadingError, "it is still loading its data"),
    (AuthenticationError, "it refused the user name or password"),
    (AuthorizationError, "the user may not do this"),
    (MaxConnectionsError, "no connection became free in time"),
    (RedisTimeoutError, "it did not answer in time"),
    (TimeoutError, "it did not answer in time"),
    (RedisConnectionError, "the connection failed or broke"),
    (OSError, "the connection failed or broke"),
)

_BY_PREFIX: Final[tuple[tuple[str, str], ...]] = (
    ("MISCONF", "it cannot write to its disk"),
    ("OOM", "it has no memory left"),
    ("READONLY", "it is a replica and cannot write"),
    ("BUSY", "a script has run for too long"),
    ("NOREPLICAS", "too few replicas are in step"),
    ("CLUSTERDOWN", "its cluster is down"),
    ("MASTERDOWN", "its primary is down"),
    ("NOAUTH", "it wants a password"),
    ("NOPERM", "the user may not do this"),
    ("WRONGTYPE", "a key holds data of another kind"),
)

_EXCERPT_CHARS = 200


def explain_failure(error: BaseException, what: str) -> StoreUnavailableError:
    """Return the error that callers get when `what` failed because of `error`.

    The detail tells the causes apart and holds no address with a password in it.
    """
    return StoreUnavailableError(
        _PUBLIC_MESSAGE, detail=f"{what}: {_cause(error)}", retry_after_s=_RETRY_AFTER_S
    )


def _cause(error: BaseException) -> str:
    text = str(error)
    if isinstance(error, ResponseError):
        # redis-py strips the code of some errors and keeps the class instead.
        shown = f"{type(error).__name__} {text}"
        for prefix, cause in _BY_PREFIX:
            if text.startswith(prefix) or type(error).__name__ == _STRIPPED.get(prefix):
                return f"{cause} ({prefix})"
        return shown[:_EXCERPT_CHARS]
    for kind, cause in _BY_CLASS:
        if isinstance(error, kind):
            return cause
    return type(error).__name__


_STRIPPED: Final = {
    "OOM": "OutOfMemoryError",
    "READONLY": "ReadOnlyError",
    "NOPERM": "NoPermissionError",
    "CLUSTERDOWN": "ClusterDownError",
    "MASTERDOWN": "MasterDownError",
}
