from grok2api.store.media_replies import StaleEpoch
from tests.lua.media.conftest import IMAGE, sighting


async def unseen(media, before_ms, limit=100):
    return await media.upkeep.list_unseen(
        IMAGE, before_ms=before_ms, limit=limit, epoch=media.epoch
    )


async def test_what_was_not_seen_for_longest_comes_first(media):
    await media.put(*"abc")
    now_ms = media.index.now_ms
    await media.upkeep.note_seen(IMAGE, [sighting("a")], seen_ms=now_ms, epoch=media.epoch)
    await media.put("d")

    found = await unseen(media, now_ms)

    assert [item.id.lstrip("0") for item in found] == ["b", "c"]
    assert await unseen(media, now_ms, limit=1) == found[:1]
    assert found[0] == await media.find("b")


async def test_there_may_be_nothing(media):
    assert await unseen(media, 1) == ()


async def test_leaders_of_the_past_are_told_so(media):
    await media.put("a")
    past = media.epoch
    await media.elect("second")
    media.epoch = past

    assert await unseen(media, media.index.now_ms) == StaleEpoch()
