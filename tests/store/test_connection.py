"""Every form of URL, and one clear line for those that are wrong."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis import Redis

from grok2api.errors import SettingsError, StoreUnavailableError
from grok2api.store.accounts import AccountStore
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import open_redis, ping
from tests.conftest import AccountMaker, find_free_port, run_server, wait_until

PASSWORD = "pass-word-not-to-be-shown"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:6379",
        "http://localhost:6379",
        "redis://",
        "redis://localhost:port",
        "redis://localhost:99999",
        f"redis://:{PASSWORD}@:6379",
        f"redis://:{PASSWORD}@localhost:6379/name",
        "redis://[::1",
        "unix://",
        f"redis+sentinel://:{PASSWORD}@one:26379,two:26379",
        f"redis+sentinel://:{PASSWORD}@one:x/service",
        "redis+sentinel://one/service/zero",
        f"redis+cluster://:{PASSWORD}@one:7000/3",
        "redis+cluster://one:7000,:x",
        "redis://localhost:6379/0?no_such_option=1&max_connections=x",
    ],
)
async def test_malformed_url_is_one_line_without_the_password(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        async with open_redis(url):
            pass

    assert "\n" not in caught.value.message
    assert PASSWORD not in caught.value.message


@pytest.mark.parametrize(
    "url",
    [
        "redis://one:6379/2",
        "rediss://user:secret@one:6380/0",
        "unix:///run/redis.sock",
        "unix:///run/redis.sock?db=1",
        "redis+sentinel://one:26379,two/service/1",
        "rediss+sentinel://user:secret@one,two/service",
        "redis+cluster://one:7000,two:7001",
        "rediss+cluster://user:secret@one:7000",
    ],
)
async def test_good_url_opens_without_a_server(url: str) -> None:
    async with open_redis(url) as redis:
        assert callable(redis.execute_command)


@pytest.mark.parametrize("form", ["redis://:{p}@127.0.0.1:{n}", "redis+cluster://127.0.0.1:{n}"])
async def test_dead_store_is_unavailable_and_keeps_secrets(form: str) -> None:
    url = form.format(p=PASSWORD, n=find_free_port())

    async with open_redis(url) as redis:
        with pytest.raises(StoreUnavailableError) as caught:
            await ping(redis)

    assert caught.value.retry_after_s
    assert PASSWORD not in caught.value.detail + caught.value.message
    assert "connection failed" in caught.value.detail or "Cluster" in caught.value.detail


async def test_wrong_password_is_told_apart(server_binary: str, tmp_path: Path) -> None:
    port = find_free_port()
    options = ("--port", str(port), "--bind", "127.0.0.1", "--requirepass", "right")
    with run_server(server_binary, tmp_path, *options):
        with Redis(port=port, password="right") as client:
            wait_until(client.ping)

        async with open_redis(f"redis://:{PASSWORD}@127.0.0.1:{port}") as redis:
            with pytest.raises(StoreUnavailableError, match="not available") as caught:
                await ping(redis)

    assert "refused the user name or password" in caught.value.detail
    assert PASSWORD not in caught.value.detail


@pytest.fixture
def sentinel_url(server_binary: str, tmp_path: Path) -> Iterator[str]:
    """A primary, and a sentinel that watches it."""
    port, watch_port = find_free_port(), find_free_port()
    settings = tmp_path / "sentinel.conf"
    settings.write_text(
        f"port {watch_port}\nbind 127.0.0.1\n"
        f"sentinel monitor main 127.0.0.1 {port} 1\nsentinel down-after-milliseconds main 1000\n"
    )
    with ExitStack() as stack:
        options = ("--port", str(port), "--bind", "127.0.0.1")
        stack.enter_context(run_server(server_binary, tmp_path / "primary", *options))
        with Redis(port=port) as client:
            wait_until(client.ping)
        stack.enter_context(
            run_server(server_binary, tmp_path / "s", first=(str(settings), "--sentinel"))
        )
        with Redis(port=watch_port) as client:
            wait_until(client.ping)
        yield f"redis+sentinel://127.0.0.1:{find_free_port()},127.0.0.1:{watch_port}/main/2"


async def test_sentinel_leads_to_the_primary(sentinel_url: str, cipher: SecretCipher) -> None:
    async with open_redis(sentinel_url) as redis:
        accounts = AccountMaker(AccountStore(redis, cipher))
        await accounts.save("a")

        assert (await accounts.lease("l1")).account_id == "a"


async def test_unknown_sentinel_service_is_unavailable(sentinel_url: str) -> None:
    async with open_redis(sentinel_url.replace("/main/", "/other/")) as redis:
        with pytest.raises(StoreUnavailableError):
            await ping(redis)
