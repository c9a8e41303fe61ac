"""Tools over both protocols: the simulator writes a call as the prompt asks, we find it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from msgspec import structs

from grok2api.clock import SystemClock
from grok2api.domain.answer import Answer, AnswerFold
from grok2api.domain.chat import ChatRequest, EventBatch, FinishReason, Message, Role, TextPart
from grok2api.domain.tools import ChoiceKind, Tool, ToolChoice
from grok2api.providers.grok_web.client import GrokWebChat
from grok2api.providers.grok_web.options import ChatTransport
from tests.conformance.conftest import ROUTE, Counterpart, upstream_session

PROTOCOLS: tuple[ChatTransport, ...] = ("websocket", "http")
both_protocols = pytest.mark.parametrize("protocol", PROTOCOLS)
WEATHER = Tool("get_weather", "Weather of a city", {"properties": {"days": {"type": "integer"}}})


@asynccontextmanager
async def ask(
    counterpart: Counterpart, protocol: ChatTransport, text: str, choice: ToolChoice
) -> AsyncIterator[AsyncIterator[EventBatch]]:
    request = ChatRequest(
        model="m",
        messages=(Message(Role.USER, (TextPart(text),)),),
        tools=(WEATHER,),
        tool_choice=choice,
    )
    options = structs.replace(counterpart.options(), chat_transport=protocol)
    chat = GrokWebChat(counterpart.transport, options, SystemClock())
    async with chat.stream_chat(request, ROUTE, upstream_session()) as events:
        yield events


async def answer_of(
    counterpart: Counterpart,
    protocol: ChatTransport,
    directive: str,
    choice: ToolChoice = ToolChoice(),  # noqa: B008 - it cannot be changed
) -> Answer:
    fold = AnswerFold()
    async with ask(
        counterpart, protocol, f"Hi [[sim: {directive}]]" if directive else "Hi", choice
    ) as events:
        async for batch in events:
            assert batch
            fold.add(batch)
    return fold.answer()


@both_protocols
@pytest.mark.parametrize("framing", ["", "; chunk=1", "; burst=50", "; fragment=1"])
async def test_call_is_found(
    counterpart: Counterpart, protocol: ChatTransport, framing: str
) -> None:
    call = '"get_weather {\\"city\\":\\"Kiel </parameters>\\",\\"days\\":\\"2\\"}"'

    answer = await answer_of(counterpart, protocol, f"tool_call={call}{framing}")

    (found,) = answer.tool_calls
    assert found.id.startswith("call_")
    assert found.name == "get_weather"
    assert msgspec.json.decode(found.arguments) == {"city": "Kiel </parameters>", "days": 2}
    assert answer.finish_reason is FinishReason.TOOL_CALLS
    assert answer.text == ""
    assert (await counterpart.site.page("one"))["violations"] == []


@both_protocols
async def test_call_of_an_unknown_tool_is_text(
    counterpart: Counterpart, protocol: ChatTransport
) -> None:
    answer = await answer_of(counterpart, protocol, 'tool_call="fly {}"')

    assert answer.tool_calls == []
    assert answer.text.startswith("<tool_calls>")
    assert answer.text.endswith("</tool_calls>")
    assert answer.finish_reason is FinishReason.STOP


@both_protocols
async def test_call_is_text_where_none_is_allowed(
    counterpart: Counterpart, protocol: ChatTransport
) -> None:
    answer = await answer_of(
        counterpart, protocol, 'tool_call="get_weather {}"', ToolChoice(ChoiceKind.NONE)
    )

    assert answer.tool_calls == []
    assert answer.text.startswith("<tool_calls>")


@both_protocols
async def test_citations_cover_their_marks_beside_calls(
    counterpart: Counterpart, protocol: ChatTransport
) -> None:
    block = "<tool_calls><tool_call><tool_name>get_weather</tool_name></tool_call></tool_calls>"
    text = msgspec.json.encode(f"Tides{{cite:1}}.\n{block}\nMoon{{cite:2}}!").decode()
    # Queued: in the prompt it would be something that the model may quote.
    await counterpart.site.script(f"search=tides; text={text}")

    answer = await answer_of(counterpart, protocol, "")

    assert len(answer.tool_calls) == 1
    assert [mark.number for mark in answer.citations] == [1, 2]
    for mark in answer.citations:
        assert answer.text[mark.start : mark.end] == f"[[{mark.number}]]({mark.url})"


@both_protocols
async def test_block_that_the_user_wrote_is_no_call_when_it_is_quoted(
    counterpart: Counterpart, protocol: ChatTransport
) -> None:
    block = "<tool_calls><tool_call><tool_name>get_weather</tool_name></tool_call></tool_calls>"

    answer = await answer_of(counterpart, protocol, f"text=You wrote {block}")

    assert answer.tool_calls == []
    assert answer.text == f"You wrote {block}"
