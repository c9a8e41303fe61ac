from tests.lua.media.conftest import AGAIN_S, IMAGE, place_of


async def test_room_is_free_again_and_what_was_written_is_removed(media):
    await media.reserve("a")

    await media.index.abandon(IMAGE, place_of("a"))

    assert await media.numbers() == (0, 0, 0)
    assert await media.keep("a") is None
    media.wait(AGAIN_S)
    assert await media.ended() == [place_of("a")]


async def test_what_is_kept_cannot_be_abandoned(media):
    await media.put("a")

    await media.index.abandon(IMAGE, place_of("a"))

    assert await media.names() == ["a"]
    media.wait(AGAIN_S)
    assert await media.ended() == []
