"""Keys are made and changed with values that hold, and by people who know what they changed."""

from typing import Any

import pytest

from grok2api.clock import SystemClock
from grok2api.domain.client_key import Budget, KeyLimits
from grok2api.errors import AuthenticationError, InvalidRequestError, NotFoundError
from grok2api.services.client_keys import ClientKeys
from grok2api.services.key_changes import KeyChanges
from grok2api.store.client_keys import ClientKeyStore
from grok2api.store.connection import RedisClient

MODELS = ("grok-4", "grok-chat-fast", "claude-*")


@pytest.fixture
def desk(redis: RedisClient) -> ClientKeys:
    return ClientKeys(
        ClientKeyStore(redis), SystemClock(), configured=("sk-of-the-settings-1",), models=MODELS
    )


async def test_key_is_made_with_all_its_rules(desk: ClientKeys) -> None:
    changes = KeyChanges(
        weight=3,
        tags=("red", " red", "blue"),
        expires_at_s=4e9,
        models=("grok-4", "gpt-*", "claude-opus-5"),
        networks=("10.1.2.3/8", "2001:db8::1", "::ffff:192.0.2.0/120"),
        tokens_per_minute=1000,
        month=Budget(units=9),
    )

    made, plain = await desk.create(" team ", changes)

    assert await desk.admit(plain) == made
    assert (made.name, made.weight, made.tags) == ("team", 3, ("red", "blue"))
    assert made.models == ("grok-4", "gpt-*", "claude-opus-5")
    assert made.networks == ("10.0.0.0/8", "2001:db8::1/128", "192.0.2.0/24")
    assert made.limits == KeyLimits(tokens_per_minute=1000, month=Budget(units=9))


async def test_edit_keeps_what_it_does_not_name(desk: ClientKeys) -> None:
    first = KeyChanges(requests_per_minute=5, day=Budget(requests=9, tokens=8), models=("grok-4",))
    made, plain = await desk.create("team", first)

    await desk.edit("team", KeyChanges(concurrency=2, day=Budget(tokens=7)))
    edited = await desk.edit(made.id, KeyChanges(name="crew", models=()))

    assert await desk.admit(plain) == edited
    assert (edited.name, edited.models) == ("crew", ())
    assert edited.limits == KeyLimits(requests_per_minute=5, concurrency=2, day=Budget(tokens=7))


async def test_disabled_and_expired_keys_are_told_so_to_who_has_them(desk: ClientKeys) -> None:
    made, plain = await desk.create("team")
    await desk.edit("team", KeyChanges(is_enabled=False))
    with pytest.raises(AuthenticationError, match="disabled"):
        await desk.admit(plain)
    with pytest.raises(AuthenticationError, match="Incorrect"):
        await desk.admit(plain + "x")

    await desk.edit(made.id, KeyChanges(is_enabled=True))

    assert await desk.admit(plain) is not None


@pytest.mark.parametrize(
    ("field", "value", "param"),
    [
        ("name", "  ", "name"),
        ("name", "a\nb", "name"),
        ("weight", 0, "weight"),
        ("tags", ("a,b",), "tags"),
        ("expires_at_s", 5.0, "expires_at_s"),
        ("expires_at_s", float("nan"), "expires_at_s"),
        ("expires_at_s", 1e12, "expires_at_s"),
        ("models", ("grok-9",), "models"),
        ("networks", ("10.0.0.0/33",), "networks"),
        ("networks", ("localhost",), "networks"),
        ("requests_per_minute", -1, "requests_per_minute"),
        ("week", Budget(tokens=-5), "week.tokens"),
        ("networks", tuple(f"10.0.{n}.0/24" for n in range(101)), "networks"),
    ],
)
async def test_value_that_does_not_hold_changes_nothing(
    desk: ClientKeys, field: str, value: Any, param: str
) -> None:
    made, _ = await desk.create("team")

    with pytest.raises(InvalidRequestError) as caught:
        await desk.edit("team", KeyChanges(**{"concurrency": 5, field: value}))

    assert caught.value.param == param
    assert await desk.list() == [made]


async def test_key_of_the_settings_is_changed_there(desk: ClientKeys) -> None:
    with pytest.raises(NotFoundError, match="api_key"):
        await desk.edit("configured", KeyChanges(weight=2))
    with pytest.raises(NotFoundError):
        await desk.edit("nobody", KeyChanges(weight=2))
