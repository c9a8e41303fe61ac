"""Opens the connection to Redis: single, unix socket, TLS, Sentinel or Cluster, by its URL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol, cast
from urllib.parse import SplitResult, unquote, urlsplit

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError, MaxConnectionsError

from grok2api.errors import SettingsError
from grok2api.store.failure import STORE_ERRORS, explain_failure

_DEFAULT_PORT = 6379
_DEFAULT_SENTINEL_PORT = 26379
_HELP = (
    "use redis://host:port/db, rediss://…, unix:///path, "
    "redis+sentinel://host:port,host:port/service or redis+cluster://host:port,host:port"
)


class RedisClient(Protocol):
    """What the store needs of a Redis client, single or Cluster."""

    async def execute_command(self, *args: str | bytes | float) -> Any: ...

    async def aclose(self) -> None: ...


class _SentinelPool(SentinelConnectionPool, BlockingConnectionPool):
    """Finds the primary by asking sentinels, and waits for a free connection."""


class _SentinelClient:
    """A client of the primary that closes its connections to the sentinels too."""

    __slots__ = ("_primary", "_sentinel")

    def __init__(self, primary: Redis, sentinel: Sentinel) -> None:
        self._primary: Any = primary
        self._sentinel: Any = sentinel

    async def execute_command(self, *args: str | bytes | float) -> Any:
        return await self._primary.execute_command(*args)

    async def aclose(self) -> None:
        await self._primary.aclose()
        for watcher in self._sentinel.sentinels:
            await watcher.aclose()


class _BoundedCluster:
    """A Cluster client that waits for a free connection, as the other pools do.

    redis-py's own refuses at once, and then breaks connections that others are using.
    """

    __slots__ = ("_cluster", "_free", "_wait_s")

    def __init__(self, cluster: RedisCluster, size: int, wait_s: float) -> None:
        self._cluster = cluster
        self._free = asyncio.Semaphore(size)
        self._wait_s = wait_s

    async def execute_command(self, *args: str | bytes | float) -> Any:
        try:
            async with asyncio.timeout(self._wait_s):
                await self._free.acquire()
        except TimeoutError:
            raise MaxConnectionsError("no connection became free in time") from None
        try:
            # Before this, redis-py 8.1 sends scripts to any node.
            cluster = await self._cluster.initialize()
            return await cluster.execute_command(*args)
        except AttributeError as error:
            # Seen with redis-py 8.1: a connection closed by another task during a failover.
            raise RedisConnectionError("the connection was closed while in use") from error
        finally:
            self._free.release()

    async def aclose(self) -> None:
        await self._cluster.aclose()


@asynccontextmanager
async def open_redis(
    url: str, *, pool_size: int = 64, timeout_s: float = 2.0
) -> AsyncIterator[RedisClient]:
    """Open a client for `url`; nothing is sent before its first command.

    Replies are bytes. The client's own retries are off: a lost reply must not repeat a write.
    Waiting for a free connection, connecting and each reply take at most `timeout_s` seconds.

    Raises:
        SettingsError: the URL is none that we understand.
    """
    client = _build_client(url, pool_size, timeout_s)
    try:
        yield client
    finally:
        try:
            await client.aclose()
        except STORE_ERRORS as error:
            raise explain_failure(error, "closing") from error


async def ping(client: RedisClient) -> None:
    """Return if the store answers.

    Raises:
        StoreUnavailableError: it does not.
    """
    try:
        await client.execute_command("PING")
    except STORE_ERRORS as error:
        raise explain_failure(error, "ping") from error


def _build_client(url: str, pool_size: int, timeout_s: float) -> RedisClient:
    parts = _split_url(url)
    policy: dict[str, Any] = {
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
    }
    client: Any
    match parts.scheme:
        case "redis" | "rediss" | "unix":
            client = _build_single(url, parts, pool_size, policy)
        case "redis+sentinel" | "rediss+sentinel":
            client = _build_sentinel(parts, pool_size, policy)
        case "redis+cluster" | "rediss+cluster":
            client = _build_cluster(parts, pool_size, policy)
        case _:
            raise SettingsError(f"The Redis URL's scheme {parts.scheme!r} is unknown: {_HELP}.")
    return cast(RedisClient, client)


def _split_url(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise SettingsError(f"The Redis URL cannot be read: {_HELP}.") from None
    if not parts.scheme or not (parts.netloc or parts.path):
        raise SettingsError(f"The Redis URL has no address: {_HELP}.")
    return parts


def _build_single(url: str, parts: SplitResult, pool_size: int, policy: dict[str, Any]) -> Any:
    if parts.scheme == "unix":
        if not parts.path:
            raise SettingsError("The Redis URL has no socket path: use unix:///path/to/socket.")
    else:
        _parse_hosts(parts, _DEFAULT_PORT)
        _parse_db(parts.path)
    try:
        pool = BlockingConnectionPool.from_url(
            url, max_connections=pool_size, timeout=policy["socket_timeout"], **policy
        )
    except (ValueError, TypeError):
        raise SettingsError(f"The Redis URL cannot be read: {_HELP}.") from None
    return Redis.from_pool(pool)


def _build_sentinel(parts: SplitResult, pool_size: int, policy: dict[str, Any]) -> Any:
    service, _, db = parts.path.lstrip("/").partition("/")
    if not service:
        raise SettingsError(
            "The Redis URL names no service: use redis+sentinel://host:port,host:port/service/db."
        )
    options = {**policy, **_parse_login(parts)}
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        _parse_hosts(parts, _DEFAULT_SENTINEL_PORT), sentinel_kwargs=dict(policy), **options
    )
    pool = _SentinelPool(  # type: ignore[no-untyped-call]
        service,
        sentinel,
        max_connections=pool_size,
        timeout=policy["socket_timeout"],
        ssl=parts.scheme.startswith("rediss"),
        db=_parse_db(db),
        **options,
    )
    return _SentinelClient(Redis.from_pool(pool), sentinel)


def _build_cluster(parts: SplitResult, pool_size: int, policy: dict[str, Any]) -> Any:
    if parts.path.strip("/") not in ("", "0"):
        raise SettingsError("A Redis Cluster has only database 0: leave the path of the URL out.")
    nodes = [ClusterNode(host, port) for host, port in _parse_hosts(parts, _DEFAULT_PORT)]
    cluster = RedisCluster(
        startup_nodes=nodes,
        max_connections=2 * pool_size,
        reinitialize_steps=0,  # or a few redirections close connections that are in use
        ssl=parts.scheme.startswith("rediss"),
        **policy,
        **_parse_login(parts),
    )
    return _BoundedCluster(cluster, pool_size, policy["socket_timeout"])


def _parse_hosts(parts: SplitResult, default_port: int) -> list[tuple[str, int]]:
    hosts = []
    for entry in parts.netloc.rpartition("@")[2].split(","):
        try:
            address = urlsplit(f"//{entry}")
            host, port = address.hostname, address.port or default_port
        except ValueError:
            host, port = None, 0
        if not host:
            raise SettingsError(f"The Redis URL has a wrong host or port: {_HELP}.")
        hosts.append((host, port))
    return hosts


def _parse_login(parts: SplitResult) -> dict[str, Any]:
    login = parts.netloc.rpartition("@")[0]
    if not login:
        return {}
    username, _, password = login.partition(":")
    found = {"username": unquote(username), "password": unquote(password)}
    return {name: value for name, value in found.items() if value}


def _parse_db(path: str) -> int:
    text = path.strip("/")
    if not text:
        return 0
    if not text.isascii() or not text.isdigit():
        raise SettingsError(
            "The Redis URL's database must be a number, such as redis://host:6379/0."
        )
    return int(text)
