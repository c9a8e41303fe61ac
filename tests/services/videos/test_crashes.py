"""Video jobs whose process dies, stops or loses its store: none is asked for a second time."""

import asyncio

import pytest

from grok2api.domain.ids import AccountId
from grok2api.domain.video_job import VideoJob
from grok2api.store.videos import VideoStore
from tests.services.videos.bench import CLAIM_S, MINE, VideoBench, Worker, make, picture

ENDS = {
    "upload": ("done", 1),
    "prepare": ("done", 1),
    "submit": ("unknown", 0),
    "taken": ("unknown", 1),
    "step": ("done", 1),
    "made": ("done", 1),
    "upscale": ("done", 1),
    "download": ("done", 1),
    "chunk": ("done", 1),
}


async def stop_at(bench: VideoBench, worker: Worker, stage: str) -> VideoJob:
    """Begin a job and wait until it has come to `stage`."""
    bench.upstream.stop_at(stage)
    job = await make(worker, references=(picture(),), upscale=stage == "upscale")
    await bench.reach(stage)
    return job


@pytest.mark.parametrize("stage", ENDS)
async def test_another_process_goes_on_after_a_crash_at_any_step(
    bench: VideoBench, stage: str
) -> None:
    await bench.add("a")
    bench.lease_ttl_s = 1.0
    async with bench.worker() as first:
        job = await stop_at(bench, first, stage)
        await first.crash()
        bench.upstream.gates.clear()
        bench.upstream.uploads.clear()
        async with bench.worker():
            ended = await bench.end(job)
            await bench.keep_no_input()

    state, asked = ENDS[stage]
    assert (ended.state.value, len(bench.upstream.asked)) == (state, asked)
    assert len(bench.upstream.upscaled) == (stage == "upscale")
    await bench.settle()
    assert (await bench.used())[1] == 0


async def test_a_crash_between_two_parts_never_asks_twice(bench: VideoBench) -> None:
    await bench.add("a")
    async with bench.worker() as first:
        bench.upstream.stop_at("made")
        job = await make(first, segments=(6, 6))
        await bench.reach("made")
        await first.crash()
        bench.upstream.gates.clear()
        async with bench.worker():
            ended = await bench.end(job)

    assert (ended.state.value, ended.error_code) == ("unknown", "video_state_unknown")
    assert [each.part for each in bench.upstream.asked] == [0]


@pytest.mark.parametrize(
    ("stage", "ends"),
    [
        ("step", ("unknown", "video_state_unknown")),
        ("download", ("failed", "video_download_failed")),
    ],
)
async def test_a_job_ends_whose_account_is_removed_after_a_crash(
    bench: VideoBench, stage: str, ends: tuple[str, str]
) -> None:
    await bench.add("a")
    async with bench.worker() as first:
        job = await stop_at(bench, first, stage)
        await first.crash()
        await bench.accounts.store.remove(AccountId("a"))
        bench.upstream.gates.clear()
        async with bench.worker():
            ended = await bench.end(job)
            await bench.keep_no_input()

    assert (ended.state.value, ended.error_code) == ends


@pytest.mark.parametrize("stage", ["submit", "step", "download"])
async def test_a_job_cancelled_after_a_crash_is_cancelled(bench: VideoBench, stage: str) -> None:
    await bench.add("a")
    async with bench.worker() as first:
        job = await stop_at(bench, first, stage)
        await first.crash()
        await VideoStore(bench.redis, bench.cipher).cancel(MINE, job.id)
        bench.upstream.gates.clear()
        async with bench.worker():
            ended = await bench.end(job)

    assert ended.state.value == "cancelled"


@pytest.mark.parametrize("stage", ["upload", "prepare"])
async def test_what_has_not_begun_is_given_back_at_once_when_a_process_stops(
    bench: VideoBench, stage: str
) -> None:
    await bench.add("a")
    async with bench.worker(claim_s=60.0) as first:
        job = await stop_at(bench, first, stage)
        await first.runner.close(60.0)
        assert (await bench.look(job)).state.value == "accepted"
        assert await bench.open_leases() == 0
        bench.upstream.gates.clear()
        bench.upstream.uploads.clear()
        async with bench.worker(claim_s=60.0):
            assert (await bench.end(job)).state.value == "done"

    assert len(bench.upstream.asked) == 1
    assert await bench.used() == (1, 0)


async def test_what_has_begun_may_come_to_its_end_when_a_process_stops(bench: VideoBench) -> None:
    await bench.add("a")
    async with bench.worker() as worker:
        job = await stop_at(bench, worker, "step")
        async with asyncio.TaskGroup() as group:
            group.create_task(worker.runner.close(60.0))
            later = await make(worker, "later")
            bench.upstream.let_go()
        assert (await bench.look(job)).state.value == "done"
        assert (await bench.look(later)).state.value == "accepted"


async def test_what_is_late_when_a_process_stops_is_found_by_another(bench: VideoBench) -> None:
    await bench.add("a")
    async with bench.worker(claim_s=60.0) as first:
        job = await stop_at(bench, first, "step")
        await first.runner.close(0.01)
        assert (await bench.look(job)).state.value == "polling"
        bench.upstream.gates.clear()
        async with bench.worker(claim_s=60.0):
            assert (await bench.end(job)).state.value == "done"

    assert len(bench.upstream.asked) == 1
    assert await bench.used() == (1, 0)


@pytest.mark.parametrize("stage", ["prepare", "taken", "step", "made", "download"])
async def test_a_store_that_is_away_for_a_moment_costs_nothing(
    bench: VideoBench, stage: str
) -> None:
    await bench.add("a")
    async with bench.worker(claim_s=60.0) as worker:
        job = await stop_at(bench, worker, stage)
        worker.line.is_cut = True
        bench.upstream.let_go()
        await asyncio.sleep(0.3)
        worker.line.is_cut = False
        assert (await bench.end(job)).state.value == "done"

    assert len(bench.upstream.asked) == 1


@pytest.mark.parametrize(("stage", "segments"), [("taken", (6,)), ("made", (6, 6))])
async def test_a_store_that_was_away_for_long_takes_no_job_from_who_makes_it(
    bench: VideoBench, stage: str, segments: tuple[int, ...]
) -> None:
    await bench.add("a")
    async with bench.worker() as maker:
        bench.upstream.stop_at(stage)
        job = await make(maker, segments=segments)
        await bench.reach(stage)
        async with bench.worker() as other:
            maker.line.is_cut = other.line.is_cut = True
            other.runner.nudge()
            await asyncio.sleep(2 * CLAIM_S)
            other.line.is_cut = False  # it is the first to see the store again
            other.runner.nudge()
            await asyncio.sleep(CLAIM_S / 6)
            maker.line.is_cut = False
            bench.upstream.let_go()
            ended = await bench.end(job)

    assert (ended.state.value, ended.fence) == ("done", 1)


async def test_who_was_away_for_too_long_leaves_the_job_to_its_new_holder(
    bench: VideoBench,
) -> None:
    await bench.add("a")
    async with bench.worker() as slow, bench.worker(concurrency=1) as quick:
        bench.upstream.stop_at("step")
        quick.line.is_cut = True
        job = await make(slow)
        await bench.reach("step")
        quick.line.is_cut, slow.line.is_cut = False, True
        bench.upstream.gates.clear()
        ended = await bench.end(job)
        assert (ended.state.value, ended.fence) == ("done", 2)
        slow.line.is_cut = False
        await slow.idle()
        assert await bench.look(job) == ended

    assert len(bench.upstream.asked) == 1
