"""Exports as batches: what was kept comes back through an import, and is sealed until then."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from grok2api.clock import SystemClock
from grok2api.config.schema import Settings
from grok2api.domain.account import Credentials, Pool, ProviderKind, Status, Tier
from grok2api.domain.batch import Batch, BatchState
from grok2api.domain.ids import AccountId
from grok2api.errors import ConflictError, InvalidRequestError, NotFoundError, SettingsError
from grok2api.providers.base import Provider
from grok2api.providers.grok_web.credentials import GrokWebCredentials
from grok2api.services.batches import MAX_EXPORTED
from grok2api.services.imports import account_id_of, mask_session
from grok2api.services.operator import Operator, build_operator
from grok2api.store import keys
from grok2api.store.accounts import AccountStore, NewAccount
from grok2api.store.batches import BatchStore
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient
from grok2api.store.leader import Elected, LeaderStore
from tests.services.conftest import ScriptedChat

pytestmark = pytest.mark.timeout(60)

KIND = ProviderKind.GROK_WEB
PROVIDERS = {KIND: Provider(KIND, GrokWebCredentials(), ScriptedChat())}
SECRETS = {"with_secrets": True}
MISSING = AccountId("acc_0123456789abcdef0123")


def session_of(number: int) -> str:
    return f"eyJ0eXAiOiJKV1QifQ.planted{number:06}.c2ln"


@dataclass
class Bench:
    """The operator's tools on a store, and a leader that may work on batches."""

    redis: RedisClient
    operator: Operator
    store: AccountStore
    now_ms: int = 1_800_000_000_000

    async def save(self, count: int) -> list[AccountId]:
        made = []
        for number in range(count):
            credentials = Credentials(session_of(number), f"cf_clearance=planted{number}")
            account = NewAccount(
                account_id_of(KIND, credentials),
                Pool(KIND, Tier.SUPER),
                credentials,
                mask_session(credentials.session),
                ("team",),
                1_700_000_000.0 + number,
            )
            await self.store.save(account)
            made.append(account.id)
        return made

    async def elect(self, owner: str) -> int:
        reply = await LeaderStore(self.redis, now_ms=self.now_ms).campaign(owner, ttl_s=10)
        self.now_ms += 10_000
        assert isinstance(reply, Elected)
        return reply.epoch

    async def start(self, ids: list[AccountId], **params: object) -> Batch:
        return await self.operator.batches.create("export", params, ids, created_by="test")

    async def export(self, ids: list[AccountId], **params: object) -> Batch:
        """Start a batch, and work until its end."""
        batch = await self.start(ids, **params)
        assert await self.operator.batch_runner.run(await self.elect(f"p{self.now_ms}"))
        return await self.operator.batches.get(batch.id)

    async def wait_until_begun(self, batch: Batch) -> None:
        while batch.processed < 50:
            batch = await self.operator.batches.get(batch.id)

    async def fetch(self, batch: Batch) -> bytes:
        exports = self.operator.batch_exports
        return b"".join([part async for part in exports.iterate(await exports.find(batch.id))])

    async def fetch_accounts(self, batch: Batch) -> dict[str, dict[str, Any]]:
        accounts = msgspec.json.decode(await self.fetch(batch))["accounts"]
        found = {account["id"]: account for account in accounts}
        assert len(found) == len(accounts)
        return found


def open_bench(redis: RedisClient, cipher: SecretCipher) -> Bench:
    operator = build_operator(redis, cipher, PROVIDERS, Settings(), SystemClock())
    return Bench(redis, operator, AccountStore(redis, cipher))


@pytest.fixture
def bench(redis: RedisClient, cipher: SecretCipher) -> Bench:
    return open_bench(redis, cipher)


