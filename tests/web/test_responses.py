"""The Responses API as the official SDK sees it, over a real socket."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import openai
import pytest

from grok2api.domain.chat import (
    Citation,
    EventBatch,
    Finished,
    FinishReason,
    Message,
    ReasoningDelta,
    Role,
    TextDelta,
    TextPart,
    ToolArguments,
    ToolCallEnded,
    ToolCallStarted,
)
from grok2api.domain.tools import ChoiceKind
from grok2api.errors import UpstreamRateLimitError, UpstreamUnavailableError
from tests.web.conftest import API_KEY, MODEL, WAIT_S, Edge

WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a town",
    "parameters": {"type": "object", "properties": {"town": {"type": "string"}}},
    "strict": False,
}


def client_of(edge: Edge, key: str = API_KEY) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{edge.url}/v1", api_key=key, max_retries=0, timeout=WAIT_S)


def plays(*batches: EventBatch) -> Callable[[], AsyncIterator[EventBatch]]:
    async def play() -> AsyncIterator[EventBatch]:
        for batch in batches:
            yield batch

    return play


def plays_nothing_but(error: Exception) -> Callable[[], AsyncIterator[EventBatch]]:
    async def play() -> AsyncIterator[EventBatch]:
        batches: list[EventBatch] = [[], [TextDelta("never said")]]
        for batch in batches:
            if batch:
                raise error
            yield batch

    return play


def texts(messages: tuple[Message, ...]) -> list[tuple[Role, str]]:
    return [(m.role, "".join(p.text for p in m.parts if isinstance(p, TextPart))) for m in messages]


async def test_a_whole_response(edge: Edge) -> None:
    async with client_of(edge) as client:
        response = await client.responses.create(
            model=MODEL, input="Hello", instructions="Be kind.", metadata={"a": "b"}
        )

    assert response.output_text == "Hello there"
    assert response.status == "completed"
    assert response.error is None
    assert response.metadata == {"a": "b"}
    assert response.instructions == "Be kind."
    assert response.usage is not None
    assert response.usage.input_tokens_details.cached_tokens == 0
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens
    assert texts(edge.script.requests[0].messages) == [
        (Role.SYSTEM, "Be kind."),
        (Role.USER, "Hello"),
    ]


async def test_a_streamed_response_is_folded_by_the_sdk(edge: Edge) -> None:
    edge.script.play = plays(
        [ReasoningDelta("Hm")],
        [ReasoningDelta("m."), TextDelta("Water [[1]](https://w)")],
        [Citation(1, "https://w", "W", 6, 22), TextDelta("!"), Finished()],
    )
    async with client_of(edge) as client:
        async with client.responses.stream(model=MODEL, input="Hello") as stream:
            kinds = [event.type async for event in stream]
            final = await stream.get_final_response()
        kept = await client.responses.retrieve(final.id)

    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    assert final.output_text == "Water [[1]](https://w)!"
    assert [item.type for item in final.output] == ["reasoning", "message"]
    assert kept.output_text == final.output_text
    assert [item.type for item in kept.output] == ["reasoning", "message"]


async def test_functions_are_called_over_several_turns(edge: Edge) -> None:
    edge.script.play = plays(
        [TextDelta("Let me look. "), ToolCallStarted(0, "call_1", "weather")],
        [ToolArguments(0, '{"town":'), ToolArguments(0, '"Rome"}'), ToolCallEnded(0)],
        [
            ToolCallStarted(1, "call_2", "weather"),
            ToolArguments(1, '{"town":"Oslo"}'),
            ToolCallEnded(1),
        ],
        [Finished(FinishReason.TOOL_CALLS)],
    )
    async with client_of(edge) as client:
        first = await client.responses.create(
            model=MODEL, input="Weather?", tools=[WEATHER], tool_choice="required"
        )
        edge.script.play = plays([TextDelta("Sunny."), Finished()])
        second = await client.responses.create(
            model=MODEL,
            previous_response_id=first.id,
            tools=[WEATHER],
            input=[
                {"type": "function_call_output", "call_id": "call_1", "output": "sun"},
                {"type": "function_call_output", "call_id": "call_2", "output": "snow"},
            ],
        )

    calls = [item for item in first.output if item.type == "function_call"]
    assert [(c.call_id, c.name, c.arguments) for c in calls] == [
        ("call_1", "weather", '{"town":"Rome"}'),
        ("call_2", "weather", '{"town":"Oslo"}'),
    ]
    assert second.output_text == "Sunny."
    asked, answered = edge.script.requests
    assert asked.tool_choice.kind is ChoiceKind.REQUIRED
    assert [tool.name for tool in asked.tools] == ["weather"]
    roles = [message.role for message in answered.messages]
    assert roles == [Role.USER, Role.ASSISTANT, Role.TOOL, Role.TOOL]
    assert [call.id for call in answered.messages[1].tool_calls] == ["call_1", "call_2"]
    assert answered.messages[3].tool_call_id == "call_2"
    assert asked.affinity.digest == answered.affinity.digest


async def test_a_failure_before_the_first_byte_is_an_ordinary_error(edge: Edge) -> None:
    edge.script.play = plays_nothing_but(UpstreamRateLimitError("Too many requests.", status=429))
    async with client_of(edge) as client:
        with pytest.raises(openai.RateLimitError):
            await client.responses.create(model=MODEL, input="Hello", stream=True)


async def test_a_failure_in_the_middle_ends_as_a_failed_response(edge: Edge) -> None:
    async def fail() -> AsyncIterator[EventBatch]:
        yield [TextDelta("Well")]
        raise UpstreamUnavailableError("The upstream broke.")

    edge.script.play = fail
    async with client_of(edge) as client:
        events = [
            e async for e in await client.responses.create(model=MODEL, input="x", stream=True)
        ]

    last = events[-1]
    assert last.type == "response.failed"
    assert last.response.status == "failed"
    assert last.response.error is not None
    assert last.response.error.message
    assert last.response.output_text == "Well"


async def test_a_cut_answer_is_incomplete(edge: Edge) -> None:
    async with client_of(edge) as client:
        response = await client.responses.create(model=MODEL, input="x", max_output_tokens=3)

    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"


async def test_what_is_not_to_be_stored_is_not(edge: Edge) -> None:
    async with client_of(edge) as client:
        response = await client.responses.create(model=MODEL, input="x", store=False)
        with pytest.raises(openai.NotFoundError):
            await client.responses.retrieve(response.id)
        with pytest.raises(openai.NotFoundError) as refused:
            await client.responses.create(model=MODEL, input="y", previous_response_id=response.id)

    assert refused.value.code == "previous_response_not_found"


async def test_another_key_finds_nothing(edge: Edge) -> None:
    _, other_key = await edge.state.keys.create("other")
    async with client_of(edge) as client, client_of(edge, other_key) as other:
        response = await client.responses.create(model=MODEL, input="x")
        for call in (
            other.responses.retrieve(response.id),
            other.responses.delete(response.id),
            other.responses.cancel(response.id),
            other.responses.input_items.list(response.id),
            other.responses.create(model=MODEL, input="y", previous_response_id=response.id),
        ):
            with pytest.raises(openai.NotFoundError):
                await call
        assert (await client.responses.retrieve(response.id)).output_text == "Hello there"


async def test_a_deleted_response_is_gone(edge: Edge) -> None:
    async with client_of(edge) as client:
        response = await client.responses.create(model=MODEL, input="x")
        await client.responses.delete(response.id)
        with pytest.raises(openai.NotFoundError):
            await client.responses.retrieve(response.id)


async def test_input_items_are_listed_page_by_page(edge: Edge) -> None:
    said: Any = [{"role": "user", "content": f"number {n}"} for n in range(5)]
    async with client_of(edge) as client:
        response = await client.responses.create(model=MODEL, input=said)
        items: list[Any] = [
            item
            async for item in client.responses.input_items.list(response.id, limit=2, order="asc")
        ]

    assert [item.content[0].text for item in items] == [f"number {n}" for n in range(5)]
    assert len({item.id for item in items}) == 5


async def test_items_of_kept_responses_can_be_referred_to(edge: Edge) -> None:
    async with client_of(edge) as client:
        first = await client.responses.create(model=MODEL, input="Hello")
        referred: Any = [
            {"role": "user", "content": "Hello"},
            {"type": "item_reference", "id": "rs_unknown"},
            {"type": "item_reference", "id": first.output[0].id},
            {"role": "user", "content": "And?"},
        ]
        await client.responses.create(model=MODEL, input=referred)
        with pytest.raises(openai.NotFoundError) as refused:
            await client.responses.create(
                model=MODEL, input=[{"type": "item_reference", "id": "msg_1"}]
            )

    assert refused.value.code == "item_not_found"
    assert texts(edge.script.requests[1].messages) == [
        (Role.USER, "Hello"),
        (Role.ASSISTANT, "Hello there"),
        (Role.USER, "And?"),
    ]


async def test_only_background_responses_can_be_cancelled(edge: Edge) -> None:
    async with client_of(edge) as client:
        response = await client.responses.create(model=MODEL, input="x")
        with pytest.raises(openai.BadRequestError):
            await client.responses.cancel(response.id)


async def test_a_compacted_conversation_is_opened_again(edge: Edge) -> None:
    edge.script.play = plays([TextDelta("They greeted."), Finished()])
    _, other_key = await edge.state.keys.create("other")
    async with client_of(edge) as client, client_of(edge, other_key) as other:
        compacted = await client.responses.compact(model=MODEL, input="Hello")
        output: Any = [item.to_dict() for item in compacted.output]
        follow_up: Any = [*output, {"role": "user", "content": "Go on"}]
        await client.responses.create(model=MODEL, input=follow_up)
        await other.responses.create(model=MODEL, input=follow_up)

    assert [item.type for item in compacted.output] == ["compaction"]
    assert "greeted" not in str(output)
    [_, mine, foreign] = edge.script.requests
    assert "They greeted." in texts(mine.messages)[0][1]
    assert texts(foreign.messages) == [(Role.USER, "Go on")]


async def test_a_compaction_trigger_yields_one_compaction_item(edge: Edge) -> None:
    asked: Any = [{"role": "user", "content": "Hello"}, {"type": "compaction_trigger"}]
    async with client_of(edge) as client:
        stream: Any = await client.responses.create(
            model=MODEL, input=asked, stream=True, store=False, tools=[WEATHER]
        )
        events: list[Any] = [event async for event in stream]

    done = [event.item.type for event in events if event.type == "response.output_item.done"]
    assert done == ["compaction"]
    assert events[-1].type == "response.completed"
    assert edge.script.requests[0].tools == ()


async def test_addresses_with_a_slash_at_the_end_or_without_a_version_work(edge: Edge) -> None:
    answer = await edge.client.post("/responses/", json={"model": MODEL, "input": "x"})

    assert answer.json()["object"] == "response"
