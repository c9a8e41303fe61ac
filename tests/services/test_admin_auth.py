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
from grok2api.store.logins import LoginStore
from grok2api.store.setup import SetupStore

HOME = "203.0.113.5"


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
    return AdminAuth(LoginStore(redis), clock)


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
    await auth.check(first.admin_password, HOME)


@pytest.mark.parametrize(
    "presented", [None, "", "wrong", "pässwörd", "\ud800", "x" * (MAX_PASSWORD_BYTES + 1)]
)
async def test_anything_else_is_refused(
    auth: AdminAuth, first: FirstCredentials, presented: str | None
) -> None:
    with pytest.raises(AuthenticationError):
        await auth.check(presented, HOME)


async def test_client_key_is_no_password(auth: AdminAuth, first: FirstCredentials) -> None:
    with pytest.raises(AuthenticationError):
        await auth.check(first.client_key, HOME)


async def test_nobody_is_let_in_before_the_first_start(auth: AdminAuth) -> None:
    for presented in ("x", "None"):
        with pytest.raises(AuthenticationError):
            await auth.check(presented, HOME)


async def test_password_of_the_settings_takes_the_place_of_the_stored_one(
    redis: RedisClient, clock: HandClock, first: FirstCredentials
) -> None:
    auth = AdminAuth(LoginStore(redis), clock, password="pässwörd")

    await auth.check("pässwörd", HOME)

    for presented in (first.admin_password, "passwörd"):
        with pytest.raises(AuthenticationError):
            await auth.check(presented, HOME)


@pytest.mark.parametrize("password", ["", "right"])
async def test_nobody_may_guess_while_nothing_can_be_counted(
    clock: HandClock, password: str
) -> None:
    async with open_redis("unix:///nowhere/at/all") as redis:
        auth = AdminAuth(LoginStore(redis), clock, password=password)

        with pytest.raises(StoreUnavailableError):
            await auth.check("right", HOME)


async def test_right_password_is_hashed_once_a_while(
    auth: AdminAuth, first: FirstCredentials, slow_hash: SlowHash, clock: HandClock
) -> None:
    for _ in range(5):
        await auth.check(first.admin_password, HOME)
    counted = slow_hash.calls
    clock.now += REMEMBERED_S
    await auth.check(first.admin_password, HOME)

    assert (counted, slow_hash.calls) == (1, 2)


async def test_wrong_password_is_never_remembered(
    auth: AdminAuth, first: FirstCredentials, slow_hash: SlowHash
) -> None:
    await auth.check(first.admin_password, HOME)

    for _ in range(2):
        with pytest.raises(AuthenticationError):
            await auth.check("wrong", HOME)

    assert slow_hash.calls == 3


async def test_remembered_password_is_worth_nothing_once_another_is_stored(
    auth: AdminAuth, first: FirstCredentials, redis: RedisClient
) -> None:
    await auth.check(first.admin_password, HOME)
    await redis.execute_command(
        "HSET", keys.setup_claims(), "admin_password", "$argon2id$not-a-hash"
    )

    with pytest.raises(AuthenticationError):
        await auth.check(first.admin_password, HOME)


async def test_requests_that_come_together_share_one_check(
    auth: AdminAuth, first: FirstCredentials, slow_hash: SlowHash
) -> None:
    await asyncio.gather(*(auth.check(first.admin_password, HOME) for _ in range(20)))

    assert slow_hash.calls == 1


async def test_remembered_password_counts_at_its_address_only(
    auth: AdminAuth, first: FirstCredentials, slow_hash: SlowHash
) -> None:
    await auth.check(first.admin_password, HOME)
    await auth.check(first.admin_password, "203.0.113.6")

    assert slow_hash.calls == 2


async def test_few_requests_with_one_password_wait_for_each_other(
    auth: AdminAuth, first: FirstCredentials, slow_hash: SlowHash
) -> None:
    slow_hash.gate.clear()
    async with asyncio.TaskGroup() as group:
        for _ in range(MAX_WAITING + 1):
            group.create_task(auth.check(first.admin_password, HOME))
        await settle(lambda: slow_hash.running == 1)

        with pytest.raises(RateLimitExceededError) as refused:
            await auth.check(first.admin_password, HOME)

        slow_hash.gate.set()

    assert refused.value.retry_after_s
    assert slow_hash.calls == 1


