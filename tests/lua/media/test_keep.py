from tests.lua.media.conftest import AGAIN_S, PNG, WRITE_S, id_of, place_of


async def test_what_is_written_is_kept_with_all_that_is_known(media):
    await media.reserve("a", size=7)

    kept = await media.keep("a")

    assert kept == await media.find("a")
    assert (kept.id, kept.place, kept.media_type) == (id_of("a"), place_of("a"), PNG)
    assert (kept.size_bytes, kept.created_at_s) == (7, media.index.now_ms / 1000)
    assert await media.numbers() == (1, 7, 0)
    media.wait(WRITE_S)
    assert await media.ended() == []


async def test_of_two_with_the_same_content_the_first_is_kept(media):
    await media.reserve("a", 1)
    await media.reserve("a", 2)
    first = await media.keep("a", 2)

    second = await media.keep("a", 1)

    assert second == first
    assert await media.numbers() == (1, 10, 0)
    media.wait(AGAIN_S)
    assert await media.ended() == [place_of("a", 1)], "if the loser dies before he removes it"


async def test_keeping_twice_is_keeping_once(media):
    await media.put("a")

    again = await media.keep("a")

    assert again.place == place_of("a")
    assert await media.numbers() == (1, 10, 0)


async def test_nothing_is_kept_without_room(media):
    assert await media.keep("a") is None
    assert await media.numbers() == (0, 0, 0)


async def test_what_came_too_late_is_not_kept(media):
    await media.reserve("a")
    media.wait(WRITE_S)
    assert await media.ended() == [place_of("a")]

    assert await media.keep("a") is None

    media.wait(AGAIN_S)
    assert await media.ended() == [place_of("a")]
