"""client_key/find: one look-up by digest, which changes nothing."""

from grok2api.domain.client_key import ClientKey
from grok2api.domain.ids import ClientKeyId
from grok2api.store import keys
from grok2api.store.client_keys import ClientKeyStore
from grok2api.store.connection import RedisClient
from tests.lua.conftest import KeyView

KEY = ClientKey(ClientKeyId("key_1"), "laptop", 5.0, is_enabled=False)


async def test_key_is_found_by_its_digest_only(redis: RedisClient, view: KeyView) -> None:
    store = ClientKeyStore(redis)
    await store.save(KEY, "d1")
    before = await view.hash(keys.client_key_records())

    assert await store.find("d1") == KEY
    assert await store.find("key_1") is None
    assert await store.find("") is None

    assert await view.hash(keys.client_key_records()) == before
