"""Calling scripts: loaded when needed, repeated only where that is safe, failures told apart."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis import Redis

from grok2api.domain.account import Credentials
from grok2api.domain.ids import AccountId
from grok2api.errors import StoreUnavailableError
from grok2api.store import keys
from grok2api.store.accounts import AccountStore, Known, NewAccount
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient, open_redis
from grok2api.store.embedded import EmbeddedServer
from tests.conftest import BASIC, AccountMaker, wait_until
from tests.store.conftest import ServerBench


@pytest.fixture
def server(servers: ServerBench) -> EmbeddedServer:
    server = servers.build()
    server.start()
    return server


@asynccontextmanager
async def lossy_store(server: EmbeddedServer) -> AsyncIterator[tuple[str, "asyncio.Event"]]:
    """Pass bytes to the server; while the event is set, the next reply is lost with its line."""
    loses = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = server.url.removeprefix("unix://")
        from_server, to_server = await asyncio.open_unix_connection(path)

        async def pass_requests() -> None:
            while data := await reader.read(65536):
                to_server.write(data)
            to_server.close()

        async def pass_replies() -> None:
            while data := await from_server.read(65536):
                if loses.is_set() and not data.startswith(b"+"):
                    loses.clear()
                    break
                writer.write(data)
            writer.close()

        await asyncio.gather(pass_requests(), pass_replies(), return_exceptions=True)
        to_server.close()
        writer.close()

    front = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with front:
        port = front.sockets[0].getsockname()[1]
        yield f"redis://127.0.0.1:{port}", loses


async def test_script_is_loaded_again_after_a_flush(
    server: EmbeddedServer, cipher: SecretCipher
) -> None:
    async with open_redis(server.url) as redis:
        accounts = AccountMaker(AccountStore(redis, cipher))
        await accounts.save("a")
        await accounts.lease("l1", limit=2)
        await redis.execute_command("SCRIPT", "FLUSH")

        assert (await accounts.lease("l2", limit=2)).account_id == "a"


async def test_lost_reply_of_an_acquire_costs_no_second_slot(
    server: EmbeddedServer, cipher: SecretCipher
) -> None:
    async with lossy_store(server) as (url, loses), open_redis(url) as redis:
        accounts = AccountMaker(AccountStore(redis, cipher))
        await accounts.save("a", "b")
        for _ in range(2):  # the second time finds its scripts loaded
            await accounts.end(await accounts.lease("l0", limit=5))
        loses.set()

        lease = await accounts.lease("l1", limit=5)

        page = await accounts.store.list()
        assert not loses.is_set()
        assert sum(account.open_leases for account in page.accounts) == 1
        loses.set()
        assert await accounts.end(lease) is None  # the first one ended it
        assert not loses.is_set()
        page = await accounts.store.list()
        assert sum(account.open_leases for account in page.accounts) == 0


async def test_lost_reply_of_another_script_is_an_error(
    server: EmbeddedServer, cipher: SecretCipher
) -> None:
    async with lossy_store(server) as (url, loses), open_redis(url) as redis:
        store = AccountStore(redis, cipher)
        account = NewAccount(AccountId("b"), BASIC, Credentials("s"), mask="…")
        await AccountMaker(store).save("a")
        loses.set()

        with pytest.raises(StoreUnavailableError, match="not available"):
            await store.save(account)

        assert isinstance(await store.save(account), Known)


@pytest.mark.parametrize(
    ("commands", "cause"),
    [
        ([("CONFIG", "SET", "maxmemory", "1")], "no memory left (OOM)"),
        ([("REPLICAOF", "127.0.0.1", "1")], "a replica and cannot write (READONLY)"),
        ([("CONFIG", "SET", "min-replicas-to-write", "1")], "(NOREPLICAS)"),
        ([("CLIENT", "PAUSE", "10000", "WRITE")], "did not answer in time"),
    ],
)
async def test_failures_are_told_apart_in_the_log_only(
    server: EmbeddedServer,
    cipher: SecretCipher,
    commands: list[tuple[str, ...]],
    cause: str,
) -> None:
    async with open_redis(server.url, timeout_s=0.3) as redis:
        accounts = AccountMaker(AccountStore(redis, cipher))
        await accounts.save("a")
        for command in commands:
            await redis.execute_command(*command)

        with pytest.raises(StoreUnavailableError) as caught:
            await accounts.lease("l1")

    assert cause in caught.value.detail
    assert caught.value.detail.startswith("account/acquire: ")
    assert "account" not in caught.value.message


async def test_disk_that_cannot_be_written_is_told_apart(
    server: EmbeddedServer, cipher: SecretCipher, tmp_path: Path
) -> None:
    async with open_redis(server.url) as redis:
        accounts = AccountMaker(AccountStore(redis, cipher))
        await accounts.save("a")
        with Redis.from_url(server.url) as client:
            client.config_set("save", "1 1")
            (tmp_path / "data" / "store" / "dump.rdb").mkdir()
            client.execute_command("BGSAVE")
            wait_until(lambda: client.info("persistence")["rdb_bgsave_in_progress"] == 0)

        with pytest.raises(StoreUnavailableError) as caught:
            await accounts.lease("l1")
        with Redis.from_url(server.url) as client:
            client.config_set("save", "")  # or it refuses to stop

    assert "cannot write to its disk (MISCONF)" in caught.value.detail


async def test_reply_that_does_not_fit_fails_loudly(
    redis: RedisClient, account_store: AccountStore, accounts: AccountMaker
) -> None:
    await accounts.save("a")
    await redis.execute_command("DEL", keys.account_secrets())

    with pytest.raises(StoreUnavailableError, match="does not fit"):
        await accounts.lease("l1")
