from tests.lua.media.conftest import AGAIN_S, IMAGE, WRITE_S, place_of


async def test_what_is_gone_does_not_come_again(media):
    await media.put("a", "b")
    places = await media.index.take_out(IMAGE)

    await media.index.drop(IMAGE, places[:1])
    await media.index.drop(IMAGE, [])

    media.wait(AGAIN_S)
    assert await media.ended() == places[1:]


async def test_what_is_being_written_is_not_dropped(media):
    await media.reserve("a")

    await media.index.drop(IMAGE, [place_of("a")])

    media.wait(WRITE_S)
    assert await media.ended() == [place_of("a")]
