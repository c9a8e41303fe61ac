"""Import, keys and the first start on a real store."""

import asyncio

import msgspec
import pytest

from grok2api.clock import SystemClock
from grok2api.domain.account import MEDIA_MODES, Mode, Tier
from grok2api.domain.catalogue import CATALOGUE
from grok2api.errors import AuthenticationError, ModelNotFoundError, SettingsError
from grok2api.services.accounts import Accounts
from grok2api.services.client_keys import ClientKeys
from grok2api.services.imports import mask_session
from grok2api.services.models import ModelCatalog
from grok2api.services.setup import Setup
from grok2api.store.client_keys import ClientKeyStore
from grok2api.store.connection import RedisClient
from grok2api.store.setup import SetupStore
from tests.services.conftest import Bench

PICTURES = {
    "grok-imagine-image-lite": (Mode.FAST,),
    "grok-imagine-image-pro": (Mode.IMAGE_PRO,),
    "grok-imagine-image-edit": (Mode.IMAGE_EDIT,),
}


@pytest.fixture
def accounts(bench: Bench) -> Accounts:
    return Accounts(bench.store, bench.providers, SystemClock())


@pytest.fixture
def keys(redis: RedisClient) -> ClientKeys:
    return ClientKeys(
        ClientKeyStore(redis), SystemClock(), configured=("sk-from-the-settings-file",)
    )


async def test_import_says_what_was_new_known_and_refused(accounts: Accounts) -> None:
    progress: list[tuple[int, int]] = []

    first = await accounts.import_text("one\nbad\ntwo")
    again = await accounts.import_text(
        "two\nthree", on_progress=lambda done, total: progress.append((done, total))
    )

    assert (len(first.added), len(first.known)) == (2, 0)
    assert [(r.line, r.why) for r in first.refused] == [(2, "is bad")]
    assert (len(again.added), len(again.known)) == (1, 1)
    assert progress == [(2, 2)]
    assert len([a async for a in accounts.list()]) == 3


async def test_import_again_changes_nothing_of_a_known_account(accounts: Accounts) -> None:
    await accounts.import_text("one", tier=Tier.HEAVY)

    await accounts.import_text("one", tier=Tier.BASIC)

    assert [a.pool.tier async for a in accounts.list()] == [Tier.HEAVY]


async def test_removed_account_is_gone(accounts: Accounts) -> None:
    report = await accounts.import_text("one\ntwo")

    removed = await accounts.remove([report.added[0], report.added[0]])

    assert removed == 1
    assert [a.id async for a in accounts.list()] == [report.added[1]]


async def test_models_are_listed_by_the_tiers_there_are(accounts: Accounts, bench: Bench) -> None:
    catalog = ModelCatalog(bench.store, aliases={"claude-x": "grok-chat-fast"})
    assert await catalog.available() == []

    await accounts.import_text("one", tier=Tier.BASIC)
    basic = {m.name for m in await catalog.available()}
    await accounts.import_text("two", tier=Tier.HEAVY)
    heavy = {m.name for m in await catalog.available()}

    assert "grok-chat-fast" in basic
    assert "grok-chat-expert" not in basic
    assert {"grok-chat-fast", "grok-chat-expert", "grok-chat-heavy"} <= heavy
    assert "claude-x" in basic
    assert catalog.resolve("claude-x").model.name == "grok-chat-fast"


async def test_models_are_listed_whose_mode_a_tier_has(accounts: Accounts, bench: Bench) -> None:
    only_video = [m for m in CATALOGUE if m.name == "grok-imagine-video"]
    small = [msgspec.structs.replace(m, mode=Mode.VIDEO) for m in only_video]
    await accounts.import_text("one", tier=Tier.BASIC)

    assert await ModelCatalog(bench.store, models=only_video).available() == only_video
    assert await ModelCatalog(bench.store, models=small).available() == []
    media = {m.name for m in await ModelCatalog(bench.store).available() if m.mode in MEDIA_MODES}
    assert media == {m.name for m in CATALOGUE if m.mode in MEDIA_MODES}

    await accounts.import_text("two", tier=Tier.SUPER)
    assert await ModelCatalog(bench.store, models=small).available() == small


