"""Video jobs from the question to the kept video, and what becomes of them on the way."""

import asyncio

import pytest

from grok2api.domain.account import Mode
from grok2api.domain.ids import ClientKeyId
from grok2api.domain.media import MediaKind
from grok2api.domain.video import Resolution
from grok2api.errors import (
    ConflictError,
    ContentRejectedError,
    EgressBlockedError,
    ModelNotFoundError,
    NotFoundError,
    RateLimitExceededError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRateLimitError,
    UpstreamUnavailableError,
)
from grok2api.services.video_references import LOADED_AT_ONCE, VideoReferences
from tests.services.videos.bench import MINE, PICTURE, VideoBench, ask, make, picture


def lost() -> UpstreamError:
    error = UpstreamUnavailableError("The connection broke.")
    error.may_be_running = True
    return error


def refused() -> UpstreamError:
    return UpstreamRateLimitError("Too many.", status=429)


async def test_a_job_becomes_a_kept_video(bench: VideoBench) -> None:
    await bench.add("a")
    async with bench.worker() as worker:
        job = await make(worker)
        assert (job.state.value, job.percent) == ("accepted", 0)

        done = await bench.end(job)

        assert (done.state.value, done.percent, done.error_code) == ("done", 100, "")
        media = await worker.videos.references._library.find(MediaKind.VIDEO, done.media or "")
        assert media is not None
        assert (media.media_type, media.size_bytes) == ("video/mp4", len(b"a boat") * 50_000)
        assert done.upstream_url in bench.upstream.content
    assert await bench.used() == (1, 0)
    assert await bench.open_leases() == 0
    assert done.created_at_s <= done.started_at_s <= done.completed_at_s < done.expires_at_s


async def test_a_long_video_is_made_part_by_part_by_one_account(bench: VideoBench) -> None:
    await bench.add("a", "b")
    async with bench.worker() as worker:
        done = await bench.end(await make(worker, segments=(10, 6)))

    assert done.state.value == "done"
    assert [each.part for each in bench.upstream.asked] == [0, 1]
    name = bench.upstream.asked[0].account
    assert {each.account for each in bench.upstream.asked} == {name}
    assert await bench.used(name) == (2, 0)


async def test_the_resolution_says_whose_quota_is_used(bench: VideoBench) -> None:
    await bench.add("a")
    async with bench.worker() as worker:
        await bench.end(await make(worker, resolution=Resolution.P480))

    assert await bench.used(mode=Mode.VIDEO) == (1, 0)
    assert await bench.used(mode=Mode.VIDEO_720P) == (0, 0)


async def test_references_are_sealed_uploaded_and_removed_at_the_end(
    bench: VideoBench,
) -> None:
    await bench.add("a")
    bench.upstream.stop_at("prepare")
    async with bench.worker() as worker:
        job = await make(worker, references=(picture("a"), picture("b")))
        await bench.reach("prepare")
        assert await bench.media(MediaKind.INPUT) == 2
        kept = [p.read_bytes() for p in bench.folder.rglob("*") if p.is_file()]
        assert not any(PICTURE[:50] in content for content in kept)
        bench.upstream.let_go()
        assert (await bench.end(job)).state.value == "done"

    assert bench.upstream.uploads == [("a", PICTURE), ("a", PICTURE)]
    assert [sorted(ids) for ids in bench.upstream.attached] == [["file-1", "file-2"]]
    assert await bench.media(MediaKind.INPUT) == 0


async def test_progress_of_all_parts_is_told_and_followed(bench: VideoBench) -> None:
    await bench.add("a")
    bench.upstream.pause_s = 0.3
    async with bench.worker() as worker:
        job = await make(worker, segments=(6, 6))
        seen = [(j.state.value, j.percent) async for j in worker.videos.follow(MINE, job.id)]

    percents = [percent for _, percent in seen]
    assert percents == sorted(percents)
    assert any(0 < percent < 50 for percent in percents)
    assert any(50 < percent < 100 for percent in percents)
    assert seen[-1] == ("done", 100)


async def test_upscaling_is_asked_once_and_may_fail(bench: VideoBench) -> None:
    await bench.add("a")
    async with bench.worker() as worker:
        first = await bench.end(await make(worker, upscale=True))
        bench.upstream.fail("upscale", UpstreamProtocolError("There is none."))
        second = await bench.end(await make(worker, upscale=True))

    assert first.upstream_url.endswith("/hd")
    assert second.state.value == "done"
    assert not second.upstream_url.endswith("/hd")
    assert len(bench.upstream.upscaled) == 2


@pytest.mark.parametrize("stage", ["upload", "prepare", "submit"])
async def test_an_account_that_is_refused_gives_way_to_another(
    bench: VideoBench, stage: str
) -> None:
    await bench.add("a", "b")
    bench.upstream.fail(stage, refused())
    async with bench.worker() as worker:
        job = await make(worker, references=(picture(),) if stage == "upload" else ())
        assert (await bench.end(job)).state.value == "done"

    assert len(bench.upstream.asked) == 1
    name = bench.upstream.asked[0].account
    other = "a" if name == "b" else "b"
    assert await bench.used(name) == (1, 0)
    assert (await bench.used(other))[1] == 0
    assert (await bench.accounts.look(other)).status.value == "cooling"


