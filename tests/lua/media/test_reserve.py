import pytest

from grok2api.store.media_replies import Full, Reserved, TooLarge
from tests.lua.media.conftest import place_of


async def test_room_is_taken_before_anything_is_written(media):
    assert await media.reserve("a", size=7) == Reserved()

    assert await media.numbers() == (0, 0, 7)
    assert await media.find("a") is None


async def test_content_that_is_kept_is_found_and_counts_as_used(media):
    await media.put("a")
    media.wait(100)

    found = await media.reserve("a", copy=2)

    assert found.place == place_of("a")
    assert found.used_at_s == media.index.now_ms / 1000
    assert await media.numbers() == (1, 10, 0)


@pytest.mark.parametrize(("size", "expected"), [(50, Reserved()), (51, Full())])
async def test_a_quarter_more_than_the_limit_is_let_in(media, size, expected):
    await media.put("a", size=65)
    await media.reserve("b", size=10)

    assert await media.reserve("c", size=size, limit=100) == expected

    assert (await media.numbers())[2] == (60 if expected == Reserved() else 10)


@pytest.mark.parametrize(("size", "expected"), [(100, Reserved()), (101, TooLarge())])
async def test_an_object_over_the_whole_limit_is_not_let_in(media, size, expected):
    assert await media.reserve("a", size=size, limit=100) == expected

    assert (await media.numbers())[2] == (100 if expected == Reserved() else 0)


async def test_without_a_limit_everything_is_let_in(media):
    for name in "abc":
        assert await media.reserve(name, size=10**12) == Reserved()

    assert await media.numbers() == (0, 0, 3 * 10**12)
