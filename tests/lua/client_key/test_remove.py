"""client_key/remove: the next call with the key is refused."""

from grok2api.domain.client_key import ClientKey, KeyLimits
from grok2api.domain.ids import ClientKeyId
from grok2api.store.client_keys import ClientKeyStore
from grok2api.store.connection import RedisClient
from tests.lua.client_key.conftest import KEY, CallMaker
from tests.lua.conftest import KeyView


async def test_revoked_key_leaves_nothing(redis: RedisClient, view: KeyView) -> None:
    store = ClientKeyStore(redis)
    await store.save(ClientKey(ClientKeyId("key_1"), "laptop", 5.0), "d1")

    assert await store.revoke(ClientKeyId("key_1"))

    assert await store.find("d1") is None
    assert await view.account_keys() == set()
    assert not await store.revoke(ClientKeyId("key_1"))


async def test_other_keys_stay(redis: RedisClient) -> None:
    store = ClientKeyStore(redis)
    keys = [ClientKey(ClientKeyId(f"key_{n}"), "laptop", float(n)) for n in range(3)]
    for number, key in enumerate(keys):
        await store.save(key, f"d{number}")

    await store.revoke(keys[1].id)

    assert await store.list() == [keys[0], keys[2]]
    assert await store.find("d2") == keys[2]


async def test_use_of_a_revoked_key_is_forgotten(
    calls: CallMaker, redis: RedisClient, view: KeyView
) -> None:
    await calls.end(await calls.admit(KeyLimits(requests_per_minute=5)))

    assert await ClientKeyStore(redis).revoke(KEY)

    assert await view.account_keys() == set()