async def test_accounts_are_not_tried_without_end(bench: VideoBench) -> None:
    await bench.add("a", "b", "c", "d")
    bench.upstream.fail("submit", *[refused() for _ in range(9)])
    async with bench.worker() as worker:
        failed = await bench.end(await make(worker))

    assert (failed.state.value, failed.error_code) == ("failed", "video_generation_failed")
    assert len(bench.upstream.errors["submit"]) == 6
    assert bench.upstream.asked == []


async def test_what_the_rules_refuse_fails_at_once(bench: VideoBench) -> None:
    await bench.add("a", "b")
    bench.upstream.fail("taken", ContentRejectedError("Not this.", status=200))
    async with bench.worker() as worker:
        failed = await bench.end(await make(worker))

    assert (failed.state.value, failed.error_code) == ("failed", "content_policy_violation")
    assert len(bench.upstream.asked) == 1
    assert await bench.open_leases() == 0


@pytest.mark.parametrize("stage", ["submit", "taken"])
async def test_what_may_be_running_is_not_asked_for_again(bench: VideoBench, stage: str) -> None:
    await bench.add("a", "b")
    bench.upstream.fail(stage, lost())
    async with bench.worker() as worker:
        unknown = await bench.end(await make(worker))

    assert (unknown.state.value, unknown.error_code) == ("unknown", "video_state_unknown")
    assert len(bench.upstream.asked) == (stage == "taken")
    assert sorted([await bench.used("a"), await bench.used("b")]) == [(0, 0), (1, 0)]


@pytest.mark.parametrize("segments", [(6,), (6, 6)])
@pytest.mark.parametrize("stage", ["step", "made"])
async def test_a_lost_answer_is_found_at_the_account(
    bench: VideoBench, stage: str, segments: tuple[int, ...]
) -> None:
    await bench.add("a")
    bench.upstream.fail(stage, lost())
    bench.upstream.fail("download", UpstreamUnavailableError("Not yet.", status=404))
    async with bench.worker() as worker:
        done = await bench.end(await make(worker, segments=segments))

    assert done.state.value == "done"
    assert len(bench.upstream.asked) == len(segments)


async def test_a_lost_answer_without_a_name_is_unknown(bench: VideoBench) -> None:
    await bench.add("a")
    bench.upstream.has_ids = False
    bench.upstream.fail("made", lost())
    async with bench.worker() as worker:
        assert (await bench.end(await make(worker))).state.value == "unknown"


async def test_a_refused_second_part_fails_the_job(bench: VideoBench) -> None:
    await bench.add("a", "b")
    async with bench.worker() as worker:
        bench.upstream.stop_at("made")
        job = await make(worker, segments=(6, 6))
        await bench.reach("made")
        bench.upstream.fail("submit", refused())
        bench.upstream.let_go()
        failed = await bench.end(job)

    assert (failed.state.value, failed.error_code) == ("failed", "video_generation_failed")
    assert len(bench.upstream.asked) == 1


async def test_a_video_that_breaks_off_is_fetched_again(bench: VideoBench) -> None:
    await bench.add("a")
    bench.upstream.fail("chunk", UpstreamUnavailableError("It broke."))
    async with bench.worker() as worker:
        assert (await bench.end(await make(worker))).state.value == "done"

    assert len(bench.upstream.asked) == 1


async def test_a_video_that_cannot_be_fetched_fails_with_its_address(bench: VideoBench) -> None:
    await bench.add("a")
    bench.upstream.fail("download", *[EgressBlockedError("No.") for _ in range(99)])
    async with bench.worker() as worker:
        failed = await bench.end(await make(worker))

    assert (failed.state.value, failed.error_code) == ("failed", "video_download_failed")
    assert failed.upstream_url in bench.upstream.content


async def test_a_store_without_room_is_said_to_be_the_reason(bench: VideoBench) -> None:
    await bench.add("a")
    async with bench.worker(max_mb=1) as worker:
        failed = await bench.end(await make(worker, "x" * 40))

    assert (failed.state.value, failed.error_code) == ("failed", "media_store_unavailable")


async def test_without_any_account_a_job_fails(bench: VideoBench) -> None:
    async with bench.worker() as worker:
        failed = await bench.end(await make(worker))

    assert (failed.state.value, failed.error_code) == ("failed", "no_account_available")


