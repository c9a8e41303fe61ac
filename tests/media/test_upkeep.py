"""What the leader does: limits are held, and whatever is lost, index and store agree again."""

import pytest

from grok2api.domain.ids import MediaId
from grok2api.domain.media import MediaKind, MediaPlace, build_place
from grok2api.services.media_upkeep import INPUT_IDLE_S, YOUNG_S
from grok2api.store import keys
from grok2api.store.connection import RedisClient
from grok2api.store.media import MAX_AT_ONCE
from grok2api.store.media_replies import Reserved
from grok2api.store.media_upkeep import Sighting
from tests.media.conftest import IMAGE, INPUT, MB, VIDEO, MediaBench, contents

ONE = MediaId("1" * 32)


async def lose_index(redis: RedisClient) -> None:
    for kind in MediaKind:
        for key in keys.media_state(kind).values():
            await redis.execute_command("DEL", key)


async def test_over_the_limit_the_longest_unused_go_down_to_low_water(bench: MediaBench) -> None:
    kept = [
        await bench.library.put(IMAGE, content, "image/png") for content in contents(11, 100_000)
    ]
    bench.index.now_ms = round(kept[-1].used_at_s * 1000) + 3_600_000
    await bench.library.find(IMAGE, kept[0].id)

    assert await bench.upkeep.clean(bench.epoch)

    assert {media.id for media in await bench.listed()} == {
        media.id for media in (kept[0], *kept[-5:])
    }
    assert (await bench.usage()).size_bytes <= 0.6 * MB
    await bench.assert_exact()


async def test_low_water_is_reached_however_many_have_to_go(
    folder_bench: MediaBench,
) -> None:
    size, low_water = 500, int(0.6 * MB)
    await folder_bench.fill_index(2500, size)

    assert await folder_bench.upkeep.clean(folder_bench.epoch)

    assert 2500 - low_water // size > MAX_AT_ONCE
    assert (await folder_bench.usage()).size_bytes == low_water // size * size


async def test_up_to_the_limit_and_without_one_nothing_goes(bench: MediaBench) -> None:
    for kind, count in ((IMAGE, 10), (VIDEO, 30)):
        for content in contents(count, 100_000):
            await bench.library.put(kind, content, "image/png")

    await bench.settle()

    assert (await bench.usage()).count == 10
    assert (await bench.usage(VIDEO)).count == 30
    await bench.assert_exact()


async def test_inputs_whose_job_is_lost_go_after_a_day(bench: MediaBench) -> None:
    media = await bench.library.put(INPUT, b"picture", "image/png")
    for idle_s, count in ((INPUT_IDLE_S - 1, 1), (INPUT_IDLE_S, 0)):
        bench.index.now_ms = round((media.used_at_s + idle_s) * 1000)
        assert await bench.upkeep.clean(bench.epoch)
        assert (await bench.usage(INPUT)).count == count
    await bench.assert_exact()


async def test_a_lost_index_comes_back_from_the_store(
    bench: MediaBench, redis: RedisClient
) -> None:
    kept = [
        await bench.library.put(kind, content, media_type)
        for kind, media_type in ((IMAGE, "image/jpeg"), (VIDEO, "video/mp4"))
        for content in contents(5, 1000)
    ]
    before = await bench.library.usage()
    await lose_index(redis)
    assert await bench.library.find(IMAGE, kept[0].id) is None

    bench.age(YOUNG_S + 10)
    assert await bench.upkeep.reconcile(bench.epoch)

    assert await bench.library.usage() == before
    for media in kept:
        found = await bench.library.find(media.kind, media.id)
        assert found is not None
        assert (found.place, found.media_type) == (media.place, media.media_type)
        assert found.created_at_s == pytest.approx(media.created_at_s, abs=5)
        assert await bench.read(found) == await bench.read(media)
    await bench.assert_exact()


async def test_young_objects_are_left_to_their_writers(
    bench: MediaBench, redis: RedisClient
) -> None:
    await bench.library.put(IMAGE, b"picture", "image/png")
    await lose_index(redis)

    assert await bench.upkeep.reconcile(bench.epoch)

    assert await bench.listed() == []
    assert len(await bench.stored()) == 1


