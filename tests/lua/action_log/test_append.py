from grok2api.domain.action import AdminAction
from grok2api.store import usage_keys
from grok2api.store.action_log import ActionLogStore
from grok2api.store.connection import RedisClient


async def test_no_more_actions_are_kept_than_the_most(redis: RedisClient) -> None:
    store = ActionLogStore(redis, max_entries=3)
    for number in range(5):
        await store.append(AdminAction(actor="admin", action=f"a{number}"))

    found = await store.read("", 10)

    assert [entry.action.action for entry in found] == ["a4", "a3", "a2"]
    assert await redis.execute_command("XLEN", usage_keys.action_log()) == 3


async def test_action_has_the_time_of_the_store(redis: RedisClient) -> None:
    store = ActionLogStore(redis, max_entries=3)
    action = AdminAction(
        actor="admin", action="account.delete", target="acc_1", client="192.0.2.1", detail="x"
    )
    seconds, _ = await redis.execute_command("TIME")

    place = await store.append(action)

    (entry,) = await store.read("", 10)
    assert (entry.place, entry.action) == (place, action)
    assert entry.at_s >= int(seconds)
