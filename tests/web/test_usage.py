"""What is recorded of requests that do not end as they should, or end after their answer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from grok2api.config.media import VideoSettings
from grok2api.domain.chat import EventBatch, TextDelta
from grok2api.domain.client_key import Budget
from grok2api.domain.ids import ClientKeyId
from grok2api.errors import UpstreamUnavailableError
from tests.web.conftest import MODEL, TEST_SETTINGS, Edge, EdgeMaker, question
from tests.web.operators import open_operator
from tests.web.test_limits import calls_are_over, client_of, logged
from tests.web.test_videos import finished as video_of

CHATS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": question(stream=True),
    "/v1/messages": question(stream=True, max_tokens=900),
    "/v1/responses": {"model": MODEL, "input": "Hello", "stream": True},
}
WORDS = "Some words that cost something. "
DUNES = {"model": "grok-imagine-video", "prompt": "Dunes.", "seconds": "20"}
PARTS = 2


async def talk_for_ever() -> AsyncIterator[EventBatch]:
    yield [TextDelta(WORDS * 8)]
    await asyncio.Event().wait()


async def talk_and_break() -> AsyncIterator[EventBatch]:
    yield [TextDelta(WORDS * 8)]
    raise UpstreamUnavailableError("The upstream broke.")


async def talk_and_crash() -> AsyncIterator[EventBatch]:
    yield [TextDelta(WORDS * 8)]
    raise ZeroDivisionError


@pytest.mark.parametrize("route", CHATS)
async def test_client_that_leaves_a_stream_has_used_what_it_read(edge: Edge, route: str) -> None:
    edge.script.play = talk_for_ever
    async with await client_of(edge, tokens_per_minute=9000) as client:
        async with client.stream("POST", route, json=CHATS[route]) as answer:
            await anext(answer.aiter_bytes())
        [served] = await logged(edge, 1)
        await calls_are_over(edge, client)
        used = await used_of(edge, client.headers["x-key-id"])

    assert (served.status, served.error) == (499, "")
    assert served.output_tokens > 40
    assert used.minute.tokens == served.input_tokens + served.output_tokens


async def used_of(edge: Edge, key: str) -> Any:
    key_id = ClientKeyId(key)
    return (await edge.state.admissions.usage([key_id]))[key_id]


@pytest.mark.parametrize("route", CHATS)
async def test_stream_that_breaks_has_failed_and_cost_what_was_told(edge: Edge, route: str) -> None:
    edge.script.play = talk_and_break
    await edge.client.post(route, json=CHATS[route])
    [served] = await logged(edge, 1)

    assert (served.status, served.error) == (200, "upstream_unavailable")
    assert not served.is_success
    assert served.output_tokens > 40
    assert served.first_output_ms is not None


async def test_background_response_that_crashes_is_an_error_of_ours(edge: Edge) -> None:
    edge.script.play = talk_and_crash
    body = {"model": MODEL, "input": "Hello", "background": True}
    await edge.client.post("/v1/responses", json=body)
    [served] = await logged(edge, 1)

    assert (served.status, served.error) == (500, "internal")
    assert served.output_tokens > 40


@pytest.fixture
async def studio(make_edge: EdgeMaker) -> AsyncIterator[Edge]:
    settings = msgspec.structs.replace(TEST_SETTINGS, video=VideoSettings(max_jobs_per_key=1))
    async with make_edge(settings) as edge:
        yield edge


async def test_only_a_video_that_is_begun_costs_units(studio: Edge) -> None:
    studio.filmer.gate.clear()
    async with await client_of(studio, day=Budget(units=100)) as client:
        headers = {"idempotency-key": "order-1"}
        statuses = [
            (await client.post("/v1/videos", json=DUNES, headers=headers)).status_code,
            (await client.post("/v1/videos", json=DUNES, headers=headers)).status_code,
            (await client.post("/v1/videos", json=DUNES)).status_code,
        ]
        requests = await logged(studio, 3)
        await calls_are_over(studio, client)
        used = await used_of(studio, client.headers["x-key-id"])
    studio.filmer.gate.set()

    assert statuses == [200, 200, 429]
    assert len({one.job for one in requests if one.job}) == 1
    assert sorted(one.units for one in requests) == [0, 0, PARTS]
    assert used.day.units == PARTS


async def test_video_of_a_chat_tells_its_account_and_costs_its_parts(studio: Edge) -> None:
    body = question(model="grok-imagine-video", video_config={"seconds": 20})
    async with await client_of(studio, day=Budget(units=PARTS)) as client:
        answer = await client.post("/v1/chat/completions", json=body)
        [served] = await logged(studio, 1)
        await calls_are_over(studio, client)
        refused = await client.post("/v1/chat/completions", json=body)

    assert answer.status_code == 200
    assert (served.account, served.units) == ("acc_1", PARTS)
    assert [attempt.outcome for attempt in served.attempts] == ["ok"]
    assert refused.status_code == 429


async def test_budget_that_has_less_than_all_parts_of_a_video_refuses_it(studio: Edge) -> None:
    body = question(model="grok-imagine-video", video_config={"seconds": 20})
    async with await client_of(studio, day=Budget(units=PARTS - 1)) as client:
        refused = await client.post("/v1/chat/completions", json=body)

    assert refused.status_code == 429
    assert not studio.filmer.requests


async def test_request_that_began_a_video_is_explained_by_what_became_of_it(
    make_edge: EdgeMaker,
) -> None:
    async with open_operator(make_edge) as operator:
        edge = operator.edge
        [account] = await operator.add("a")
        job_id = await video_of(edge)
        [served] = await logged(edge, 1)
        told = await operator.get(f"/requests/{served.id}")
        await edge.client.delete(f"/v1/videos/{job_id}")
        later = await operator.get(f"/requests/{served.id}")

    assert told["request"]["job"] == job_id
    says = f"The video is done, 100 % made, with {account} after"
    assert any(line.startswith(says) for line in told["story"])
    assert not any("No account" in line for line in told["story"])
    assert "The video is not known any more." in later["story"]
