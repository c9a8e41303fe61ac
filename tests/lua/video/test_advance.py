import msgspec
import pytest

from grok2api.domain.video import VideoState
from tests.lua.video.conftest import (
    ASKED,
    LIMITS,
    MADE,
    ONE,
    TTL_S,
    WAY_TO,
    WHOLE,
    ending,
    new,
    question,
)

S = VideoState
LEGAL = {
    S.ACCEPTED: {S.SUBMITTING},
    S.SUBMITTING: {S.ACCEPTED, S.SUBMITTED},
    S.SUBMITTED: {S.POLLING, S.STORING},
    S.POLLING: {S.POLLING, S.STORING},
    S.STORING: {S.STORING},
}


@pytest.mark.parametrize("after", VideoState)
@pytest.mark.parametrize("before", WAY_TO)
async def test_only_the_moves_of_the_plan_are_made(videos, before, after):
    job = await videos.start(before)

    reply = await videos.try_advance(job, after, ASKED)

    is_legal = after in LEGAL[VideoState(before)]
    assert reply == ("Advanced" if is_legal else "Illegal")
    assert await videos.states() == {ONE: after.value if is_legal else before}


async def test_what_is_known_is_kept_with_the_move(videos):
    await videos.start("storing")

    assert (await videos.look()).work == WHOLE
    assert (await videos.look()).upstream_url == MADE.url


async def test_a_move_that_is_told_again_is_made_once(videos):
    job = await videos.start()
    assert await videos.try_advance(job, S.SUBMITTING) == "Advanced"
    assert await videos.try_advance(job, S.SUBMITTING) == "Advanced"

    assert (await videos.look()).step == 1
    assert await videos.try_advance(job, S.SUBMITTED) == "Illegal"


async def test_who_was_too_slow_moves_nothing(videos):
    slow = await videos.start("polling")
    videos.wait(TTL_S)
    await videos.claim()

    assert await videos.try_advance(slow, S.STORING, WHOLE) == "Lost"
    assert await videos.states() == {ONE: "polling"}


async def test_an_ended_job_is_not_moved(videos):
    job = await videos.start("storing")
    await videos.finish(job, ending())

    assert await videos.try_advance(job, S.STORING) == "Lost"
    assert await videos.states() == {ONE: "done"}


async def test_the_upstream_is_not_asked_for_what_nobody_wants(videos):
    job = await videos.start("submitting")
    await videos.cancel()
    job = await videos.advance(job, S.ACCEPTED, ASKED)

    assert await videos.try_advance(job, S.SUBMITTING) == "Unwanted"
    assert await videos.states() == {ONE: "accepted"}


async def test_each_part_is_asked_for_once(videos):
    await videos.store.create(new(question=question(segments=(6, 6))), LIMITS)
    job = await videos.bring(await videos.claim(), "polling")
    assert await videos.try_advance(job, S.SUBMITTING, ASKED) == "Illegal"

    second = msgspec.structs.replace(ASKED, parts=(MADE,))
    job = await videos.advance(job, S.SUBMITTING, second)
    job = await videos.advance(job, S.SUBMITTED, second)

    assert await videos.try_advance(job, S.SUBMITTING, second) == "Illegal"


async def test_a_refused_second_part_does_not_begin_anew(videos):
    await videos.store.create(new(question=question(segments=(6, 6))), LIMITS)
    job = await videos.bring(await videos.claim(), "polling")
    job = await videos.advance(job, S.SUBMITTING, msgspec.structs.replace(ASKED, parts=(MADE,)))

    assert await videos.try_advance(job, S.ACCEPTED) == "Illegal"
    assert await videos.states() == {ONE: "submitting"}


async def test_a_refusal_lets_the_part_be_asked_for_again(videos):
    job = await videos.start("submitting")
    job = await videos.advance(job, S.ACCEPTED, ASKED)

    assert await videos.try_advance(job, S.SUBMITTING) == "Advanced"
