"""What accounts keep, with the simulator as the site: from the operator's wish to the wire."""

import pytest

from grok2api.clock import SystemClock
from grok2api.config.schema import Settings
from grok2api.domain.account import Credentials, Pool, ProviderKind, Status, Tier
from grok2api.domain.files import InputFile
from grok2api.domain.ids import AccountId
from grok2api.errors import CredentialRejectedError, UpstreamError
from grok2api.providers.grok_web.files import GrokWebFiles
from grok2api.providers.registry import build_providers
from grok2api.services.assets import Assets, Cleared
from grok2api.services.operator import build_operator
from grok2api.store.accounts import AccountStore, NewAccount
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient
from tests.conformance.conftest import SESSION, Counterpart, upstream_session

ONE = AccountId("one")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


class Bench:
    """One account whose counterpart at the site is `one`."""

    def __init__(self, redis: RedisClient, cipher: SecretCipher, counterpart: Counterpart) -> None:
        options = counterpart.options()
        providers = build_providers(counterpart.transport, options, SystemClock())
        operator = build_operator(redis, cipher, providers, Settings(), SystemClock())
        self.assets: Assets = operator.assets
        self.site = counterpart.site
        self.store = AccountStore(redis, cipher)
        self._files = GrokWebFiles(counterpart.transport, options, SystemClock())

    async def upload(self, count: int) -> list[str]:
        names = [f"{number}.png" for number in range(count)]
        return [
            (await self._files.upload(InputFile(n, n, "image/png", PNG), upstream_session())).id
            for n in names
        ]


@pytest.fixture
async def bench(redis: RedisClient, cipher: SecretCipher, counterpart: Counterpart) -> Bench:
    opened = Bench(redis, cipher, counterpart)
    pool = Pool(ProviderKind.GROK_WEB, Tier.BASIC)
    await opened.store.save(NewAccount(ONE, pool, Credentials(SESSION), mask="…"))
    return opened


async def test_all_pages_are_counted_and_cleared(bench: Bench) -> None:
    ids = await bench.upload(53)

    counted = await bench.assets.count(ONE)
    first = await bench.assets.page(ONE)
    cleared = await bench.assets.clear(ONE)

    assert (counted.count, counted.size_bytes, counted.is_whole) == (53, 53 * len(PNG), True)
    assert len(first.assets) == 50
    assert {asset.id for asset in first.assets} <= set(ids)
    assert first.next_token
    assert cleared == Cleared(53, 0, is_whole=True)
    page = await bench.site.page("one")
    assert (page["files"], page["deletes"], page["violations"]) == ({}, 53, [])


async def test_one_file_is_deleted_and_may_be_gone(bench: Bench) -> None:
    first, second = await bench.upload(2)

    for _ in range(2):
        await bench.assets.delete(ONE, first)

    assert list((await bench.site.page("one"))["files"]) == [second]


@pytest.mark.parametrize("target", ["assets", "delete"])
@pytest.mark.parametrize(
    ("fault", "status"), [("bad_credentials", Status.EXPIRED), ("server_error", Status.ACTIVE)]
)
async def test_dead_session_expires_its_account(
    bench: Bench, target: str, fault: str, status: Status
) -> None:
    await bench.upload(1)
    await bench.site.script(f"fault={fault}", target=target, times=0)

    if target == "delete" and fault == "server_error":
        assert await bench.assets.clear(ONE) == Cleared(
            0, 1, is_whole=True, failure="upstream_error"
        )
    else:
        with pytest.raises(UpstreamError) as caught:
            await bench.assets.clear(ONE)
        assert isinstance(caught.value, CredentialRejectedError) is (fault == "bad_credentials")

    assert (await bench.store.find([ONE]))[ONE].status is status
