from tests.lua.media.conftest import AGAIN_S, IMAGE, id_of, place_of


async def test_one_object_goes_and_the_others_stay(media):
    await media.put("a", "b")

    assert await media.index.remove(IMAGE, id_of("a")) == place_of("a")
    assert await media.index.remove(IMAGE, id_of("a")) is None

    assert await media.names() == ["b"]
    assert await media.numbers() == (1, 10, 0)
    media.wait(AGAIN_S)
    assert await media.ended() == [place_of("a")], "if the remover dies before he removes it"


async def test_what_was_kept_anew_elsewhere_stays(media):
    await media.put("a")

    assert await media.index.remove(IMAGE, id_of("a"), place=place_of("a", 2)) is None
    assert await media.names() == ["a"]
    assert await media.index.remove(IMAGE, id_of("a"), place=place_of("a")) == place_of("a")
