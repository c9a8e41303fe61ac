"""login/succeed: what failed before the right password is forgotten."""

from grok2api.store import limit_keys
from grok2api.store.connection import RedisClient
from grok2api.store.logins import LoginStore
from tests.lua.conftest import NOW_MS, KeyView


async def test_only_the_time_of_success_is_kept_and_for_a_day(
    redis: RedisClient, view: KeyView
) -> None:
    logins = LoginStore(redis, now_ms=NOW_MS)
    for _ in range(6):
        await logins.begin("a")

    await logins.succeed("a")

    assert await view.hash(limit_keys.login_address("a")) == {"right_at_ms": str(NOW_MS)}
    assert 0 < await redis.execute_command("PTTL", limit_keys.login_address("a")) <= 86_400_000


async def test_other_addresses_keep_their_failures(redis: RedisClient, view: KeyView) -> None:
    logins = LoginStore(redis, now_ms=NOW_MS)
    await logins.begin("b")

    await logins.succeed("a")

    assert (await view.hash(limit_keys.login_address("b")))["failed"] == "1"
