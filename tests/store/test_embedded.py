"""The embedded server: started, shared, adopted, brought back, and never at the cost of data."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest
from redis import Redis

from grok2api.domain.account import Credentials, Pool, ProviderKind, Tier
from grok2api.domain.ids import AccountId
from grok2api.errors import SettingsError, StoreUnavailableError
from grok2api.store.accounts import AccountStore, NewAccount
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import open_redis
from grok2api.store.embedded import EmbeddedServer
from tests.store.conftest import ServerBench

BASIC = Pool(ProviderKind.GROK_WEB, Tier.BASIC)
OWNER = """
import signal, sys, time
from pathlib import Path
from grok2api.store.embedded import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]), binary=sys.argv[2])
print(server.start(), server.pid, flush=True)
signal.signal(signal.SIGINT, signal.SIG_DFL)
time.sleep(600)
"""


def put(server: EmbeddedServer, key: str, value: str) -> None:
    with Redis.from_url(server.url) as client:
        client.set(key, value)


def get(server: EmbeddedServer, key: str) -> object:
    with Redis.from_url(server.url) as client:
        return client.get(key)


def start_owner(servers: ServerBench) -> "tuple[subprocess.Popen[str], int]":
    """Start a process of its own group that owns a server; return it and the server's pid."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(servers.data_dir), servers.binary],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert owner.stdout is not None
    with owner.stdout:
        how, pid = owner.stdout.readline().split()
    assert how == "spawned"
    return owner, int(pid)


def end_owner(owner: "subprocess.Popen[str]", number: signal.Signals) -> None:
    os.killpg(owner.pid, number)
    owner.wait()


def test_server_is_for_its_user_only(servers: ServerBench) -> None:
    server = servers.build()

    assert server.start() == "spawned"

    store = servers.data_dir / "store"
    assert stat.S_IMODE(store.stat().st_mode) == 0o700
    assert stat.S_IMODE((store / "redis.sock").stat().st_mode) == 0o600
    assert stat.S_IMODE((store / "server.log").stat().st_mode) == 0o600
    with Redis.from_url(server.url) as client:
        settings = client.config_get("*")
    assert settings["port"] == "0"
    assert settings["appendonly"] == "yes"
    assert settings["appendfsync"] == "everysec"
    assert settings["maxmemory-policy"] == "noeviction"
    assert server.stop()


def test_stopped_server_keeps_its_data(servers: ServerBench) -> None:
    first = servers.build()
    first.start()
    put(first, "a", "1")
    assert first.stop()

    second = servers.build()

    assert second.start() == "spawned"
    assert get(second, "a") == b"1"
    assert second.stop()


def test_second_starter_shares_and_does_not_stop_it(servers: ServerBench) -> None:
    owner, guest = servers.build(), servers.build()
    owner.start()

    assert guest.start() == "shared"
    put(guest, "a", "1")
    assert not guest.check()
    assert not guest.stop()

    assert get(owner, "a") == b"1"
    assert owner.stop()


def test_server_that_refuses_is_shared(servers: ServerBench) -> None:
    """On a full disk it refuses whatever it is asked, even whether it is there."""
    owner, guest = servers.build(), servers.build()
    owner.start()
    with Redis.from_url(owner.url) as client:
        client.execute_command("ACL", "SETUSER", "default", "-ping")

    assert guest.start(limit_s=1) == "shared"
    guest.stop()


def test_guest_becomes_the_owner_when_the_owner_is_gone(servers: ServerBench) -> None:
    owner, guest = servers.build(), servers.build()
    owner.start()
    guest.start()
    put(guest, "a", "1")
    owner.stop()

    assert guest.check()

    assert get(guest, "a") == b"1"
    assert guest.stop()


def test_killed_server_comes_back_with_its_data(servers: ServerBench) -> None:
    server = servers.build()
    server.start()
    put(server, "a", "1")
    servers.kill(server.pid)

    assert server.check()

    assert not server.check()
    assert get(server, "a") == b"1"
    assert server.stop()


def test_orphan_of_a_killed_owner_is_adopted(servers: ServerBench) -> None:
    owner, pid = start_owner(servers)
    end_owner(owner, signal.SIGKILL)
    server = servers.build()

    assert server.start() == "adopted"

    assert server.pid == pid
    assert not server.check()
    assert server.stop()


def test_adopted_server_that_dies_is_brought_back(servers: ServerBench) -> None:
    owner, pid = start_owner(servers)
    end_owner(owner, signal.SIGKILL)
    server = servers.build()
    server.start()
    servers.kill(pid)

    assert server.check()

    assert server.pid != pid
    assert server.stop()