async def test_an_index_that_is_lost_while_something_is_put_again_keeps_one_copy(
    bench: MediaBench, redis: RedisClient
) -> None:
    first = await bench.library.put(IMAGE, b"picture", "image/png")
    await lose_index(redis)
    second = await bench.library.put(IMAGE, b"picture", "image/png")
    assert len(await bench.stored()) == 2

    await bench.settle()

    assert list(await bench.stored()) == [second.place]
    assert second.place != first.place
    await bench.assert_exact()


async def test_lost_bytes_are_forgotten(bench: MediaBench) -> None:
    kept = [await bench.library.put(IMAGE, content, "image/png") for content in contents(5, 10)]
    await bench.objects.delete([kept[1].place, kept[3].place])

    await bench.settle()

    listed = await bench.listed()
    assert {media.id for media in listed} == {kept[n].id for n in (0, 2, 4)}
    await bench.assert_exact()


async def test_what_a_dead_writer_left_is_removed_when_his_time_is_over(
    bench: MediaBench,
) -> None:
    place = build_place(IMAGE, ONE, "image/png", "00000000")
    reply = await bench.index.reserve(
        IMAGE, ONE, place, size_bytes=7, limit_bytes=None, write_s=100
    )
    assert reply == Reserved()
    await bench.objects.put(place, b"picture")
    bench.age(99)
    assert await bench.upkeep.clean(bench.epoch)
    assert await bench.upkeep.reconcile(bench.epoch)
    assert list(await bench.stored()) == [place]

    bench.age(101)
    assert await bench.upkeep.clean(bench.epoch)

    await bench.assert_exact()
    assert await bench.stored() == {}


async def test_what_dies_between_index_and_store_does_not_come_back(bench: MediaBench) -> None:
    """Somebody took objects out of the index and died."""
    for content in contents(3, 10):
        await bench.library.put(IMAGE, content, "image/png")
    await bench.index.take_out(IMAGE)

    assert await bench.upkeep.reconcile(bench.epoch)
    assert await bench.listed() == []
    await bench.settle()

    assert await bench.stored() == {}
    await bench.assert_exact()


async def test_what_is_removed_while_it_is_listed_does_not_come_back(bench: MediaBench) -> None:
    place = build_place(IMAGE, ONE, "image/png", "00000000")
    seen = Sighting(place, MediaPlace(IMAGE, ONE, "image/png"), 7, 1.0)

    await bench.upkeep._judge(IMAGE, [seen], bench.epoch)

    assert await bench.listed() == []
    await bench.assert_exact()


async def test_an_object_that_is_not_whole_goes(bench: MediaBench) -> None:
    place = build_place(IMAGE, ONE, "image/png", "00000000")
    await bench.index.reserve(IMAGE, ONE, place, size_bytes=8, limit_bytes=None, write_s=100)
    await bench.objects.put(place, b"picture")
    await bench.index.keep(IMAGE, ONE, place, "image/png")

    await bench.settle()

    assert await bench.stored() == {}
    await bench.assert_exact()


async def test_files_of_others_are_left_alone(folder_bench: MediaBench) -> None:
    await folder_bench.library.put(IMAGE, b"picture", "image/png")
    foreign = folder_bench.folder / "image" / "notes.txt"
    foreign.write_text("mine")

    await folder_bench.settle()

    assert foreign.read_text() == "mine"
    assert (await folder_bench.usage()).count == 1


async def test_a_listing_of_several_pages_is_walked_whole(folder_bench: MediaBench) -> None:
    for number in range(2500):
        place = build_place(IMAGE, MediaId(f"{number:032x}"), "image/png", "00000000")
        path = folder_bench.folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * (number % 7))

    folder_bench.age(YOUNG_S + 10)
    assert await folder_bench.upkeep.reconcile(folder_bench.epoch)
    assert (await folder_bench.usage()).count == 2500
    await folder_bench.assert_exact()

    for path in (folder_bench.folder / "image").rglob("*.png"):
        path.unlink()
    await folder_bench.settle()
    assert (await folder_bench.usage()).count == 0
    await folder_bench.assert_exact()


async def test_a_leader_of_the_past_changes_nothing(bench: MediaBench, redis: RedisClient) -> None:
    for content in contents(11, 100_000):
        await bench.library.put(IMAGE, content, "image/png")
    past = bench.epoch
    await bench.leaders.resign("me")
    await bench.elect("other")
    bench.age(86_400)

    assert not await bench.upkeep.clean(past)
    assert (await bench.usage()).count == 11
    await lose_index(redis)
    assert not await bench.upkeep.reconcile(past)
    assert await bench.listed() == []