async def test_a_job_waits_while_all_accounts_are_busy(bench: VideoBench) -> None:
    bench.concurrency = 1
    await bench.add("a")
    bench.upstream.stop_at("made")
    async with bench.worker(timeout_s=60.0) as worker:
        first = await make(worker, "one")
        await bench.reach("made")
        second = await make(worker, "two")
        await asyncio.sleep(0.5)  # longer than a request waits in line
        assert (await bench.look(second)).state.value == "accepted"
        bench.upstream.let_go()
        assert (await bench.end(first)).state.value == "done"
        assert (await bench.end(second)).state.value == "done"


@pytest.mark.parametrize(
    "stage", ["upload", "prepare", "submit", "taken", "step", "made", "download", "chunk"]
)
@pytest.mark.parametrize("deletes", [False, True])
async def test_a_job_can_be_cancelled_at_every_step(
    bench: VideoBench, stage: str, *, deletes: bool
) -> None:
    await bench.add("a")
    bench.upstream.stop_at(stage)
    async with bench.worker() as worker:
        job = await make(worker, references=(picture(),))
        await bench.reach(stage)

        if deletes:
            await worker.videos.delete(MINE, job.id)
            with pytest.raises(NotFoundError):
                await worker.videos.find(MINE, job.id)
        else:
            await worker.videos.cancel(MINE, job.id)
            assert (await bench.end(job)).state.value == "cancelled"
        await worker.idle()

    is_asked = stage not in ("upload", "prepare")
    assert await bench.used() == (int(is_asked), 0)
    assert await bench.open_leases() == 0
    assert await bench.media(MediaKind.INPUT) == 0
    assert await bench.media(MediaKind.VIDEO) == 0
    assert (await bench.redis.execute_command("DBSIZE")) > 0


async def test_the_same_key_gives_the_same_job(bench: VideoBench) -> None:
    await bench.add("a")
    async with bench.worker() as worker, bench.worker() as other:
        jobs = await asyncio.gather(
            *[make(w, key="k", references=(picture(),)) for w in (worker, other) * 5]
        )
        assert len({job.id for job in jobs}) == 1
        await bench.end(jobs[0])
        again = await make(other, key="k", references=(picture(),))
        with pytest.raises(ConflictError):
            await make(worker, "another", key="k")

    assert again.id == jobs[0].id
    assert len(bench.upstream.asked) == 1
    assert await bench.media(MediaKind.INPUT) == 0


async def test_refused_questions_leave_nothing_behind(bench: VideoBench) -> None:
    await bench.add("a")
    bench.upstream.stop_at("submit")
    async with bench.worker(max_jobs_per_key=1) as worker:
        first = await make(worker)
        with pytest.raises(RateLimitExceededError):
            await make(worker, references=(picture(),))
        with pytest.raises(ModelNotFoundError):
            await make(worker, model="no-such-model", references=(picture(),))
        assert await bench.media(MediaKind.INPUT) == 0
        bench.upstream.let_go()
        await bench.end(first)


async def test_jobs_belong_to_their_owner(bench: VideoBench) -> None:
    other = ClientKeyId("key_other")
    await bench.add("a")
    async with bench.worker() as worker:
        job = await bench.end(await make(worker))
        videos = worker.videos
        for call in (videos.find, videos.cancel, videos.delete):
            with pytest.raises(NotFoundError):
                await call(other, job.id)
        with pytest.raises(NotFoundError):
            await videos.list(other, after=job.id)
        assert (await videos.list(other)).jobs == ()
        assert [each.id for each in (await videos.list(MINE)).jobs] == [job.id]


async def test_a_worker_makes_only_so_many_at_once(bench: VideoBench) -> None:
    await bench.add("a")
    bench.upstream.stop_at("made")
    async with bench.worker(concurrency=2) as worker:
        jobs = [await make(worker, f"video {n}") for n in range(4)]
        await bench.reach("made")
        await asyncio.sleep(0.2)
        assert worker.runner.running == 2
        assert len(bench.upstream.asked) == 2
        bench.upstream.let_go()
        assert {(await bench.end(job)).state.value for job in jobs} == {"done"}


async def test_references_of_few_jobs_are_in_memory_at_once(bench: VideoBench) -> None:
    await bench.add("a")
    bench.upstream.stop_at("upload")
    async with bench.worker() as worker:
        jobs = [await make(worker, f"video {n}", references=(picture(),)) for n in range(5)]
        await bench.reach("upload")
        await asyncio.sleep(0.3)
        assert worker.runner.running == len(jobs)
        assert bench.upstream.waiting["upload"] == LOADED_AT_ONCE
        bench.upstream.let_go()
        assert {(await bench.end(job)).state.value for job in jobs} == {"done"}


async def test_an_alias_is_kept_as_the_model_that_it_stands_for(bench: VideoBench) -> None:
    await bench.add("a")
    async with bench.worker() as worker:
        job, _ = await worker.videos.create(
            MINE, ask(model="grok-imagine-1.0-video"), shown={"model": "my-video"}
        )
        assert (job.model, job.shown["model"]) == ("grok-imagine-1.0-video", "my-video")
        assert isinstance(worker.videos.references, VideoReferences)
        await bench.end(job)
