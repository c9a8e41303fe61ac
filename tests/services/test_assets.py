"""What accounts keep at the upstream: found whole, deleted whole, and what a refusal means."""

from dataclasses import dataclass

import msgspec
import pytest

from grok2api.clock import SystemClock
from grok2api.config.schema import Settings
from grok2api.domain.account import Credentials, Pool, ProviderKind, Status, Tier
from grok2api.domain.batch import Batch
from grok2api.domain.ids import AccountId
from grok2api.errors import (
    ConflictError,
    CredentialRejectedError,
    InvalidRequestError,
    NotFoundError,
    UpstreamError,
    UpstreamUnavailableError,
)
from grok2api.providers.base import Provider
from grok2api.providers.media import Asset
from grok2api.services import assets
from grok2api.services.assets import Assets, Cleared
from grok2api.services.operator import Operator, build_operator
from grok2api.store.account_edits import AccountEdits
from grok2api.store.accounts import AccountStore, NewAccount
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient
from grok2api.store.leader import Elected, LeaderStore
from tests.services.conftest import PlainCredentials, ScriptedChat
from tests.services.shelf import Shelf, dead_session

KIND = ProviderKind.GROK_WEB
BUSY = UpstreamUnavailableError("in trouble", code="upstream_error")
MISSING = AccountId("acc_missing")


@dataclass
class Bench:
    """An operator in front of a shelf."""

    operator: Operator
    store: AccountStore
    shelf: Shelf
    redis: RedisClient

    @property
    def assets(self) -> Assets:
        return self.operator.assets

    async def add(self, session: str, count: int = 0) -> AccountId:
        account_id = AccountId(f"acc_{session}")
        await self.store.save(
            NewAccount(account_id, Pool(KIND, Tier.BASIC), Credentials(session), mask=f"{session}…")
        )
        self.shelf.put(session, count)
        return account_id

    async def status(self, account_id: AccountId) -> Status:
        return (await self.store.find([account_id]))[account_id].status

    async def do(self, kind: str, *ids: AccountId) -> Batch:
        """Start a batch, and work until its end."""
        batch = await self.operator.batches.create(kind, {}, ids, created_by="test")
        elected = await LeaderStore(self.redis).campaign("here", ttl_s=600)
        assert isinstance(elected, Elected)
        assert await self.operator.batch_runner.run(elected.epoch)
        return await self.operator.batches.get(batch.id)

    async def lines(self, batch: Batch) -> list[dict[str, object]]:
        exports = self.operator.batch_exports
        found = await exports.find(batch.id)
        text = b"".join([part async for part in exports.iterate(found)])
        return [msgspec.json.decode(line) for line in text.splitlines()]

    async def reasons(self, batch: Batch) -> dict[str, str]:
        page = await self.operator.batches.failures(batch.id)
        return {failure.account_id: failure.reason for failure in page.failures}


@pytest.fixture
def bench(redis: RedisClient, cipher: SecretCipher) -> Bench:
    shelf = Shelf()
    provider = Provider(KIND, PlainCredentials(), ScriptedChat(), assets=shelf)
    operator = build_operator(redis, cipher, {KIND: provider}, Settings(), SystemClock())
    return Bench(operator, AccountStore(redis, cipher), shelf, redis)


async def test_files_are_listed_page_by_page(bench: Bench) -> None:
    account_id = await bench.add("a", 4)

    first = await bench.assets.page(account_id)
    second = await bench.assets.page(account_id, first.next_token)

    assert [asset.id for asset in first.assets] == ["asset-0", "asset-1", "asset-2"]
    assert ([asset.id for asset in second.assets], second.next_token) == (["asset-3"], "")


@pytest.mark.parametrize("count", [0, 1, 3, 10])
async def test_all_pages_count(bench: Bench, count: int) -> None:
    found = await bench.assets.count(await bench.add("a", count))

    assert (found.count, found.size_bytes, found.is_whole) == (count, 10 * count, True)


async def test_upstream_that_repeats_itself_is_not_listed_for_ever(bench: Bench) -> None:
    account_id = await bench.add("a", 10)
    bench.shelf.repeats = True

    found = await bench.assets.count(account_id)

    assert bench.shelf.tokens == ["", "0"]
    assert found.count == 3


async def test_list_that_never_ends_is_given_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "MAX_PAGES", 2)

    found = await bench.assets.count(await bench.add("a", 10))

    assert (found.count, found.is_whole) == (6, False)


async def test_account_with_too_many_files_is_counted_in_part(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "MAX_ASSETS", 6)
    account_id = await bench.add("a", 7)

    found = await bench.assets.count(account_id)

    assert (found.count, found.is_whole) == (6, False)


async def test_one_file_is_deleted_and_may_be_gone_before(bench: Bench) -> None:
    account_id = await bench.add("a", 2)

    for _ in range(2):
        await bench.assets.delete(account_id, "asset-0")

    assert [asset.id for asset in bench.shelf.kept["a"]] == ["asset-1"]


async def test_account_is_cleared_whole(bench: Bench) -> None:
    account_id, other = await bench.add("a", 50), await bench.add("b", 2)

    assert await bench.assets.clear(account_id) == Cleared(50, 0, is_whole=True)
    assert await bench.assets.clear(account_id) == Cleared(0, 0, is_whole=True)
    assert bench.shelf.kept["a"] == []
    assert (await bench.assets.count(other)).count == 2