async def all_that_is_stored(redis: RedisClient) -> bytes:
    """Return every key and every value, as the server keeps them."""
    readers = {
        b"hash": ("HGETALL",),
        b"zset": ("ZRANGE", 0, -1),
        b"list": ("LRANGE", 0, -1),
        b"set": ("SMEMBERS",),
        b"stream": ("XRANGE", "-", "+"),
        b"string": ("GET",),
    }
    stored = []
    for key in await redis.execute_command("KEYS", "*"):
        kind = await redis.execute_command("TYPE", key)
        command, *more = readers[kind if isinstance(kind, bytes) else kind.encode()]
        stored.append(repr((key, await redis.execute_command(str(command), key, *more))))
    return "\n".join(stored).encode()


@asynccontextmanager
async def running(work: Awaitable[bool]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work)  # noqa: TID251 -- ended below
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def test_export_of_a_batch_comes_back_through_an_import(bench: Bench) -> None:
    ids = await bench.save(1200)
    whole = list[bytes]()
    await bench.operator.accounts.export(whole.append, with_secrets=True)

    text = await bench.fetch(await bench.export(ids, **SECRETS))
    await bench.operator.accounts.remove(ids)
    report = await bench.operator.accounts.import_text(text.decode())

    assert sorted(report.added) == sorted(ids)
    assert report.refused == []
    again = list[bytes]()
    await bench.operator.accounts.export(again.append, with_secrets=True)
    assert sorted(b"".join(again).split(b"\n")) == sorted(b"".join(whole).split(b"\n"))
    assert text.startswith(b'{"version":1,"accounts":[\n{"id":"acc_')


async def test_only_the_accounts_of_the_batch_are_in_it_and_no_sessions(bench: Bench) -> None:
    ids = await bench.save(5)

    batch = await bench.export(ids[:3])

    found = await bench.fetch_accounts(batch)
    assert sorted(found) == sorted(ids[:3])
    assert not [account for account in found.values() if {"session", "cookies"} & set(account)]
    assert batch.params.with_secrets is False


async def test_nothing_is_kept_in_the_clear(bench: Bench, redis: RedisClient) -> None:
    ids = await bench.save(40)

    batches = [await bench.export([*ids, MISSING], **SECRETS), await bench.export(ids)]

    stored = await all_that_is_stored(redis)
    for batch in batches:
        assert keys.batch_results(batch.id).encode() in stored
        assert batch.ok == 40
    assert b"planted" not in stored
    assert b'"tier"' not in stored  # without sessions it is sealed as well


async def test_deleted_and_unknown_accounts_are_failures_with_a_reason(bench: Bench) -> None:
    ids = await bench.save(2)
    await bench.store.set_status(ids[0], Status.DELETED, for_s=60)

    batch = await bench.export([*ids, MISSING], **SECRETS)

    assert (batch.state, batch.ok, batch.fail) == (BatchState.DONE, 1, 2)
    page = await bench.operator.batches.failures(batch.id)
    assert {failure.account_id: failure.reason for failure in page.failures} == {
        ids[0]: "not_found: The account is deleted.",
        MISSING: "not_found: There is no such account.",
    }
    assert list(await bench.fetch_accounts(batch)) == [ids[1]]


async def test_export_of_nobody_is_an_empty_one(bench: Bench) -> None:
    batch = await bench.export([MISSING])

    assert msgspec.json.decode(await bench.fetch(batch)) == {"version": 1, "accounts": []}


async def test_account_that_no_key_opens_is_a_failure_without_secrets_in_it(
    bench: Bench, redis: RedisClient
) -> None:
    ids = await bench.save(1)
    stranger = open_bench(redis, SecretCipher([b"x" * 32]))
    stranger.now_ms += 10**6

    batch = await stranger.export(ids, **SECRETS)

    (failure,) = (await bench.operator.batches.failures(batch.id)).failures
    assert failure.reason.startswith("settings: Stored credentials were sealed")
    assert await stranger.fetch_accounts(batch) == {}


async def test_result_that_no_key_opens_is_one_error(bench: Bench, redis: RedisClient) -> None:
    batch = await bench.export(await bench.save(1))

    with pytest.raises(SettingsError):
        await open_bench(redis, SecretCipher([b"x" * 32])).fetch(batch)


