from grok2api.store.media_replies import StaleEpoch
from tests.lua.media.conftest import AGAIN_S, IMAGE, WRITE_S, place_of


async def test_room_of_a_writer_who_died_is_free_when_his_time_is_over(media):
    await media.reserve("a")
    media.wait(WRITE_S - 0.001)
    assert await media.ended() == []
    assert await media.numbers() == (0, 0, 10)
    media.wait(0.001)

    assert await media.ended() == [place_of("a")]
    assert await media.numbers() == (0, 0, 0)


async def test_a_place_comes_again_until_it_is_dropped(media):
    await media.reserve("a")
    media.wait(WRITE_S)
    for _ in range(3):
        assert await media.ended() == [place_of("a")]
        assert await media.ended() == []
        media.wait(AGAIN_S)
    await media.index.drop(IMAGE, await media.ended())

    media.wait(AGAIN_S)
    assert await media.ended() == []


async def test_a_limit_leaves_the_rest_for_the_next_call(media):
    for name in "abc":
        await media.reserve(name)
    media.wait(WRITE_S)

    first = await media.upkeep.take_ended(IMAGE, most=2, epoch=media.epoch)

    assert sorted([*first, *await media.ended()]) == [place_of(name) for name in "abc"]


async def test_leaders_of_the_past_take_nothing(media):
    await media.reserve("a")
    media.wait(WRITE_S)
    past = media.epoch
    await media.elect("second")

    reply = await media.upkeep.take_ended(IMAGE, most=9, epoch=past)

    assert reply == StaleEpoch()
    assert await media.numbers() == (0, 0, 10)
