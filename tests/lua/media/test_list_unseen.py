from tests.lua.media.conftest import IMAGE, sighting


async def test_what_was_not_seen_for_longest_comes_first(media):
    await media.put(*"abc")
    now_ms = media.index.now_ms
    await media.upkeep.note_seen(IMAGE, [sighting("a")], seen_ms=now_ms, epoch=media.epoch)
    await media.put("d")

    found = await media.upkeep.list_unseen(IMAGE, before_ms=now_ms, limit=100)
    first = await media.upkeep.list_unseen(IMAGE, before_ms=now_ms, limit=1)

    assert [item.id.lstrip("0") for item in found] == ["b", "c"]
    assert first == found[:1]
    assert found[0] == await media.find("b")


async def test_there_may_be_nothing(media):
    assert await media.upkeep.list_unseen(IMAGE, before_ms=1, limit=9) == ()
