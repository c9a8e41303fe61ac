"""setup/claim: the first call wins, on all hosts."""

import asyncio

from grok2api.domain.client_key import ClientKey
from grok2api.domain.ids import ClientKeyId
from grok2api.store import keys
from grok2api.store.client_keys import ClientKeyStore
from grok2api.store.connection import RedisClient
from grok2api.store.setup import SetupStore
from tests.lua.conftest import KeyView


def first_key(number: int) -> ClientKey:
    return ClientKey(ClientKeyId(f"key_{number}"), "first", 1.0)


async def test_first_claim_stores_key_and_password(redis: RedisClient, view: KeyView) -> None:
    setup = SetupStore(redis)
    assert not await setup.is_done()

    assert await setup.claim(first_key(1), "d1", "hash-1")

    assert await setup.is_done()
    assert await setup.admin_password_hash() == "hash-1"
    assert await ClientKeyStore(redis).find("d1") == first_key(1)
    assert await view.hash(keys.setup_claims()) == {
        "admin_password": "hash-1",
        "client_key": "key_1",
    }


async def test_one_of_many_racing_claims_wins(redis: RedisClient) -> None:
    setup = SetupStore(redis)

    won = await asyncio.gather(
        *(setup.claim(first_key(n), f"d{n}", f"hash-{n}") for n in range(30))
    )

    assert won.count(True) == 1
    (key,) = await ClientKeyStore(redis).list()
    assert key == first_key(won.index(True))
    assert await setup.admin_password_hash() == f"hash-{won.index(True)}"


async def test_repeated_claim_of_the_winner_is_still_the_winner(redis: RedisClient) -> None:
    setup = SetupStore(redis)
    await setup.claim(first_key(1), "d1", "hash-1")

    assert await setup.claim(first_key(1), "d1", "hash-1")
    assert not await setup.claim(first_key(2), "d2", "hash-2")
    assert len(await ClientKeyStore(redis).list()) == 1
