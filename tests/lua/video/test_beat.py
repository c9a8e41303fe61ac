from tests.lua.video.conftest import ONE, TTL_S, ending


async def test_a_beat_renews_the_claim(videos):
    job = await videos.start()
    for _ in range(3):
        videos.wait(TTL_S - 0.1)
        assert await videos.beat(job) == "Going"

    assert await videos.store.claim(ttl_s=TTL_S) is None


async def test_progress_is_shown_and_never_falls(videos):
    job = await videos.start("polling")
    await videos.beat(job, 40)
    await videos.beat(job, 30)

    assert (await videos.look()).percent == 40


async def test_a_cancelled_job_is_unwanted(videos):
    job = await videos.start("submitted")
    await videos.cancel()

    assert await videos.beat(job) == "Unwanted"


async def test_who_was_too_slow_has_lost_the_job(videos):
    slow = await videos.start("polling")
    videos.wait(TTL_S)
    quick = await videos.claim()

    assert await videos.beat(slow, 90) == "Lost"
    assert await videos.beat(quick) == "Going"
    assert (await videos.look()).percent == 0


async def test_a_late_beat_counts_when_nobody_else_came(videos):
    job = await videos.start("submitted")
    videos.wait(TTL_S + 5)

    assert await videos.beat(job) == "Going"
    assert await videos.store.claim(ttl_s=TTL_S) is None


async def test_an_ended_or_forgotten_job_is_lost(videos):
    job = await videos.start("storing")
    await videos.finish(job, ending())
    assert await videos.beat(job) == "Lost"

    await videos.delete(ONE)

    assert await videos.beat(job) == "Lost"
