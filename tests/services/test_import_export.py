"""What comes in is what was there; what goes out comes back."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from grok2api.domain.account import Credentials, Mode, Pool, ProviderKind, Status, Tier
from grok2api.domain.pool_member import Account
from grok2api.domain.quota import DAY_S, QuotaReport, Reading, Source
from grok2api.errors import GatewayError, SettingsError
from grok2api.providers.base import Provider
from grok2api.providers.grok_web.credentials import GrokWebCredentials
from grok2api.services.accounts import Accounts
from grok2api.services.imports import account_id_of
from grok2api.store.account_edits import AccountEdits, Finding
from grok2api.store.accounts import AccountStore, NewAccount
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient, open_redis
from grok2api.store.legacy_sqlite import open_legacy_sqlite
from tests.services.conftest import ScriptedChat

FOLDER = Path(__file__).parents[1] / "fixtures" / "imports"
NOW_S = 1_800_000_000.0
KIND = ProviderKind.GROK_WEB
PROVIDERS = {KIND: Provider(KIND, GrokWebCredentials(), ScriptedChat())}


class StoppedClock:
    def now_s(self) -> float:
        return NOW_S

    def monotonic_s(self) -> float:
        return 0.0


@dataclass
class Desk:
    """Accounts of the real kind, at a moment that stands still."""

    store: AccountStore
    accounts: Accounts

    async def all(self) -> list[Account]:
        return [account async for account in self.accounts.list()]

    async def export(self, *, with_secrets: bool = True) -> bytes:
        written: list[bytes] = []
        count = await self.accounts.export(written.append, with_secrets=with_secrets)
        text = b"".join(written)
        assert len(msgspec.json.decode(text)["accounts"]) == count
        return text


def open_desk(redis: RedisClient, cipher: SecretCipher) -> Desk:
    store = AccountStore(redis, cipher, now_ms=round(NOW_S * 1000))
    return Desk(store, Accounts(store, PROVIDERS, StoppedClock()))


@pytest.fixture
def desk(redis: RedisClient, cipher: SecretCipher) -> Desk:
    return open_desk(redis, cipher)


def text_of(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


async def test_states_of_the_source_are_honoured(desk: Desk) -> None:
    report = await desk.accounts.import_text(text_of("records.json"))

    found = {(a.pool.tier, a.status, a.reason, a.until_s, a.tags) for a in await desk.all()}
    assert (len(report.added), report.skipped, report.refused) == (4, 1, [])
    assert found == {
        (Tier.HEAVY, Status.ACTIVE, "", 0.0, ("nsfw", "team")),
        (Tier.BASIC, Status.EXPIRED, "invalid_credentials", 0.0, ()),
        (Tier.BASIC, Status.DISABLED, "operator_disabled", 0.0, ()),
        (Tier.BASIC, Status.COOLING, "rate_limited", 1_900_000_000.0, ()),
    }
    assert {a.created_at_s for a in await desk.all()} == {1_700_000_000.0 + n for n in range(4)}


async def test_known_account_keeps_its_state_tier_and_tags(desk: Desk) -> None:
    await desk.accounts.import_text(text_of("tokens.txt"))
    before = await desk.all()

    report = await desk.accounts.import_text(text_of("records.json"))

    after = {account.id: account for account in await desk.all()}
    assert len(report.known) == 2
    assert [after[account.id] for account in before] == before
    assert {account.status for account in before} == {Status.ACTIVE}


async def test_cooldown_that_is_over_leaves_an_active_account(desk: Desk) -> None:
    token = "eyJ0eXAiOiJKV1QifQ.Y29vbGVk.c2ln"
    await desk.accounts.import_text(
        f'{{"token": "{token}", "status": "cooling", "until": "2001-01-01T00:00:00Z"}}'
    )

    assert [account.status for account in await desk.all()] == [Status.ACTIVE]


async def test_credential_that_stands_twice_is_refused_the_second_time(desk: Desk) -> None:
    lines = [f"eyJ0eXAiOiJKV1QifQ.{n:06}.c2ln" for n in range(600)]

    report = await desk.accounts.import_text("\n".join([*lines, f"sso={lines[3]}"]))

    assert len(report.added) == 600
    assert [(r.line, r.why) for r in report.refused] == [(601, "It is the same as number 4.")]


async def test_dry_run_tells_the_same_and_writes_nothing(desk: Desk, redis: RedisClient) -> None:
    await desk.accounts.import_text(text_of("tokens.txt"))
    before = await desk.export()

    planned = await desk.accounts.import_text(text_of("records.json"), is_dry_run=True)

    assert await desk.export() == before
    done = await desk.accounts.import_text(text_of("records.json"))
    assert planned.is_dry_run
    assert msgspec.structs.replace(planned, is_dry_run=False) == done
    assert {tier: (n.added, n.known) for tier, n in planned.tiers.items()} == {
        Tier.HEAVY: (0, 1),
        Tier.BASIC: (2, 1),
    }


async def test_database_of_an_older_version_is_imported(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "accounts.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(text_of("accounts.sql"))

    async with open_legacy_sqlite(path) as batches:
        report = await desk.accounts.import_records(batches)

    assert (len(report.added), report.skipped, [r.line for r in report.refused]) == (3, 1, [5])
    assert "tier" in report.refused[0].why
    assert sorted(a.status for a in await desk.all()) == ["active", "cooling", "disabled"]


async def test_records_keep_their_numbers_over_batches(desk: Desk) -> None:
    token = "eyJ0eXAiOiJKV1QifQ.bnVtYmVy.c2ln"

    async def batches() -> AsyncIterator[Sequence[dict[str, object]]]:
        yield [{"token": token}, {"token": "short"}]
        yield [{"token": 1}, {"token": token}]

    seen: list[tuple[int, None]] = []
    report = await desk.accounts.import_records(
        batches(), on_progress=lambda done, total: seen.append((done, total))
    )

    assert [r.line for r in report.refused] == [2, 3, 4]
    assert seen == [(2, None), (4, None)]


async def test_store_that_dies_is_one_error_and_no_group(cipher: SecretCipher) -> None:
    async with open_redis("unix:///nowhere/s") as nowhere:
        desk = open_desk(nowhere, cipher)
        with pytest.raises(GatewayError):
            await desk.accounts.import_text(text_of("tokens.txt"))


async def test_windows_whose_number_is_known_come_back_without_a_total(
    desk: Desk, redis: RedisClient
) -> None:
    await desk.accounts.import_text("eyJ0eXAiOiJKV1QifQ.000001.c2ln")
    (account,) = await desk.all()
    told = (
        Reading(Mode.IMAGE_PRO, 2, None, DAY_S, 600.0),
        Reading(Mode.IMAGE_EDIT, 0, None, DAY_S, 600.0),
    )
    finding = Finding(report=QuotaReport(told, {}), next_in_s=1.0)
    await AccountEdits(redis, now_ms=desk.store.now_ms).sync(account.id, finding)
    before = (await desk.all())[0].windows
    exported = await desk.export()
    assert msgspec.json.decode(exported)["accounts"][0]["quota"].keys() == {m.mode for m in told}

    await desk.accounts.remove([account.id])
    await desk.accounts.import_text(exported.decode())

    (back,) = await desk.all()
    assert {mode: (w.remaining, w.total, w.reset_at_s) for mode, w in back.windows.items()} == {
        mode: (w.remaining, w.total, w.reset_at_s) for mode, w in before.items()
    }
    assert back.windows[Mode.VIDEO_720P].source is Source.UNKNOWN
    assert back.windows[Mode.IMAGE_PRO].source is Source.REAL


async def test_export_without_secrets_shows_none(desk: Desk) -> None:
    await desk.accounts.import_text(text_of("export.json"))

    text = (await desk.export(with_secrets=False)).decode()

    assert "Zml4dHVyZS0x" not in text
    assert "Clear.1" not in text
    assert '"tags":["team"]' in text


async def test_export_without_the_right_key_is_one_error(desk: Desk, redis: RedisClient) -> None:
    await desk.accounts.import_text(text_of("tokens.txt"))

    with pytest.raises(SettingsError):
        await open_desk(redis, SecretCipher([b"x" * 32])).export()


async def test_export_of_many_pages_is_whole(desk: Desk) -> None:
    lines = [f"eyJ0eXAiOiJKV1QifQ.{n:06}.c2ln" for n in range(1100)]
    await desk.accounts.import_text("\n".join(lines))

    exported = msgspec.json.decode(await desk.export())

    assert sorted(account["session"] for account in exported["accounts"]) == lines


MOMENTS = st.floats(min_value=0, max_value=4_102_444_799, allow_nan=False)
WORDS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1, max_size=20)
ACCOUNTS = st.fixed_dictionaries(
    {
        "number": st.integers(0, 10**9),
        "tier": st.sampled_from(Tier),
        "tags": st.lists(WORDS, max_size=4, unique=True).map(tuple),
        "created_at_s": MOMENTS,
        "cookies": st.sampled_from(["", "cf_clearance=Clear.1", "cf_clearance=a; __cf_bm=b"]),
        "status": st.sampled_from([status for status in Status if status is not Status.DELETED]),
        "reason": st.sampled_from(["", "by hand", "blocked"]) | WORDS,
        "cooldown_s": st.integers(1, 10**6),
    }
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(ACCOUNTS, max_size=6, unique_by=lambda given: given["number"]))
def test_what_is_exported_comes_back_the_same(
    redis_url: str, cipher: SecretCipher, given_accounts: list[dict[str, object]]
) -> None:
    async def go_round() -> None:
        async with open_redis(redis_url) as redis:
            desk = open_desk(redis, cipher)
            for given_account in given_accounts:
                await add(desk, **given_account)  # type: ignore[arg-type]
            first = await desk.export()
            await desk.accounts.remove([account.id for account in await desk.all()])

            report = await desk.accounts.import_text(first.decode())

            assert (len(report.added), report.refused) == (len(given_accounts), [])
            assert await desk.export() == first
            await desk.accounts.remove([account.id for account in await desk.all()])

    asyncio.run(go_round())


async def add(
    desk: Desk,
    *,
    number: int,
    tier: Tier,
    tags: tuple[str, ...],
    created_at_s: float,
    cookies: str,
    status: Status,
    reason: str,
    cooldown_s: int,
) -> None:
    credentials = Credentials(f"eyJ0eXAiOiJKV1QifQ.{number:010}.c2ln", cookies)
    account_id = account_id_of(KIND, credentials)
    await desk.store.save(
        NewAccount(account_id, Pool(KIND, tier), credentials, "eyJ0…c2ln", tags, created_at_s)
    )
    if status is not Status.ACTIVE:
        await desk.store.set_status(account_id, status, for_s=cooldown_s, reason=reason)
