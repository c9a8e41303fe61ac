from grok2api.store.media_replies import StaleEpoch
from tests.lua.media.conftest import IMAGE, sighting


async def unseen(media, before_ms):
    found = await media.upkeep.list_unseen(IMAGE, before_ms=before_ms, limit=100, epoch=media.epoch)
    return [item.id.lstrip("0") for item in found]


async def test_what_the_index_does_not_know_like_this_is_a_stranger(media):
    await media.put("a", "b", "c")
    found = [
        sighting("a"),
        sighting("b", copy=2),
        sighting("c", size=11),
        sighting("d"),
    ]
    now_ms = media.index.now_ms

    strangers = await media.upkeep.note_seen(IMAGE, found, seen_ms=now_ms, epoch=media.epoch)

    assert strangers == found[1:]
    assert await unseen(media, now_ms) == ["b", "c"]


async def test_a_slow_leader_does_not_turn_time_back(media):
    await media.put("a")
    now_ms = media.index.now_ms
    for seen_ms in (now_ms, now_ms - 5000):
        seen = [sighting("a")]
        assert not await media.upkeep.note_seen(IMAGE, seen, seen_ms=seen_ms, epoch=media.epoch)

    assert await unseen(media, now_ms) == []


async def test_leaders_of_the_past_note_nothing(media):
    await media.put("a")
    past, now_ms = media.epoch, media.index.now_ms
    await media.elect("second")

    reply = await media.upkeep.note_seen(IMAGE, [sighting("a")], seen_ms=now_ms, epoch=past)

    assert reply == StaleEpoch()
    assert await unseen(media, now_ms) == ["a"]
