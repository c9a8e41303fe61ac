"""The Messages API as the official Python SDK uses it, over a real socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import httpx2
import pytest

from grok2api.domain.chat import (
    Citation,
    EventBatch,
    Finished,
    FinishReason,
    ImagePart,
    Message,
    ReasoningDelta,
    Role,
    SearchCall,
    SearchKind,
    SearchStatus,
    Source,
    TextDelta,
    TextPart,
    ToolArguments,
    ToolCall,
    ToolCallEnded,
    ToolCallStarted,
)
from grok2api.domain.ids import AccountId
from grok2api.errors import InvalidRequestError, NoAccountAvailableError
from tests.web.conftest import API_KEY, MODEL, Edge

WEATHER: Any = {
    "name": "get_weather",
    "description": "Tell the weather.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
    "AABJRU5ErkJggg=="
)


class Counted:
    """A client of the SDK that counts the requests it really sends."""

    def __init__(self) -> None:
        self.requests = 0

    async def count(self, request: httpx2.Request) -> None:
        self.requests += 1

    @asynccontextmanager
    async def client(self, edge: Edge, **options: Any) -> AsyncIterator[anthropic.AsyncAnthropic]:
        async with (
            httpx2.AsyncClient(event_hooks={"request": [self.count]}, timeout=20) as http,
            anthropic.AsyncAnthropic(
                base_url=edge.url, api_key=API_KEY, http_client=http, **options
            ) as client,
        ):
            yield client


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
async def client(edge: Edge, counted: Counted) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with counted.client(edge) as made:
        yield made


def ask(text: str = "Hello") -> Any:
    return [{"role": "user", "content": text}]


async def answer_of(client: anthropic.AsyncAnthropic, *, is_streamed: bool, **given: Any) -> Any:
    """Return the whole message, whichever way it comes."""
    if not is_streamed:
        return await client.messages.create(**given)
    async with client.messages.stream(**given) as stream:
        return await stream.get_final_message()


async def think() -> AsyncIterator[EventBatch]:
    yield [ReasoningDelta("First "), ReasoningDelta("this.")]
    yield [TextDelta("Then that."), Finished()]


async def call_twice() -> AsyncIterator[EventBatch]:
    yield [TextDelta("Let me look."), ToolCallStarted(0, "call_1", "get_weather")]
    yield [ToolArguments(0, '{"city"'), ToolArguments(0, ': "Köln'), ToolArguments(0, '"}')]
    yield [ToolCallEnded(0), ToolCallStarted(1, "call_2", "get_weather")]
    yield [ToolArguments(1, '{"city": "Rom"}'), ToolCallEnded(1)]
    yield [Finished(FinishReason.TOOL_CALLS)]


async def search() -> AsyncIterator[EventBatch]:
    page = Source("https://example.org/w", "Water")
    yield [SearchCall("s1", SearchKind.WEB, "water", SearchStatus.IN_PROGRESS)]
    yield [SearchCall("s1", SearchKind.WEB, "water", SearchStatus.COMPLETED, (page,))]
    yield [TextDelta("It is wet [1]"), Citation(1, page.url, page.title, 10, 13), Finished()]


async def test_create(client: anthropic.AsyncAnthropic) -> None:
    answer = await client.messages.create(model=MODEL, max_tokens=1000, messages=ask())

    [block] = answer.content
    assert block.type == "text"
    assert block.text == "Hello there"
    assert (answer.role, answer.model, answer.stop_reason) == ("assistant", MODEL, "end_turn")
    assert answer._request_id


async def test_stream_helper(client: anthropic.AsyncAnthropic) -> None:
    async with client.messages.stream(model=MODEL, max_tokens=1000, messages=ask()) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        final = await stream.get_final_message()

    assert text == "Hello there"
    assert final.stop_reason == "end_turn"
    assert final.usage.input_tokens > 0
    assert final.usage.output_tokens > 0


async def test_thinking_goes_out_and_comes_back(
    edge: Edge, client: anthropic.AsyncAnthropic
) -> None:
    edge.script.play = think
    thinking: Any = {"type": "enabled", "budget_tokens": 1024}
    given: Any = {"model": MODEL, "max_tokens": 2000, "thinking": thinking}

    whole = await answer_of(client, is_streamed=False, messages=ask(), **given)
    streamed = await answer_of(client, is_streamed=True, messages=ask(), **given)
    for answer in (whole, streamed):
        again = [*ask(), {"role": "assistant", "content": answer.content}, *ask("And?")]
        await client.messages.create(messages=again, **given)

    thoughts = [answer.content[0] for answer in (whole, streamed)]
    assert thoughts[0] == thoughts[1]
    assert thoughts[0].type == "thinking"
    assert thoughts[0].thinking == "First this."
    assert thoughts[0].signature
    replayed = edge.script.requests[-1].messages[1]
    assert replayed == Message(Role.ASSISTANT, (TextPart("Then that."),))


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_tools_over_several_turns(
    edge: Edge, client: anthropic.AsyncAnthropic, *, is_streamed: bool
) -> None:
    edge.script.play = call_twice
    given: Any = {"model": MODEL, "max_tokens": 1000, "tools": [WEATHER]}
    history = ask("How is the weather?")
    for turn in range(2):
        answer = await answer_of(client, is_streamed=is_streamed, messages=history, **given)
        calls = [block for block in answer.content if block.type == "tool_use"]
        assert answer.stop_reason == "tool_use"
        assert [call.input for call in calls] == [{"city": "Köln"}, {"city": "Rom"}]
        results = [
            {
                "type": "tool_result",
                "tool_use_id": call.id,
                "content": [{"type": "text", "text": f"{turn}: {call.input['city']}"}],
                "is_error": call is calls[1],
            }
            for call in calls
        ]
        content = [*results, {"type": "text", "text": "Go on."}]
        history += [
            {"role": "assistant", "content": answer.content},
            {"role": "user", "content": content},
        ]
    await client.messages.create(messages=history, **given)

    request = edge.script.requests[-1]
    assert [tool.name for tool in request.tools] == ["get_weather"]
    assert request.messages[-4:] == (
        Message(
            Role.ASSISTANT,
            (TextPart("Let me look."),),
            (
                ToolCall("toolu_1", "get_weather", '{"city":"Köln"}'),
                ToolCall("toolu_2", "get_weather", '{"city":"Rom"}'),
            ),
        ),
        Message(Role.TOOL, (TextPart("1: Köln"),), tool_call_id="toolu_1"),
        Message(Role.TOOL, (TextPart("1: Rom"),), tool_call_id="toolu_2", is_error=True),
        Message(Role.USER, (TextPart("Go on."),)),
    )


async def test_web_search_is_shown_as_the_servers_own(
    edge: Edge, client: anthropic.AsyncAnthropic
) -> None:
    edge.script.play = search
    tools: Any = [{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}]

    async with client.messages.stream(
        model=MODEL, max_tokens=1000, messages=ask(), tools=tools
    ) as stream:
        answer = await stream.get_final_message()

    used, found, text = answer.content
    assert used.type == "server_tool_use"
    assert used.input == {"query": "water"}
    assert found.type == "web_search_tool_result"
    assert isinstance(found.content, list)
    assert found.content[0].url == "https://example.org/w"
    assert text.type == "text"
    assert text.citations


async def test_images_arrive_in_their_place(edge: Edge, client: anthropic.AsyncAnthropic) -> None:
    content: Any = [
        {"type": "text", "text": "Before"},
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
        },
        {"type": "text", "text": "after"},
    ]
    messages: Any = [{"role": "user", "content": content}]

    await client.messages.create(model=MODEL, max_tokens=1000, messages=messages)

    before, image, after = edge.script.requests[0].messages[0].parts
    assert (before, after) == (TextPart("Before"), TextPart("after"))
    [file] = edge.script.requests[0].files
    assert image == ImagePart(file.ref)
    assert file.media_type == "image/png"


async def test_refused_request_is_sent_once(
    edge: Edge, client: anthropic.AsyncAnthropic, counted: Counted
) -> None:
    async def refuse() -> AsyncIterator[EventBatch]:
        yield []
        raise InvalidRequestError("Image input is not supported yet.", param="messages")

    edge.script.play = refuse
    with pytest.raises(anthropic.BadRequestError, match="Image input") as refused:
        await client.messages.create(model=MODEL, max_tokens=10, messages=ask())

    assert counted.requests == 1
    assert refused.value.request_id


async def test_wrong_key_and_unknown_model_are_what_the_sdk_calls_so(
    client: anthropic.AsyncAnthropic, counted: Counted
) -> None:
    with pytest.raises(anthropic.AuthenticationError):
        await client.with_options(api_key="sk-wrong").messages.create(
            model=MODEL, max_tokens=10, messages=ask()
        )
    with pytest.raises(anthropic.NotFoundError):
        await client.messages.create(model="claude-x", max_tokens=10, messages=ask())

    assert counted.requests == 2


async def test_overload_is_529_and_repeated_as_often_as_the_sdk_says(
    edge: Edge, counted: Counted
) -> None:
    async def refuse() -> AsyncIterator[EventBatch]:
        yield []
        raise NoAccountAvailableError("All are busy.", retry_after_s=0.01)

    edge.script.play = refuse
    async with counted.client(edge, max_retries=3) as client:
        with pytest.raises(anthropic.InternalServerError) as refused:
            await client.messages.create(model=MODEL, max_tokens=10, messages=ask())

    assert refused.value.status_code == 529
    assert refused.value.response.headers["retry-after"] == "1"
    assert counted.requests == 4
    assert isinstance(refused.value.body, dict)
    assert refused.value.body["error"]["type"] == "overloaded_error"


async def test_pool_without_accounts_is_not_asked_again(
    edge: Edge, client: anthropic.AsyncAnthropic, counted: Counted
) -> None:
    await edge.store.remove(AccountId("acc_1"))

    with pytest.raises(anthropic.InternalServerError) as refused:
        await client.messages.create(model=MODEL, max_tokens=10, messages=ask())

    assert refused.value.status_code == 529
    assert counted.requests == 1


async def test_error_in_a_stream_is_raised(edge: Edge, client: anthropic.AsyncAnthropic) -> None:
    async def break_off() -> AsyncIterator[EventBatch]:
        yield [TextDelta("a")]
        raise InvalidRequestError("It broke off.")

    edge.script.play = break_off
    with pytest.raises(anthropic.APIStatusError, match="It broke off"):
        async with client.messages.stream(model=MODEL, max_tokens=1000, messages=ask()) as stream:
            await stream.get_final_message()


async def test_client_that_leaves_stops_the_upstream(
    edge: Edge, client: anthropic.AsyncAnthropic
) -> None:
    async def go_on() -> AsyncIterator[EventBatch]:
        while True:
            yield [TextDelta("more ")]

    edge.script.play = go_on
    async with client.messages.stream(
        model=MODEL, max_tokens=100_000_000, messages=ask()
    ) as stream:
        await anext(aiter(stream.text_stream))

    await edge.script.closed.wait()
    await edge.leases_are_free()


async def test_count_tokens(client: anthropic.AsyncAnthropic) -> None:
    counted = await client.messages.count_tokens(model=MODEL, messages=ask(), tools=[WEATHER])

    assert counted.input_tokens > 0


async def test_models_are_listed_and_found(client: anthropic.AsyncAnthropic) -> None:
    listed = [model async for model in client.models.list(limit=2)]
    found = await client.models.retrieve(MODEL)

    assert MODEL in [model.id for model in listed]
    assert (found.id, found.type) == (MODEL, "model")
    assert found.created_at.year >= 2025