def test_ctrl_c_on_the_group_does_not_reach_the_server(servers: ServerBench) -> None:
    owner, pid = start_owner(servers)

    end_owner(owner, signal.SIGINT)

    server = servers.build()
    assert server.start() == "adopted"
    assert server.pid == pid
    assert server.stop()


def test_no_second_server_beside_one_that_hangs(servers: ServerBench) -> None:
    owner, pid = start_owner(servers)
    end_owner(owner, signal.SIGKILL)
    os.kill(pid, signal.SIGSTOP)

    with pytest.raises(SettingsError, match=r"still holds .* does not answer"):
        servers.build().start(limit_s=0.5)

    os.kill(pid, signal.SIGCONT)
    server = servers.build()
    assert server.start() == "adopted"
    assert server.stop()


def test_torn_end_of_the_file_costs_at_most_the_torn_write(servers: ServerBench) -> None:
    server = servers.build()
    server.start()
    put(server, "a", "1")
    put(server, "b", "2")
    server.stop()
    (increment,) = (servers.data_dir / "store" / "appendonlydir").glob("*.incr.aof")
    increment.write_bytes(increment.read_bytes()[:-3])

    assert server.start() == "spawned"

    assert get(server, "a") == b"1"
    assert server.stop()


def test_damaged_file_is_explained_and_can_be_repaired(servers: ServerBench) -> None:
    server = servers.build()
    server.start()
    for number in range(20):
        put(server, f"k{number}", "x" * 20)
    server.stop()
    (increment,) = (servers.data_dir / "store" / "appendonlydir").glob("*.incr.aof")
    text = increment.read_bytes()
    half = text.index(b"k10")
    damaged = text[:half] + b"\xff" * 40 + text[half + 40 :]
    increment.write_bytes(damaged)

    with pytest.raises(SettingsError, match="data is damaged") as caught:
        server.start()

    assert increment.read_bytes() == damaged
    command = caught.value.message.rpartition("repair it with: ")[2]
    subprocess.run(command, shell=True, input=b"y\n", check=True, capture_output=True)  # noqa: S602
    assert server.start() == "spawned"
    assert get(server, "k9") == b"x" * 20
    assert server.stop()


def test_folder_that_cannot_be_written_is_one_line(servers: ServerBench, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(SettingsError, match="cannot be written") as caught:
        servers.build(tmp_path / "file" / "data").start()

    assert "\n" not in caught.value.message


def test_long_folder_gets_a_short_socket(servers: ServerBench, tmp_path: Path) -> None:
    server = servers.build(tmp_path / ("x" * 120))

    assert server.start() == "spawned"

    path = Path(server.url.removeprefix("unix://"))
    assert len(os.fsencode(path)) <= 103
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert server.stop()
    path.unlink(missing_ok=True)
    path.parent.rmdir()


class Writers:
    """Adds accounts until told to stop; keeps the ids whose addition was acknowledged."""

    def __init__(self, store: AccountStore) -> None:
        self.store = store
        self.acknowledged: list[AccountId] = []
        self.is_stopped = False

    async def write(self, worker: int) -> None:
        for number in count():
            if self.is_stopped:
                return
            account_id = AccountId(f"{worker}-{number}")
            try:
                await self.store.save(NewAccount(account_id, BASIC, Credentials("s"), mask="…"))
            except StoreUnavailableError:
                await asyncio.sleep(0.01)
            else:
                self.acknowledged.append(account_id)

    async def wait_for(self, more: int) -> None:
        goal = len(self.acknowledged) + more
        while len(self.acknowledged) < goal:  # noqa: ASYNC110 -- the writers set no event
            await asyncio.sleep(0.005)


async def kept_accounts(store: AccountStore) -> set[AccountId]:
    page = await store.list(limit=1000)
    kept = {account.id for account in page.accounts}
    while page.next_cursor:
        page = await store.list(cursor=page.next_cursor, limit=1000)
        kept |= {account.id for account in page.accounts}
    return kept


async def test_kill_under_load_loses_no_acknowledged_write(
    servers: ServerBench, cipher: SecretCipher
) -> None:
    server = servers.build()
    server.start()
    async with open_redis(server.url) as redis:
        store = AccountStore(redis, cipher)
        writers = Writers(store)
        async with asyncio.TaskGroup() as group:
            for worker in range(8):
                group.create_task(writers.write(worker))
            try:
                for _ in range(3):
                    await writers.wait_for(200)
                    servers.kill(server.pid)
                    assert await asyncio.to_thread(server.check)
                await writers.wait_for(10)
            finally:
                writers.is_stopped = True

        kept = await kept_accounts(store)
        assert set(writers.acknowledged) <= kept
        totals = {count.pool: count.total for count in await store.pool_counts()}
        assert totals[BASIC] == len(kept)
    assert server.stop()
