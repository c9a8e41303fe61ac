"""client_key/save: a key is added once."""

import pytest

from grok2api.domain.client_key import ClientKey
from grok2api.domain.ids import ClientKeyId
from grok2api.store import keys
from grok2api.store.client_keys import ClientKeyStore
from grok2api.store.connection import RedisClient
from tests.lua.conftest import KeyView

KEY = ClientKey(ClientKeyId("key_1"), "laptop", 5.0, hint="sk-…abcd")


@pytest.fixture
def client_keys(redis: RedisClient) -> ClientKeyStore:
    return ClientKeyStore(redis)


async def test_saved_key_is_found(client_keys: ClientKeyStore, view: KeyView) -> None:
    assert await client_keys.save(KEY, "d1")

    assert await client_keys.find("d1") == KEY
    assert await view.hash(keys.client_key_digests()) == {"d1": "key_1"}
    assert await view.hash(keys.client_key_digest_of()) == {"key_1": "d1"}
    assert await view.members(keys.client_key_index()) == ["key_1"]


@pytest.mark.parametrize(("key_id", "digest"), [("key_1", "d2"), ("key_2", "d1")])
async def test_known_id_or_digest_changes_nothing(
    client_keys: ClientKeyStore, view: KeyView, key_id: str, digest: str
) -> None:
    await client_keys.save(KEY, "d1")

    assert not await client_keys.save(ClientKey(ClientKeyId(key_id), "x", 6.0), digest)

    assert await client_keys.list() == [KEY]
    assert await view.hash(keys.client_key_digests()) == {"d1": "key_1"}


async def test_list_is_whole_and_oldest_first(client_keys: ClientKeyStore) -> None:
    for number in range(1100):
        record = ClientKey(ClientKeyId(f"key_{number}"), "x", float(2000 - number))
        await client_keys.save(record, f"d{number}")

    listed = await client_keys.list()

    assert len({key.id for key in listed}) == 1100
    assert [key.created_at_s for key in listed] == sorted(key.created_at_s for key in listed)