async def test_file_that_cannot_be_deleted_does_not_save_the_others(bench: Bench) -> None:
    account_id = await bench.add("a", 20)
    bench.shelf.stuck = {"asset-3": BUSY, "asset-15": BUSY}

    cleared = await bench.assets.clear(account_id)

    assert cleared == Cleared(18, 2, is_whole=True, failure="upstream_error")
    assert await bench.status(account_id) is Status.ACTIVE


async def test_slow_list_leaves_time_for_deleting(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "LISTING_LIMIT_S", -1.0)
    account_id = await bench.add("a", 7)

    cleared = [await bench.assets.clear(account_id) for _ in range(3)]

    assert [one.deleted for one in cleared] == [3, 3, 1]
    assert [one.is_whole for one in cleared] == [False, False, True]


async def test_what_takes_too_long_is_left_for_the_next_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "LIMIT_S", -1.0)
    account_id = await bench.add("a", 4)

    assert await bench.assets.clear(account_id) == Cleared(0, 0, is_whole=False)
    assert (await bench.assets.count(account_id)).is_whole is False


@pytest.mark.parametrize("what", ["page", "count", "delete", "clear"])
@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (dead_session(), Status.EXPIRED),
        (dead_session(is_confirmed=False), Status.ACTIVE),
        (BUSY, Status.ACTIVE),
    ],
)
async def test_dead_session_expires_its_account(
    bench: Bench, what: str, refusal: UpstreamError, status: Status
) -> None:
    account_id = await bench.add("a", 5)
    bench.shelf.refusals["a"] = refusal
    calls = {
        "page": lambda: bench.assets.page(account_id),
        "count": lambda: bench.assets.count(account_id),
        "delete": lambda: bench.assets.delete(account_id, "asset-1"),
        "clear": lambda: bench.assets.clear(account_id),
    }

    with pytest.raises(UpstreamError) as caught:
        await calls[what]()

    assert caught.value is refusal
    assert await bench.status(account_id) is status


async def test_session_that_dies_while_files_are_deleted_ends_it(bench: Bench) -> None:
    account_id = await bench.add("a", 5)
    bench.shelf.stuck["asset-2"] = dead_session()

    with pytest.raises(CredentialRejectedError):
        await bench.assets.clear(account_id)

    assert await bench.status(account_id) is Status.EXPIRED


async def test_refusal_of_a_disabled_account_leaves_it_disabled(bench: Bench) -> None:
    account_id = await bench.add("a")
    await bench.operator.actions.disable(account_id)
    bench.shelf.refusals["a"] = dead_session()

    with pytest.raises(CredentialRejectedError):
        await bench.assets.page(account_id)

    assert await bench.status(account_id) is Status.DISABLED


async def test_there_must_be_such_an_account(bench: Bench) -> None:
    deleted = await bench.add("a", 3)
    await bench.operator.actions.delete(deleted)

    for account_id in (MISSING, deleted):
        with pytest.raises(NotFoundError):
            await bench.assets.clear(account_id)

    assert len(bench.shelf.kept["a"]) == 3


async def test_kind_without_files_says_so(redis: RedisClient, cipher: SecretCipher) -> None:
    provider = Provider(KIND, PlainCredentials(), ScriptedChat())
    store = AccountStore(redis, cipher)
    bare = Assets(store, AccountEdits(redis), {KIND: provider})
    await store.save(NewAccount(AccountId("acc_a"), Pool(KIND, Tier.BASIC), Credentials("a"), "…"))

    with pytest.raises(InvalidRequestError):
        await bare.page(AccountId("acc_a"))


async def test_batch_counts_and_leaves_a_line_for_each(bench: Bench) -> None:
    ids = [await bench.add("a", 4), await bench.add("b"), MISSING]

    batch = await bench.do("assets", *ids)

    assert (batch.ok, batch.fail) == (2, 1)
    lines = {line["id"]: line for line in await bench.lines(batch)}
    assert lines == {
        ids[0]: {"id": ids[0], "mask": "a…", "count": 4, "size_bytes": 40, "complete": True},
        ids[1]: {"id": ids[1], "mask": "b…", "count": 0, "size_bytes": 0, "complete": True},
    }


async def test_batch_clears_and_tells_what_is_left(bench: Bench) -> None:
    ids = [await bench.add(name, 5) for name in "abc"]
    bench.shelf.stuck = {"asset-4": BUSY}
    bench.shelf.refusals["c"] = dead_session()
    bench.shelf.kept["b"] = [Asset(id="x")]

    batch = await bench.do("clear_assets", *ids)

    assert (batch.ok, batch.fail) == (1, 2)
    reasons = await bench.reasons(batch)
    assert "4 files were deleted, 1 were not (upstream_error)" in reasons[ids[0]]
    assert reasons[ids[2]].startswith("credential_rejected: ")
    assert await bench.status(ids[2]) is Status.EXPIRED
    with pytest.raises(NotFoundError, match="assets or export"):
        await bench.lines(batch)


async def test_count_is_there_at_the_end_of_its_batch(bench: Bench) -> None:
    batch = await bench.operator.batches.create(
        "assets", {}, [await bench.add("a")], created_by="test"
    )

    with pytest.raises(ConflictError):
        await bench.lines(batch)
