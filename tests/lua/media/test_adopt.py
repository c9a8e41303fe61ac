from grok2api.store.media_replies import Adopted, Known, Pending, StaleEpoch, Useless
from tests.lua.media.conftest import AGAIN_S, IMAGE, PNG, id_of, place_of, sighting


async def adopt(media, found):
    return await media.upkeep.adopt(found, epoch=media.epoch)


async def test_after_a_loss_of_the_index_an_object_is_kept_as_before(media):
    found = sighting("a", size=7)

    assert await adopt(media, found) == Adopted()
    assert await adopt(media, found) == Known()

    kept = await media.find("a")
    assert (kept.id, kept.place, kept.media_type) == (id_of("a"), place_of("a"), PNG)
    assert (kept.size_bytes, kept.created_at_s) == (7, found.written_at_s)
    assert await media.numbers() == (1, 7, 0)


async def test_what_is_being_written_is_left_alone(media):
    await media.reserve("a")

    assert await adopt(media, sighting("a")) == Pending()
    assert await media.numbers() == (0, 0, 10)


async def test_what_is_about_to_be_removed_does_not_come_back(media):
    await media.put("a")
    await media.index.remove(IMAGE, id_of("a"))

    assert await adopt(media, sighting("a")) == Pending()
    assert await media.names() == []


async def test_a_second_copy_is_useless(media):
    await media.put("a")

    assert await adopt(media, sighting("a", copy=2)) == Useless()
    assert await media.numbers() == (1, 10, 0)
    media.wait(AGAIN_S)
    assert await media.ended() == [place_of("a", 2)]


async def test_an_object_that_is_not_whole_is_useless(media):
    await media.put("a")

    assert await adopt(media, sighting("a", size=9)) == Useless()
    assert await media.numbers() == (0, 0, 0)
    media.wait(AGAIN_S)
    assert await media.ended() == [place_of("a")]


async def test_leaders_of_the_past_adopt_nothing(media):
    past = media.epoch
    await media.elect("second")

    assert await media.upkeep.adopt(sighting("a"), epoch=past) == StaleEpoch()
    assert await media.names() == []
