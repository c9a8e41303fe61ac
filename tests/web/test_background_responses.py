"""Responses that are made in the background, as clients of two workers see them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import openai
import pytest

from grok2api.config.responses import ResponsesSettings
from grok2api.domain.chat import EventBatch, Finished, TextDelta
from grok2api.domain.ids import ClientKeyId, ResponseId
from grok2api.domain.response import KeptResponse, ResponseState
from grok2api.errors import UpstreamUnavailableError
from grok2api.store.responses import Limits, ResponseStore
from grok2api.web.api.openai_response_turn import owner_of
from tests.unit.dialects.response_grammar import check
from tests.web.conftest import API_KEY, MODEL, TEST_SETTINGS, WAIT_S, Edge, EdgeMaker, wait_until

LIMITS = Limits(keep_s=60.0, max_count=10, max_bytes=100_000)


def client_of(edge: Edge) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        base_url=f"{edge.url}/v1", api_key=API_KEY, max_retries=0, timeout=WAIT_S
    )


class Held:
    """An upstream that says a word, and the rest when it is let go."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    async def play(self) -> AsyncIterator[EventBatch]:
        yield [TextDelta("Slowly")]
        await self.go_on.wait()
        yield [TextDelta(", surely."), Finished()]


@pytest.fixture
def held() -> Held:
    return Held()


async def ended(client: openai.AsyncOpenAI, response_id: str) -> Any:
    async with asyncio.timeout(WAIT_S):
        while True:
            response = await client.responses.retrieve(response_id)
            if response.status != "in_progress":
                return response
            await asyncio.sleep(0.02)


async def read(stream: Any, count: int = -1) -> list[dict[str, Any]]:
    """Read `count` events, or all."""
    events: list[dict[str, Any]] = []
    async for event in stream:
        events.append(event.to_dict())
        if len(events) == count:
            await stream.close()
            break
    return events


async def test_a_background_response_is_made_while_nobody_waits(edge: Edge, held: Held) -> None:
    edge.script.play = held.play
    async with client_of(edge) as client:
        begun = await client.responses.create(model=MODEL, input="x", background=True)
        held.go_on.set()
        response = await ended(client, begun.id)

    assert (begun.status, begun.background, begun.output) == ("in_progress", True, [])
    assert response.status == "completed"
    assert response.output_text == "Slowly, surely."
    await edge.leases_are_free()


async def test_its_events_are_resumed_at_another_worker_by_their_number(
    make_edge: EdgeMaker, held: Held
) -> None:
    async with make_edge() as one, make_edge() as two:
        one.script.play = held.play
        async with client_of(one) as at_one, client_of(two) as at_two:
            stream = await at_one.responses.create(
                model=MODEL, input="x", background=True, stream=True
            )
            first = await read(stream, 4)
            name = first[0]["response"]["id"]
            resumed = await at_two.responses.retrieve(name, stream=True, starting_after=3)
            held.go_on.set()
            rest = await read(resumed)
            again = await read(await at_two.responses.retrieve(name, stream=True))

    assert rest[0]["sequence_number"] == 4
    assert first + rest == again
    final = check(again)
    assert final["output"][0]["content"][0]["text"] == "Slowly, surely."


async def test_it_is_cancelled_from_another_worker(make_edge: EdgeMaker, held: Held) -> None:
    async with make_edge() as one, make_edge() as two:
        one.script.play = held.play
        async with client_of(one) as at_one, client_of(two) as at_two:
            begun = await at_one.responses.create(model=MODEL, input="x", background=True)
            await asyncio.wait_for(one.script.opened.wait(), WAIT_S)
            cancelled = await at_two.responses.cancel(begun.id)
            await asyncio.wait_for(one.script.closed.wait(), WAIT_S)
            await one.leases_are_free()
            events = await read(await at_two.responses.retrieve(begun.id, stream=True))

    assert cancelled.status == "cancelled"
    assert events[-1]["type"] == "response.failed"
    assert events[-1]["response"]["status"] == "cancelled"
    assert [e["sequence_number"] for e in events] == list(range(len(events)))


async def test_cancelling_one_that_has_ended_changes_nothing(edge: Edge) -> None:
    async with client_of(edge) as client:
        begun = await client.responses.create(model=MODEL, input="x", background=True)
        await ended(client, begun.id)

        assert (await client.responses.cancel(begun.id)).status == "completed"


async def test_its_failure_is_kept(edge: Edge) -> None:
    async def fail() -> AsyncIterator[EventBatch]:
        yield [TextDelta("Well")]
        raise UpstreamUnavailableError("The upstream broke.")

    edge.script.play = fail
    async with client_of(edge) as client:
        begun = await client.responses.create(model=MODEL, input="x", background=True)
        response = await ended(client, begun.id)
        events = await read(await client.responses.retrieve(begun.id, stream=True))

    assert (response.status, response.error.message) == ("failed", "The upstream broke.")
    assert check(events)["status"] == "failed"


async def test_one_that_breaks_by_a_fault_of_ours_fails_too(edge: Edge) -> None:
    async def crash() -> AsyncIterator[EventBatch]:
        yield [TextDelta("Well")]
        raise ZeroDivisionError

    edge.script.play = crash
    async with client_of(edge) as client:
        begun = await client.responses.create(model=MODEL, input="x", background=True)
        response = await ended(client, begun.id)

    assert response.error.code == "internal_error"


