"""A client key with tags is served by accounts that have one of them, and by no others."""

import pytest

from grok2api.domain.account import Credentials
from grok2api.domain.client_key import ClientKey
from grok2api.domain.ids import AccountId, ClientKeyId
from grok2api.errors import NoAccountAvailableError
from grok2api.services.dispatch import TurnRecord
from grok2api.store.accounts import NewAccount
from tests.services.conftest import BASIC, Bench, ask
from tests.services.test_dispatch import says


def key(*tags: str) -> ClientKey:
    return ClientKey(ClientKeyId("key_1"), "team", 0.0, tags=tags)


async def add(bench: Bench, session: str, *tags: str) -> None:
    account_id = AccountId(f"acc_{session}")
    await bench.store.save(NewAccount(account_id, BASIC, Credentials(session), "…", tags=tags))


async def test_only_accounts_with_one_of_its_tags_serve_a_key(bench: Bench) -> None:
    for session, tags in (("a", ()), ("b", ("red",)), ("c", ("blue", "green")), ("d", ("grey",))):
        await add(bench, session, *tags)
    bench.script.plays += [says("hi") for _ in range(20)]

    for _ in range(20):
        await bench.chat.complete(ask(), TurnRecord(), key("red", "green"))

    assert set(bench.script.asked) == {"b", "c"}


async def test_key_whose_tag_no_account_has_is_told_so(bench: Bench) -> None:
    await add(bench, "a", "red")

    with pytest.raises(NoAccountAvailableError):
        await bench.chat.complete(ask(), TurnRecord(), key("blue"))

    assert bench.script.asked == []
