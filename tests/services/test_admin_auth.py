"""The administrator's password, against what a first start stored."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from grok2api.clock import SystemClock
from grok2api.errors import AuthenticationError, RateLimitExceededError, StoreUnavailableError
from grok2api.services import admin_auth
from grok2api.services.admin_auth import (
    MAX_PASSWORD_BYTES,
    MAX_REMEMBERED,
    MAX_VERIFYING,
    MAX_WAITING,
    REMEMBERED_S,
    AdminAuth,
)
from grok2api.services.client_keys import ClientKeys
from grok2api.services.setup import FirstCredentials, Setup
from grok2api.store import keys
from grok2api.store.client_keys import ClientKeyStore
from grok2api.store.connection import RedisClient, open_redis
from grok2api.store.setup import SetupStore


class HandClock(SystemClock):
    """Moves when a test says so."""

    __slots__ = ("now",)

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic_s(self) -> float:
        return self.now


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def first(redis: RedisClient) -> FirstCredentials:
    """What the first start made."""
    client_keys = ClientKeys(ClientKeyStore(redis), SystemClock())
    made = await Setup(SetupStore(redis), client_keys).ensure_credentials()
    assert made is not None
    return made


@pytest.fixture
def auth(redis: RedisClient, clock: HandClock) -> AdminAuth:
    return AdminAuth(SetupStore(redis), clock)


class SlowHash:
    """Counts the slow checks, and holds them while `gate` is closed."""

    def __init__(self, verify: Callable[[str, bytes], bool]) -> None:
        self._verify = verify
        self._lock = threading.Lock()
        self.gate = threading.Event()
        self.gate.set()
        self.calls = 0
        self.running = 0
        self.most_running = 0

    def __call__(self, hashed: str, password: bytes) -> bool:
        with self._lock:
            self.calls += 1
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        try:
            self.gate.wait(20)
            return self._verify(hashed, password)
        finally:
            with self._lock:
                self.running -= 1


@pytest.fixture
def slow_hash(monkeypatch: pytest.MonkeyPatch) -> SlowHash:
    """The real check, with a counter around it."""
    counter = SlowHash(admin_auth._verify)
    monkeypatch.setattr(admin_auth, "_verify", counter)
    return counter


async def settle(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_true():  # noqa: ASYNC110 - threads have no event to wait for
            await asyncio.sleep(0.005)


async def test_password_of_the_first_start_is_right(
    auth: AdminAuth, first: FirstCredentials
) -> None:
    await auth.check(first.admin_password)


@pytest.mark.parametrize(
    "presented", [None, "", "wrong", "pässwörd", "\ud800", "x" * (MAX_PASSWORD_BYTES + 1)]
)
async def test_anything_else_is_refused(
    auth: AdminAuth, first: FirstCredentials, presented: str | None
) -> None:
    with pytest.raises(AuthenticationError):
        await auth.check(presented)


async def test_client_key_is_no_password(auth: AdminAuth, first: FirstCredentials) -> None:
    with pytest.raises(AuthenticationError):
        await auth.check(first.client_key)


async def test_nobody_is_let_in_before_the_first_start(auth: AdminAuth) -> None:
    for presented in ("x", "None"):
        with pytest.raises(AuthenticationError):
            await auth.check(presented)


async def test_password_of_the_settings_takes_the_place_of_the_stored_one(
    redis: RedisClient, clock: HandClock, first: FirstCredentials
) -> None:
    auth = AdminAuth(SetupStore(redis), clock, password="pässwörd")

    await auth.check("pässwörd")

    for presented in (first.admin_password, "passwörd"):
        with pytest.raises(AuthenticationError):
            await auth.check(presented)


async def test_password_of_the_settings_is_checked_without_a_store(clock: HandClock) -> None:
    async with open_redis("unix:///nowhere/at/all") as redis:
        await AdminAuth(SetupStore(redis), clock, password="right").check("right")

        with pytest.raises(StoreUnavailableError):
            await AdminAuth(SetupStore(redis), clock).check("right")


async def test_right_password_is_hashed_once_a_while(
    auth: AdminAuth, first: FirstCredentials, slow_hash: SlowHash, clock: HandClock
) -> None:
    for _ in range(5):
        await auth.check(first.admin_password)
    counted = slow_hash.calls
    clock.now += REMEMBERED_S
    await auth.check(first.admin_password)

    assert (counted, slow_hash.calls) == (1, 2)


async def test_wrong_password_is_never_remembered(
    auth: AdminAuth, first: FirstCredentials, slow_hash: SlowHash
) -> None:
    await auth.check(first.admin_password)

    for _ in range(2):
        with pytest.raises(AuthenticationError):
            await auth.check("wrong")

    assert slow_hash.calls == 3


async def test_remembered_password_is_worth_nothing_once_another_is_stored(
    auth: AdminAuth, first: FirstCredentials, redis: RedisClient
) -> None:
    await auth.check(first.admin_password)
    await redis.execute_command(
        "HSET", keys.setup_claims(), "admin_password", "$argon2id$not-a-hash"
    )

    with pytest.raises(AuthenticationError):
        await auth.check(first.admin_password)


async def test_requests_that_come_together_share_one_check(
    auth: AdminAuth, first: FirstCredentials, slow_hash: SlowHash
) -> None:
    await asyncio.gather(*(auth.check(first.admin_password) for _ in range(20)))

    assert slow_hash.calls <= MAX_VERIFYING


async def test_checks_are_few_at_once_and_the_queue_is_bounded(
    auth: AdminAuth, first: FirstCredentials, slow_hash: SlowHash
) -> None:
    slow_hash.gate.clear()
    tries = [
        asyncio.ensure_future(auth.check(f"wrong {n}"))  # noqa: TID251 - all awaited below
        for n in range(MAX_VERIFYING + MAX_WAITING)
    ]
    await settle(lambda: slow_hash.running == MAX_VERIFYING and auth._waiting == MAX_WAITING)

    with pytest.raises(RateLimitExceededError) as refused:
        await auth.check(first.admin_password)

    slow_hash.gate.set()
    ended = await asyncio.gather(*tries, return_exceptions=True)
    assert refused.value.retry_after_s
    assert {type(result) for result in ended} == {AuthenticationError}
    assert slow_hash.most_running == MAX_VERIFYING
    await auth.check(first.admin_password)


async def test_client_that_leaves_frees_its_slot_only_when_the_work_is_done(
    auth: AdminAuth, first: FirstCredentials, slow_hash: SlowHash
) -> None:
    slow_hash.gate.clear()
    left = [
        asyncio.ensure_future(auth.check(f"wrong {n}"))  # noqa: TID251 - all awaited below
        for n in range(MAX_VERIFYING)
    ]
    await settle(lambda: slow_hash.running == MAX_VERIFYING)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)

    late = asyncio.ensure_future(auth.check(first.admin_password))  # noqa: TID251 - awaited below
    await settle(lambda: auth._waiting == 1)
    slow_hash.gate.set()
    await late

    assert slow_hash.most_running == MAX_VERIFYING
    assert slow_hash.calls == MAX_VERIFYING + 1


async def test_few_passwords_are_remembered(redis: RedisClient, clock: HandClock) -> None:
    auth = AdminAuth(SetupStore(redis), clock)

    for n in range(MAX_REMEMBERED + 3):
        auth._remember(bytes([n]))

    assert len(auth._remembered) == MAX_REMEMBERED
    assert bytes([0]) not in auth._remembered