async def test_run_that_breaks_off_is_finished_by_another_and_each_account_comes_once(
    bench: Bench, redis: RedisClient, cipher: SecretCipher
) -> None:
    ids = await bench.save(600)
    batch = await bench.start(ids, **SECRETS)
    async with running(bench.operator.batch_runner.run(await bench.elect("first"))):
        await bench.wait_until_begun(batch)
    at_death = await bench.operator.batches.get(batch.id)

    other = open_bench(redis, cipher)
    assert await other.operator.batch_runner.run(await bench.elect("second"))

    assert 50 <= at_death.processed < 600
    end = await bench.operator.batches.get(batch.id)
    assert (end.state, end.ok, end.fail) == (BatchState.DONE, 600, 0)
    sessions = {account["session"] for account in (await bench.fetch_accounts(batch)).values()}
    assert sessions == {session_of(number) for number in range(600)}


async def test_cancelled_export_holds_what_was_done(bench: Bench) -> None:
    ids = await bench.save(600)
    batch = await bench.start(ids)
    async with running(bench.operator.batch_runner.run(await bench.elect("first"))):
        await bench.wait_until_begun(batch)
        await bench.operator.batches.cancel(batch.id)
    await bench.operator.batch_runner.run(await bench.elect("second"))

    end = await bench.operator.batches.get(batch.id)
    assert end.state is BatchState.CANCELLED
    assert end.skipped > 0
    assert len(await bench.fetch_accounts(batch)) == end.ok


async def test_there_is_no_result_before_the_end(bench: Bench) -> None:
    batch = await bench.start(await bench.save(1))

    with pytest.raises(ConflictError) as caught:
        await bench.fetch(batch)

    assert caught.value.code == "batch_not_ended"


async def test_batch_of_another_kind_has_no_result(bench: Bench) -> None:
    create = bench.operator.batches.create
    batch = await create("delete", {}, await bench.save(1), created_by="test")

    with pytest.raises(NotFoundError) as caught:
        await bench.fetch(batch)

    assert caught.value.code == "no_result"


async def test_batch_that_is_forgotten_meanwhile_gives_no_whole_file(
    bench: Bench, redis: RedisClient
) -> None:
    exports = bench.operator.batch_exports
    batch = await exports.find((await bench.export(await bench.save(1200))).id)
    parts, written = exports.iterate(batch), b""

    written += await anext(parts)
    written += await anext(parts)
    assert await BatchStore(redis).forget(batch.id)
    with pytest.raises(NotFoundError):
        written += b"".join([part async for part in parts])

    assert b'"id"' in written
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(written)
    with pytest.raises(NotFoundError):
        await bench.fetch(batch)


class Repeating:
    """A server whose walk through a hash gives everything a second time, as it may."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self._seen: dict[bytes, bytes] = {}

    async def execute_command(self, *args: Any) -> Any:
        reply = await self._redis.execute_command(*args)
        if args[0] == "HSCAN":
            self._seen |= reply[1]
            return reply[0], dict(self._seen)
        return reply

    async def aclose(self) -> None:
        """Leave it to the owner."""


async def test_what_the_store_gives_twice_is_written_once(
    bench: Bench, redis: RedisClient, cipher: SecretCipher
) -> None:
    batch = await bench.export(await bench.save(1200))

    found = await open_bench(Repeating(redis), cipher).fetch_accounts(batch)

    assert len(found) == 1200


@pytest.mark.parametrize(
    "params", [{"with_secrets": "yes"}, {"with_secrets": None}, {"with_secrets": 1}]
)
async def test_wrong_word_about_secrets_is_refused(bench: Bench, params: dict[str, object]) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        await bench.start([MISSING], **params)

    assert caught.value.param == "with_secrets"


async def test_export_has_a_most_of_its_own(bench: Bench) -> None:
    ids = [AccountId(f"acc_{number}") for number in range(MAX_EXPORTED + 1)]

    with pytest.raises(InvalidRequestError, match=f"at most {MAX_EXPORTED}"):
        await bench.start(ids)

    assert (await bench.operator.batches.list()).batches == []
