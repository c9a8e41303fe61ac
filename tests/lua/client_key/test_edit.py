"""client_key/edit: a change holds at once, and none is lost."""

import asyncio
from functools import partial

import msgspec

from grok2api.domain.client_key import Budget, ClientKey, KeyLimits
from grok2api.domain.ids import ClientKeyId
from grok2api.store.client_keys import ClientKeyStore
from grok2api.store.connection import RedisClient

KEY = ClientKey(ClientKeyId("key_1"), "laptop", 5.0, hint="sk-…abcd")


def renamed(key: ClientKey, name: str) -> ClientKey:
    return msgspec.structs.replace(key, name=name)


def heavier(key: ClientKey) -> ClientKey:
    return msgspec.structs.replace(key, weight=key.weight + 1)


async def test_changed_key_is_what_is_found_next(redis: RedisClient) -> None:
    store = ClientKeyStore(redis)
    await store.save(KEY, "d1")
    limits = KeyLimits(requests_per_minute=5, week=Budget(units=7))
    wanted = msgspec.structs.replace(
        KEY, is_enabled=False, models=("grok-4",), networks=("10.0.0.0/8",), limits=limits
    )

    edited = await store.edit(KEY.id, lambda _: wanted)

    assert edited == wanted
    assert await store.find("d1") == wanted


async def test_changes_of_many_people_at_once_are_all_made(redis: RedisClient) -> None:
    store = ClientKeyStore(redis)
    await store.save(KEY, "d1")

    await asyncio.gather(
        *(store.edit(KEY.id, heavier) for _ in range(20)),
        store.edit(KEY.id, partial(renamed, name="phone")),
    )

    found = await store.find("d1")
    assert found is not None
    assert (found.weight, found.name) == (21, "phone")


async def test_unknown_key_is_not_made(redis: RedisClient) -> None:
    store = ClientKeyStore(redis)
    await store.save(KEY, "d1")

    async def revoked_meanwhile() -> ClientKey | None:
        await store.revoke(KEY.id)
        return await store.edit(KEY.id, heavier)

    assert await store.edit(ClientKeyId("key_2"), heavier) is None
    assert await revoked_meanwhile() is None
    assert await store.list() == []
