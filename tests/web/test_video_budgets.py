"""What videos take of the budget of a client key, and what the statistics say of it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from grok2api.domain.client_key import Budget
from grok2api.domain.ids import ClientKeyId
from grok2api.domain.video import VideoEvent, VideoPart, VideoRequest
from grok2api.errors import ContentRejectedError
from tests.web.conftest import WAIT_S, Edge
from tests.web.test_chat_videos import CHAT, asks
from tests.web.test_limits import calls_are_over, client_of, code_of, logged
from tests.web.test_videos import DUNES, VIDEOS

USED_UP = (429, "insufficient_quota")


async def units_of(edge: Edge, client: httpx2.AsyncClient) -> int:
    """Return what its key has used today, once all its calls are over."""
    await calls_are_over(edge, client)
    key_id = ClientKeyId(client.headers["x-key-id"])
    return (await edge.state.admissions.usage([key_id]))[key_id].day.units


async def end(client: httpx2.AsyncClient, job_id: str) -> dict[str, Any]:
    async with asyncio.timeout(WAIT_S):
        while True:
            job: dict[str, Any] = (await client.get(f"{VIDEOS}/{job_id}")).json()
            if job["status"] in ("completed", "failed"):
                return job
            await asyncio.sleep(0.02)


async def test_every_part_of_a_video_is_taken_out_of_the_budget(edge: Edge) -> None:
    async with await client_of(edge, day=Budget(units=3)) as client:
        long = await client.post(VIDEOS, json=DUNES | {"seconds": 20})
        assert await units_of(edge, client) == 2
        refused = await client.post(VIDEOS, json=DUNES | {"seconds": 20})
        short = await client.post(VIDEOS, json=DUNES)

        assert (long.status_code, code_of(refused), short.status_code) == (200, USED_UP, 200)
        assert await units_of(edge, client) == 3
    assert [one.units for one in await logged(edge, 3)] == [1, 0, 2]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"input_reference": "no base64!"}, 400),
        ({"seconds": 17}, 400),
        ({"prompt": "other"}, 409),
    ],
)
async def test_what_makes_no_video_takes_nothing_out_of_the_budget(
    edge: Edge, body: dict[str, Any], status: int
) -> None:
    headers = {"idempotency-key": "order-1"}
    async with await client_of(edge, day=Budget(units=9)) as client:
        await client.post(VIDEOS, json=DUNES, headers=headers)

        refused = await client.post(VIDEOS, json=DUNES | body, headers=headers)

        assert refused.status_code == status
        assert await units_of(edge, client) == 1
    assert [one.units for one in await logged(edge, 2)] == [0, 1]


async def test_a_question_that_is_repeated_is_paid_for_once(edge: Edge) -> None:
    headers = {"idempotency-key": "order-1"}
    async with await client_of(edge, day=Budget(units=1)) as client:
        answers = [await client.post(VIDEOS, json=DUNES, headers=headers) for _ in range(3)]

        assert [answer.status_code for answer in answers] == [200] * 3
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert await units_of(edge, client) == 1
        assert code_of(await client.post(VIDEOS, json=DUNES)) == USED_UP


async def test_a_video_of_a_chat_is_taken_out_of_the_budget(edge: Edge) -> None:
    async with await client_of(edge, day=Budget(units=3)) as client:
        long = await client.post(CHAT, json=asks(video_config={"seconds": 20}))
        assert await units_of(edge, client) == 2
        refused = await client.post(CHAT, json=asks(video_config={"seconds": 20}))
        short = await client.post(CHAT, json=asks())

        assert (long.status_code, code_of(refused), short.status_code) == (200, USED_UP, 200)
        assert await units_of(edge, client) == 3
    newest = (await logged(edge, 3))[0]
    assert (newest.units, newest.account) == (1, "acc_1")
    assert [attempt.outcome for attempt in newest.attempts] == ["ok"]


async def withholds(request: VideoRequest, part: VideoPart) -> AsyncIterator[list[VideoEvent]]:
    if request.prompt == "":
        yield []
    raise ContentRejectedError("The video was withheld.")


async def test_a_chat_pays_for_what_the_site_withheld_and_not_for_what_it_never_made(
    edge: Edge,
) -> None:
    edge.filmer.play = withholds
    async with await client_of(edge, day=Budget(units=3)) as client:
        withheld = await client.post(CHAT, json=asks())
        assert await units_of(edge, client) == 1
        # The only account there is makes no small videos.
        nobody = await client.post(CHAT, json=asks(video_config={"resolution": "480p"}))

        assert (withheld.status_code, nobody.status_code) == (400, 503)
        assert await units_of(edge, client) == 1


@pytest.mark.parametrize("way", ["no account", "cancel", "delete"])
async def test_a_job_that_asks_nobody_gives_back_what_it_took(edge: Edge, way: str) -> None:
    async with await client_of(edge, day=Budget(units=2), month=Budget(units=9)) as client:
        if way != "no account":
            edge.state.videos.runner.begin_draining()
        body = {"resolution": "480p"} if way == "no account" else {}
        job_id = (await client.post(VIDEOS, json=DUNES | {"seconds": 20} | body)).json()["id"]
        if way == "cancel":
            await client.post(f"{VIDEOS}/{job_id}/cancel")
        if way == "delete":
            await client.delete(f"{VIDEOS}/{job_id}")
        else:
            assert (await end(client, job_id))["status"] == "failed"

        assert await units_of(edge, client) == 0


async def test_a_job_whose_video_was_withheld_gives_nothing_back(edge: Edge) -> None:
    edge.filmer.play = withholds
    async with await client_of(edge, day=Budget(units=2)) as client:
        job_id = (await client.post(VIDEOS, json=DUNES)).json()["id"]
        assert (await end(client, job_id))["error"]["code"] == "content_policy_violation"

        assert await units_of(edge, client) == 1
