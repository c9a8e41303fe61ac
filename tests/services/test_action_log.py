"""What administrators did can be read again, page by page, and holds no secret."""

import pytest

from grok2api.errors import InvalidRequestError
from grok2api.services.action_log import ActionLog
from grok2api.store import usage_keys
from grok2api.store.action_log import ActionLogStore
from grok2api.store.connection import RedisClient


@pytest.fixture
def actions(redis: RedisClient) -> ActionLog:
    return ActionLog(ActionLogStore(redis, max_entries=100))


async def test_pages_hold_every_action_once_also_when_more_come(actions: ActionLog) -> None:
    for number in range(6):
        await actions.note("admin", f"a{number}")
    seen, cursor = [], ""
    while True:
        page = await actions.page(cursor=cursor, limit=2)
        seen += [entry.action.action for entry in page.items]
        cursor = page.next_cursor
        if not cursor:
            break
        await actions.note("admin", "newer")

    assert seen == [f"a{number}" for number in reversed(range(6))]


async def test_who_what_and_from_where_are_kept(actions: ActionLog) -> None:
    await actions.note("admin", "account.delete", "acc_1", "192.0.2.9", "of 3 accounts")

    (entry,) = (await actions.page()).items

    said = entry.action
    assert (said.actor, said.action, said.target) == ("admin", "account.delete", "acc_1")
    assert (said.client, said.detail) == ("192.0.2.9", "of 3 accounts")


async def test_secret_in_a_detail_is_not_kept(actions: ActionLog, redis: RedisClient) -> None:
    secret = "sk-abcdefghijklmnop1234567890"

    await actions.note(secret, "key.create", secret, "192.0.2.9", f"cookie sso={secret} {secret}")

    stored = await redis.execute_command("XRANGE", usage_keys.action_log(), "-", "+")
    assert secret.encode() not in stored[0][1][b"record"]
    assert b"abcdefgh" not in stored[0][1][b"record"]


async def test_cursor_of_nobody_is_refused(actions: ActionLog) -> None:
    with pytest.raises(InvalidRequestError):
        await actions.page(cursor="+")