async def test_models_of_pictures_and_videos_have_one_mode(bench: Bench) -> None:
    catalog = ModelCatalog(bench.store)

    modes = {name: catalog.resolve(name).modes for name in (*PICTURES, "grok-imagine-video")}

    assert modes == PICTURES | {"grok-imagine-video": (Mode.VIDEO_720P,)}


async def test_alias_is_listed_when_its_model_can_be_served(
    accounts: Accounts, bench: Bench
) -> None:
    aliases = {"claude-big": "grok-chat-heavy", "claude-*": "grok-chat-fast"}
    catalog = ModelCatalog(bench.store, aliases=aliases)
    await accounts.import_text("one", tier=Tier.BASIC)
    basic = {m.name for m in await catalog.available()}
    await accounts.import_text("two", tier=Tier.HEAVY)
    heavy = {m.name for m in await catalog.available()}

    assert "claude-big" not in basic
    assert "claude-big" in heavy
    assert "claude-*" not in heavy


def test_alias_with_a_star_stands_for_all_names_that_begin_so(bench: Bench) -> None:
    aliases = {
        "claude-*": "grok-chat-fast",
        "claude-opus-*": "grok-chat-expert",
        "claude-opus-4": "grok-chat-heavy",
        "grok-*": "grok-chat-auto",
    }
    catalog = ModelCatalog(bench.store, aliases=aliases)

    served = {
        name: catalog.resolve(name).model.name
        for name in ("claude-haiku", "claude-opus-5", "claude-opus-4", "grok-4", "grok-9")
    }

    assert served == {
        "claude-haiku": "grok-chat-fast",
        "claude-opus-5": "grok-chat-expert",
        "claude-opus-4": "grok-chat-heavy",
        "grok-4": "grok-4",
        "grok-9": "grok-chat-auto",
    }
    with pytest.raises(ModelNotFoundError):
        catalog.resolve("gpt-4")


def test_alias_of_nothing_stops_the_start(bench: Bench) -> None:
    with pytest.raises(SettingsError, match="grok-nothing"):
        ModelCatalog(bench.store, aliases={"claude-x": "grok-nothing"})


@pytest.mark.parametrize("session", ["", "short", "x" * 23])
def test_mask_of_a_short_session_shows_nothing(session: str) -> None:
    assert mask_session(session) == "…"


async def test_key_is_good_until_it_is_revoked(keys: ClientKeys) -> None:
    record, plain = await keys.create("laptop")

    admitted = await keys.admit(plain)
    assert admitted is not None
    assert admitted.id == record.id
    assert plain not in repr(await keys.list())

    assert await keys.revoke("laptop") == 1
    with pytest.raises(AuthenticationError):
        await keys.admit(plain)


@pytest.mark.parametrize("wrong", [None, "", "sk-nope", "ключ", "\ud800", "x" * 5000])
async def test_wrong_key_is_refused(keys: ClientKeys, wrong: str | None) -> None:
    await keys.create("laptop")

    with pytest.raises(AuthenticationError):
        await keys.admit(wrong)


async def test_key_of_the_settings_is_good(keys: ClientKeys) -> None:
    admitted = await keys.admit("sk-from-the-settings-file")

    assert admitted is not None
    assert admitted.name == "configured"


async def test_replace_leaves_one_key_of_that_name(keys: ClientKeys) -> None:
    _, old = await keys.replace("demo")
    _, new = await keys.replace("demo")

    with pytest.raises(AuthenticationError):
        await keys.admit(old)
    assert await keys.admit(new) is not None
    assert [k.name for k in await keys.list()] == ["demo"]


async def test_own_password_of_the_operator_is_never_shown(
    redis: RedisClient, keys: ClientKeys
) -> None:
    setup = Setup(SetupStore(redis), keys, password="correct horse")

    first = await setup.ensure_credentials()

    assert first is not None
    assert first.admin_password == ""


async def test_first_credentials_are_made_once_by_racing_hosts(
    redis: RedisClient, keys: ClientKeys
) -> None:
    setups = [Setup(SetupStore(redis), keys) for _ in range(4)]

    made = await asyncio.gather(*(setup.ensure_credentials() for setup in setups))

    (first,) = [credentials for credentials in made if credentials is not None]
    assert await keys.admit(first.client_key) is not None
    assert len(first.admin_password) >= 12
    assert await setups[0].ensure_credentials() is None
    assert len(await keys.list()) == 1