async def test_a_deleted_one_is_stopped(edge: Edge, held: Held) -> None:
    edge.script.play = held.play
    async with client_of(edge) as client:
        begun = await client.responses.create(model=MODEL, input="x", background=True)
        await asyncio.wait_for(edge.script.opened.wait(), WAIT_S)
        await client.responses.delete(begun.id)
        await asyncio.wait_for(edge.script.closed.wait(), WAIT_S)


async def test_it_is_continued_once_it_is_whole(edge: Edge, held: Held) -> None:
    edge.script.play = held.play
    async with client_of(edge) as client:
        begun = await client.responses.create(model=MODEL, input="x", background=True)
        with pytest.raises(openai.BadRequestError) as refused:
            await client.responses.create(model=MODEL, input="y", previous_response_id=begun.id)
        held.go_on.set()
        await ended(client, begun.id)
        await client.responses.create(model=MODEL, input="y", previous_response_id=begun.id)

    assert refused.value.code == "previous_response_not_completed"
    assert len(edge.script.requests[1].messages) == 3


async def test_too_many_at_once_are_refused(make_edge: EdgeMaker, held: Held) -> None:
    settings = msgspec.structs.replace(TEST_SETTINGS, responses=ResponsesSettings(max_background=1))
    async with make_edge(settings) as edge, client_of(edge) as client:
        edge.script.play = held.play
        await client.responses.create(model=MODEL, input="x", background=True)
        with pytest.raises(openai.RateLimitError) as refused:
            await client.responses.create(model=MODEL, input="x", background=True)
        held.go_on.set()

    assert refused.value.code == "too_many_background_responses"


async def test_one_of_a_worker_that_stops_fails_with_a_clear_code(
    make_edge: EdgeMaker, held: Held
) -> None:
    async with make_edge() as other, client_of(other) as client:
        async with make_edge() as edge, client_of(edge) as at_edge:
            edge.script.play = held.play
            begun = await at_edge.responses.create(model=MODEL, input="x", background=True)
            await asyncio.wait_for(edge.script.opened.wait(), WAIT_S)
        response = await ended(client, begun.id)

    assert (response.status, response.error.code) == ("failed", "shutting_down")


async def test_a_worker_that_stops_waits_as_long_as_it_may(
    make_edge: EdgeMaker, held: Held
) -> None:
    async with make_edge() as other, client_of(other) as client:
        async with make_edge() as edge, client_of(edge) as at_edge:
            edge.script.play = held.play
            begun = await at_edge.responses.create(model=MODEL, input="x", background=True)
            await asyncio.wait_for(edge.script.opened.wait(), WAIT_S)
            edge.state.drain.begin(WAIT_S)
            asyncio.get_running_loop().call_later(0.2, held.go_on.set)
        response = await client.responses.retrieve(begun.id)

    assert response.output_text == "Slowly, surely."


async def test_one_whose_worker_died_has_failed(edge: Edge, redis: Any, cipher: Any) -> None:
    name, owner = ResponseId("resp_0123456789abcdef01234567"), await owner_at(edge)
    store = ResponseStore(redis, cipher)
    kept = KeptResponse(
        id=name,
        owner=owner,
        body=b'{"id":"x","status":"in_progress","output":[]}',
        state=ResponseState.IN_PROGRESS,
        is_background=True,
    )
    await store.save(kept, LIMITS, lease_s=0.001)
    async with client_of(edge) as client:
        response = await ended(client, name)
        [event] = await read(await client.responses.retrieve(name, stream=True))

    assert (response.status, response.error.code) == ("failed", "server_error")
    assert event["type"] == "response.failed"


async def test_events_that_are_no_longer_kept_are_refused(edge: Edge, redis: Any) -> None:
    async with client_of(edge) as client:
        begun = await client.responses.create(model=MODEL, input="x", background=True)
        await ended(client, begun.id)
        for key in await redis.execute_command("KEYS", "*:events"):
            await redis.execute_command("DEL", key)
        with pytest.raises(openai.BadRequestError) as refused:
            await read(await client.responses.retrieve(begun.id, stream=True))

    assert refused.value.code == "stream_expired"


async def test_one_of_the_foreground_is_not_streamed_again(edge: Edge) -> None:
    async with client_of(edge) as client:
        response = await client.responses.create(model=MODEL, input="x")
        with pytest.raises(openai.BadRequestError):
            await client.responses.retrieve(response.id, stream=True)


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "order=up", "after=nothing"])
async def test_queries_that_make_no_sense_are_refused(edge: Edge, query: str) -> None:
    async with client_of(edge) as client:
        response = await client.responses.create(model=MODEL, input="x")

    answer = await edge.client.get(f"/v1/responses/{response.id}/input_items?{query}")

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == query.partition("=")[0]


@pytest.mark.parametrize("after", ["x", "-1", "", "1" * 20])
async def test_a_number_that_is_none_is_refused(edge: Edge, after: str) -> None:
    async with client_of(edge) as client:
        begun = await client.responses.create(model=MODEL, input="x", background=True)

    answer = await edge.client.get(f"/v1/responses/{begun.id}?stream=true&starting_after={after}")

    assert answer.json()["error"]["param"] == "starting_after"


async def owner_at(edge: Edge) -> ClientKeyId:
    """Return whose responses the test's key sees."""
    return owner_of(await edge.state.keys.admit(API_KEY))


async def test_nothing_of_a_background_response_is_left_running(edge: Edge) -> None:
    async with client_of(edge) as client:
        for _ in range(3):
            begun = await client.responses.create(model=MODEL, input="x", background=True)
            await ended(client, begun.id)

    async def is_idle() -> bool:
        return edge.state.responses.background.running == 0

    await wait_until(is_idle)
