"""What administrators did can be read again, page by page, and holds no secret."""

import pytest

from grok2api.clock import SystemClock
from grok2api.domain.action import AdminAction
from grok2api.errors import InvalidRequestError
from grok2api.services.action_log import MAX_TARGETS, ActionLog, name_targets
from grok2api.services.refused_logins import BURST, EVERY_S, RefusedLogins
from grok2api.store import usage_keys
from grok2api.store.action_log import ActionLogStore
from grok2api.store.connection import RedisClient
from grok2api.telemetry.redaction import redact_text


class HandClock(SystemClock):
    """Stands still unless a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic_s(self) -> float:
        return self.now


@pytest.fixture
def actions(redis: RedisClient) -> ActionLog:
    return ActionLog(ActionLogStore(redis, max_entries=100))


async def test_pages_hold_every_action_once_also_when_more_come(actions: ActionLog) -> None:
    for number in range(6):
        await actions.note(AdminAction(actor="admin", action=f"a{number}"))
    seen, cursor = [], ""
    while True:
        page = await actions.page(cursor=cursor, limit=2)
        seen += [entry.action.action for entry in page.items]
        cursor = page.next_cursor
        if not cursor:
            break
        await actions.note(AdminAction(actor="admin", action="newer"))

    assert seen == [f"a{number}" for number in reversed(range(6))]


async def test_who_what_and_from_where_are_kept(actions: ActionLog) -> None:
    said = AdminAction(
        actor="admin",
        action="account.delete",
        target="acc_1",
        client="192.0.2.9",
        detail="of 3 accounts",
        outcome="account_not_found",
    )

    await actions.note(said)

    (entry,) = (await actions.page()).items
    assert entry.action == said


async def test_secret_in_a_detail_is_not_kept(actions: ActionLog, redis: RedisClient) -> None:
    secret = "sk-abcdefghijklmnop1234567890"

    await actions.note(
        AdminAction(
            actor=secret,
            action="key.create",
            target=secret,
            detail=f"cookie sso={secret} {secret}",
        )
    )

    stored = await redis.execute_command("XRANGE", usage_keys.action_log(), "-", "+")
    assert secret.encode() not in stored[0][1][b"record"]
    assert b"abcdefgh" not in stored[0][1][b"record"]


async def test_cursor_of_nobody_is_refused(actions: ActionLog) -> None:
    with pytest.raises(InvalidRequestError):
        await actions.page(cursor="+")


def test_targets_are_named_once_and_no_more_than_some() -> None:
    ids = [f"acc_{number:020}" for number in range(MAX_TARGETS + 3)]

    assert name_targets(["b", "a", "b"]) == "b, a"
    assert name_targets([*ids, *ids]) == ", ".join(ids[:MAX_TARGETS]) + " and 3 more"
    assert redact_text(name_targets(ids)) == name_targets(ids)


async def test_flood_of_refused_logins_leaves_room_and_is_counted(
    actions: ActionLog,
) -> None:
    clock = HandClock()
    logins = RefusedLogins(actions, clock)
    for _ in range(BURST + 5):
        await logins.note("192.0.2.9", "authentication_error")
    clock.now += EVERY_S
    await logins.note("192.0.2.9", "too_many_attempts")

    said = [entry.action for entry in (await actions.page()).items]
    assert len(said) == BURST + 1
    assert {one.actor for one in said} == {"unknown"}
    assert (said[0].outcome, said[0].detail) == (
        "too_many_attempts",
        "5 more were refused before this one",
    )
