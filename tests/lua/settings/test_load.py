"""settings/load: the newest settings, or those of a revision that is kept."""

import pytest

from grok2api.errors import SettingsError
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient
from grok2api.store.settings import SettingsStore, StoredSettings


@pytest.fixture
def settings(redis: RedisClient, cipher: SecretCipher) -> SettingsStore:
    return SettingsStore(redis, cipher)


async def test_empty_store_has_revision_zero(settings: SettingsStore) -> None:
    assert await settings.load() == StoredSettings(0, {})
    assert await settings.find(1) is None


async def test_older_revision_is_found_as_it_was(settings: SettingsStore) -> None:
    for n in range(3):
        await settings.save({"a": n}, n, by="x", changed=["a"])

    assert await settings.find(2) == StoredSettings(2, {"a": 1})
    assert await settings.load() == StoredSettings(3, {"a": 2})


async def test_settings_of_another_secret_key_are_refused_with_a_way_out(
    settings: SettingsStore, redis: RedisClient
) -> None:
    await settings.save({"a": 1}, 0, by="x", changed=["a"])

    with pytest.raises(SettingsError, match="config unset --all"):
        await SettingsStore(redis, SecretCipher([b"z" * 32])).load()


async def test_settings_stay_readable_behind_a_newer_secret_key(
    settings: SettingsStore, redis: RedisClient
) -> None:
    await settings.save({"a": 1}, 0, by="x", changed=["a"])

    rotated = SettingsStore(redis, SecretCipher([b"z" * 32, b"k" * 32]))

    assert await rotated.load() == StoredSettings(1, {"a": 1})
