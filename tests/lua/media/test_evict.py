import pytest

from grok2api.store.media_replies import StaleEpoch
from tests.lua.media.conftest import AGAIN_S, IMAGE, place_of


async def test_up_to_the_limit_nothing_goes(media):
    await media.put(*"abc")

    assert await media.evict(30, 0) == []
    assert await media.evict(None, 0) == []
    assert await media.numbers() == (3, 30, 0)


async def test_over_the_limit_the_longest_unused_go_down_to_the_target(media):
    await media.put(*"abcd")
    media.wait(100)
    await media.find("a")

    assert await media.evict(39, 20) == [place_of("b"), place_of("c")]
    assert await media.names() == ["d", "a"]
    assert await media.numbers() == (2, 20, 0)


async def test_what_comes_counts(media):
    await media.put(*"abc")
    await media.reserve("d", size=15)

    assert await media.evict(40, 25) == [place_of("a"), place_of("b")]


async def test_what_was_idle_for_too_long_goes_below_the_limit_too(media):
    await media.put("a", "b")
    media.wait(1000)
    await media.put("c")
    await media.find("b")

    assert await media.evict(10**6, 0, idle_s=1000) == [place_of("a")]
    assert await media.evict(10**6, 0, idle_s=1000) == []


async def test_no_more_go_at_once_than_asked_for(media):
    await media.put(*"abcd")

    assert await media.evict(0, 0, most=3) == [place_of(name) for name in "abc"]
    assert not media.is_done
    assert await media.evict(0, 0, most=3) == [place_of("d")]
    assert media.is_done


@pytest.mark.parametrize(("limit", "target", "is_done"), [(39, 20, True), (39, 19, False)])
async def test_it_is_done_at_the_target(media, limit, target, is_done):
    await media.put(*"abcd")

    assert len(await media.evict(limit, target, most=2)) == 2
    assert media.is_done is is_done


async def test_what_only_comes_cannot_go(media):
    await media.reserve("a", size=50)

    assert await media.evict(40, 20) == []
    assert media.is_done


async def test_everything_can_go_empty_objects_too(media):
    await media.put("a", size=0)

    assert await media.evict(0, 0) == []
    assert await media.index.take_out(IMAGE) == [place_of("a")]
    assert await media.index.take_out(IMAGE) == []
    assert await media.names() == []


async def test_the_leader_removes_what_nobody_has_removed(media):
    await media.put("a", "b")
    await media.evict(0, 0)
    await media.index.drop(IMAGE, [place_of("a")])
    assert await media.ended() == []
    media.wait(AGAIN_S)

    assert await media.ended() == [place_of("b")]


@pytest.mark.parametrize("epoch", [0, 1])
async def test_leaders_of_the_past_evict_nothing(media, epoch):
    """0 is no leader's work: somebody needs room now."""
    await media.put("a")
    await media.elect("second")
    media.epoch = epoch

    assert await media.evict(0, 0) == ([place_of("a")] if epoch == 0 else StaleEpoch())
    assert await media.names() == ([] if epoch == 0 else ["a"])