async def test_flood_of_guesses_neither_holds_the_slots_nor_shuts_others_out(
    auth: AdminAuth, first: FirstCredentials, slow_hash: SlowHash
) -> None:
    flood = [auth.check(f"wrong {n}", "198.51.100.9") for n in range(500)]

    ended = await asyncio.gather(*flood, return_exceptions=True)
    await auth.check(first.admin_password, HOME)

    kinds = [type(error) for error in ended]
    assert kinds.count(AuthenticationError) == 5
    assert kinds.count(RateLimitExceededError) == 495
    assert slow_hash.calls == 6
    assert slow_hash.most_running <= MAX_VERIFYING


async def test_flood_from_many_addresses_is_bounded_too(
    auth: AdminAuth, first: FirstCredentials, slow_hash: SlowHash
) -> None:
    await auth.check(first.admin_password, HOME)
    flood = [auth.check("wrong", f"198.51.100.{n}") for n in range(100)]

    await asyncio.gather(*flood, return_exceptions=True)
    other_worker = AdminAuth(auth._logins, auth._clock)
    await other_worker.check(first.admin_password, HOME)

    # Time goes on meanwhile: one more place becomes free every six seconds.
    assert 30 <= slow_hash.calls - 1 <= 35


async def test_operator_at_a_new_address_gets_in_through_a_flood_by_command(
    auth: AdminAuth, first: FirstCredentials, redis: RedisClient
) -> None:
    guesses = [auth.check("wrong", f"198.51.100.{n}") for n in range(60)]
    await asyncio.gather(*guesses, return_exceptions=True)
    with pytest.raises(RateLimitExceededError, match=f"logins allow {HOME}"):
        await auth.check(first.admin_password, HOME)

    await AdminAuth(LoginStore(redis), SystemClock()).allow(HOME)

    await auth.check(first.admin_password, HOME)
    with pytest.raises(AuthenticationError):
        await auth.check("wrong", HOME)
    with pytest.raises(RateLimitExceededError):
        await auth.check(first.admin_password, "203.0.113.6")


@pytest.mark.parametrize("password", ["", "the-operators-own"])
async def test_guessing_locks_the_address_at_every_worker_for_the_right_password_too(
    redis: RedisClient, clock: HandClock, first: FirstCredentials, password: str
) -> None:
    workers = [AdminAuth(LoginStore(redis), clock, password=password) for _ in range(2)]
    right = password or first.admin_password
    for number in range(5):
        with pytest.raises(AuthenticationError):
            await workers[number % 2].check(f"wrong {number}", HOME)

    for worker in workers:
        with pytest.raises(RateLimitExceededError) as refused:
            await worker.check(right, HOME)
        assert refused.value.code == "too_many_attempts"
        assert 50 < (refused.value.retry_after_s or 0) <= 60
    await workers[0].check(right, "203.0.113.6")


async def test_remembered_password_does_not_open_a_locked_address(
    auth: AdminAuth, first: FirstCredentials
) -> None:
    await auth.check(first.admin_password, HOME)
    for number in range(20):
        with pytest.raises(AuthenticationError):
            await auth.check(f"wrong {number}", HOME)

    with pytest.raises(RateLimitExceededError):
        await auth.check(first.admin_password, HOME)


async def test_right_password_in_time_begins_the_count_anew(
    auth: AdminAuth, first: FirstCredentials
) -> None:
    for _ in range(3):
        for number in range(4):
            with pytest.raises(AuthenticationError):
                await auth.check(f"wrong {number}", HOME)
        await auth.check(first.admin_password, HOME)


async def test_client_that_leaves_frees_its_slot_only_when_the_work_is_done(
    auth: AdminAuth, first: FirstCredentials, slow_hash: SlowHash
) -> None:
    slow_hash.gate.clear()
    left = [
        asyncio.ensure_future(auth.check(f"wrong {n}", HOME))  # noqa: TID251 - all awaited below
        for n in range(MAX_VERIFYING)
    ]
    await settle(lambda: slow_hash.running == MAX_VERIFYING)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)

    async with asyncio.TaskGroup() as group:
        group.create_task(auth.check(first.admin_password, HOME))
        await settle(lambda: bool(auth._slots._waiters))
        slow_hash.gate.set()

    assert slow_hash.most_running == MAX_VERIFYING
    assert slow_hash.calls == MAX_VERIFYING + 1


async def test_few_passwords_are_remembered(auth: AdminAuth) -> None:
    for n in range(MAX_REMEMBERED + 3):
        auth._remember(bytes([n]), "")

    assert len(auth._remembered) == MAX_REMEMBERED
    assert bytes([0]) not in auth._remembered
