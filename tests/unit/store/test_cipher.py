"""Sealing: what is stored tells nothing, opens only in its place, and outlives a rotation."""

import pytest

from grok2api.errors import SettingsError
from grok2api.store.cipher import KEY_BYTES, SecretCipher, generate_key

OLD, NEW = b"o" * 32, b"n" * 32


def test_sealed_value_opens_in_its_place() -> None:
    cipher = SecretCipher([NEW])

    sealed = cipher.seal(b"session", b"account-1")

    assert b"session" not in sealed
    assert cipher.open(sealed, b"account-1") == b"session"
    assert cipher.seal(b"session", b"account-1") != sealed


def test_value_moved_to_another_account_does_not_open() -> None:
    cipher = SecretCipher([NEW])

    with pytest.raises(SettingsError, match="belong to another account"):
        cipher.open(cipher.seal(b"session", b"account-1"), b"account-2")


def test_old_key_still_opens_and_new_key_seals() -> None:
    sealed = SecretCipher([OLD]).seal(b"session", b"a")
    rotated = SecretCipher([NEW, OLD])

    assert rotated.open(sealed, b"a") == b"session"
    assert not rotated.is_newest(sealed)
    assert rotated.is_newest(rotated.seal(b"session", b"a"))
    assert SecretCipher([NEW]).open(rotated.seal(b"session", b"a"), b"a") == b"session"


def test_missing_key_is_said_with_its_remedy() -> None:
    sealed = SecretCipher([OLD]).seal(b"session", b"a")

    with pytest.raises(SettingsError, match="Add that key"):
        SecretCipher([NEW]).open(sealed, b"a")


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_damaged_value_is_refused(cut: int) -> None:
    cipher = SecretCipher([NEW])
    sealed = cipher.seal(b"session" * 4, b"a")
    damaged = sealed[:cut] + bytes([sealed[cut] ^ 1]) + sealed[cut + 1 :]

    for value in (damaged, sealed[:cut]):
        with pytest.raises(SettingsError):
            cipher.open(value, b"a")


@pytest.mark.parametrize("keys", [[], [b"short"], [NEW, b"x" * 33]])
def test_unfit_keys_are_refused(keys: list[bytes]) -> None:
    with pytest.raises(SettingsError):
        SecretCipher(keys)


def test_generated_keys_fit_and_differ() -> None:
    assert len(generate_key()) == KEY_BYTES
    assert generate_key() != generate_key()
