"""Settings in the store: taken by every process that can use them, mended from anywhere."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings as examples, strategies as st

from grok2api.config.layers import Found
from grok2api.config.schema import BootSettings, RetrySettings, Settings
from grok2api.config.sources import Sources
from grok2api.errors import (
    ConflictError,
    InvalidRequestError,
    SettingsError,
    StoreUnavailableError,
)
from grok2api.services.settings import SettingsDesk
from grok2api.services.settings_check import check_settings
from grok2api.services.settings_watch import SettingsWatch
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient, open_redis
from grok2api.store.settings import SettingsStore, StoredSettings

ENVIRONMENT = Sources(environment={"retry.budget_s": Found(9.0, "GROK_RETRY_BUDGET_S")})
ATTEMPTS = "retry.max_attempts"


@pytest.fixture
def store(redis: RedisClient, cipher: SecretCipher) -> SettingsStore:
    return SettingsStore(redis, cipher)


@pytest.fixture
def desk(store: SettingsStore) -> SettingsDesk:
    return SettingsDesk(store, Sources(), BootSettings())


async def put(store: SettingsStore, **values: object) -> None:
    """Store what no desk would."""
    named = {key.replace("__", "."): value for key, value in values.items()}
    await store.save(named, await store.revision(), by="x", changed=sorted(named))


def with_attempts(count: int) -> Settings:
    return Settings(retry=RetrySettings(max_attempts=count))


async def next_of(watch: SettingsWatch) -> Settings:
    async with asyncio.timeout(10):
        return await watch.next()


async def begun(store: SettingsStore, sources: Sources | None = None) -> SettingsWatch:
    sources = sources or Sources()
    watch = SettingsWatch(store, sources, sources.compose().settings)
    await watch.begin()
    return watch


async def test_process_begins_with_what_is_stored(store: SettingsStore) -> None:
    await put(store, retry__max_attempts=7)

    watch = await begun(store)

    assert not watch.is_unread
    assert watch.settings == with_attempts(7)


async def test_change_is_told_once(store: SettingsStore, desk: SettingsDesk) -> None:
    watch = await begun(store)

    await desk.save({ATTEMPTS: 7}, by="x")

    assert await next_of(watch) == with_attempts(7)
    await desk.save({ATTEMPTS: 8}, by="x")
    assert await next_of(watch) == with_attempts(8)


async def test_what_cannot_be_used_changes_nothing_and_the_next_that_can_is_taken(
    store: SettingsStore,
) -> None:
    await put(store, retry__max_attempts=7)
    watch = await begun(store)

    await put(store, retry__max_attempts=99)
    assert not await watch._look()
    assert watch.settings == with_attempts(7)

    await put(store, retry__max_attempts=8)
    assert await next_of(watch) == with_attempts(8)


async def test_what_could_not_be_put_in_force_is_told_again(
    store: SettingsStore, desk: SettingsDesk
) -> None:
    watch = await begun(store)
    await desk.save({ATTEMPTS: 7}, by="x")
    before = watch.settings
    for _ in range(3):
        assert await next_of(watch) == with_attempts(7)
        watch.refuse(before, StoreUnavailableError("away"))
        assert watch.settings == before

    assert await next_of(watch) == with_attempts(7)


async def test_first_reading_that_could_not_be_put_in_force_is_told_again(
    store: SettingsStore,
) -> None:
    watch = SettingsWatch(store, Sources(), Settings())
    assert await next_of(watch) == Settings()
    watch.refuse(Settings(), StoreUnavailableError("away"))

    assert await next_of(watch) == Settings()


async def test_revision_that_is_given_twice_is_noticed(
    store: SettingsStore, redis: RedisClient
) -> None:
    await put(store, retry__max_attempts=7)
    watch = await begun(store)
    await redis.execute_command("FLUSHALL")  # as a store that lost its last second

    await put(store, retry__max_attempts=8)

    assert await store.revision() == 1
    assert await next_of(watch) == with_attempts(8)


@pytest.mark.parametrize(
    "changes",
    [
        {"models.aliases": {"mine": "no-such-model"}},
        {"upstream.browser": "netscape4"},
        {"media.url": "s3://bucket/../other"},
    ],
)
async def test_what_no_process_could_be_built_from_is_refused(
    store: SettingsStore, changes: dict[str, object]
) -> None:
    sources = Sources(judge=check_settings)
    with pytest.raises(InvalidRequestError):
        await SettingsDesk(store, sources, BootSettings()).save(changes, by="x")
    assert await store.revision() == 0

    await store.save(changes, 0, by="x", changed=())  # by a host that could

    with pytest.raises(SettingsError):
        await begun(store, sources)


async def test_change_under_the_environment_is_no_change(store: SettingsStore) -> None:
    watch = await begun(store, ENVIRONMENT)
    await put(store, retry__budget_s=50)
    await put(store, retry__budget_s=51, retry__max_attempts=8)

    assert (await next_of(watch)).retry == RetrySettings(max_attempts=8, budget_s=9.0)


async def test_fresh_process_takes_the_newest_revision_that_it_can_use(
    store: SettingsStore,
) -> None:
    for attempts in (6, 7, 98, 99):
        await put(store, retry__max_attempts=attempts)

    assert (await begun(store)).settings == with_attempts(7)


async def test_fresh_process_refuses_where_no_revision_can_be_used(
    store: SettingsStore, redis: RedisClient
) -> None:
    await put(store, retry__max_attempts=7)

    with pytest.raises(SettingsError, match="secret key"):
        await begun(SettingsStore(redis, SecretCipher([b"z" * 32])))


async def test_store_that_is_away_at_the_start_is_waited_for(cipher: SecretCipher) -> None:
    async with open_redis("redis://127.0.0.1:9") as nowhere:
        watch = await begun(SettingsStore(nowhere, cipher))

        assert watch.is_unread


async def test_first_reading_is_told_although_it_is_the_same(store: SettingsStore) -> None:
    watch = SettingsWatch(store, Sources(), Settings())

    assert await next_of(watch) == Settings()
    assert not watch.is_unread


async def test_key_that_the_environment_sets_is_locked_with_the_reason(
    store: SettingsStore,
) -> None:
    desk = SettingsDesk(store, ENVIRONMENT, BootSettings())

    with pytest.raises(InvalidRequestError, match="GROK_RETRY_BUDGET_S") as refused:
        await desk.save({"retry.budget_s": 5}, by="x")

    assert refused.value.code == "locked_setting"
    view = {item.key: item for item in (await desk.read()).settings}["retry.budget_s"]
    assert (view.origin, view.source, view.value) == ("environment", "GROK_RETRY_BUDGET_S", 9.0)
    assert "GROK_RETRY_BUDGET_S" in view.locked


async def test_wrong_value_that_is_stored_can_be_taken_back(
    store: SettingsStore, desk: SettingsDesk
) -> None:
    await put(store, retry__max_attempts=99, no__such=1)
    assert "retry.max_attempts" in (await desk.read()).problem

    draft = await desk.save({ATTEMPTS: None, "no.such": None}, by="x")

    assert [d.key for d in draft.differences] == ["no.such", ATTEMPTS]
    assert await store.load() == StoredSettings(2, {})


async def test_settings_under_a_lost_secret_key_can_be_forgotten(
    store: SettingsStore, redis: RedisClient
) -> None:
    await put(store, retry__max_attempts=7)
    other = SettingsStore(redis, SecretCipher([b"z" * 32]))
    desk = SettingsDesk(other, Sources(), BootSettings())
    assert "secret key" in (await desk.read()).problem

    assert await desk.clear(by="x") == 2

    assert not (await desk.read()).problem
    assert (await begun(other)).settings == Settings()


async def test_of_racing_changes_from_one_revision_one_wins(desk: SettingsDesk) -> None:
    async def save(attempts: int) -> int:
        try:
            return (await desk.save({ATTEMPTS: attempts}, expected=0, by="x")).revision
        except ConflictError:
            return -1

    done = await asyncio.gather(*(save(n) for n in range(4, 20)))

    assert sorted(done) == [-1] * 15 + [1]


VALUES = st.one_of(
    st.none(),
    st.integers(1, 20),
    st.sampled_from([0, 21, "x", [], {}, True, "nan", 1.5]),
)


@given(
    steps=st.lists(
        st.dictionaries(
            st.sampled_from([ATTEMPTS, "account.max_concurrency", "no.such", "server.port"]),
            VALUES,
            min_size=1,
        ),
        max_size=6,
    )
)
@examples(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_any_changes_leave_what_every_process_can_use(
    redis: RedisClient, cipher: SecretCipher, steps: list[dict[str, object]]
) -> None:
    await redis.execute_command("FLUSHALL")
    store = SettingsStore(redis, cipher)
    desk = SettingsDesk(store, Sources(), BootSettings())
    expected: dict[str, object] = {}
    for changes in steps:
        draft = await desk.check(changes)
        try:
            await desk.save(changes, by="x")
        except InvalidRequestError:
            assert draft.problems
        else:
            assert not draft.problems
            expected |= changes
        kept = {key: value for key, value in expected.items() if value is not None}
        stored = await store.load()
        assert stored.values == kept
        loaded = Sources().compose(stored.values)
        assert loaded.unknown == []
