"""Tools and JSON answers as the official SDK sees them, over real sockets, through workers."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import httpx2
import msgspec
import openai
import pydantic
import pytest

from tests.e2e.installation import Installation

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

Install = Callable[..., Installation]
MODEL = "grok-chat-fast"
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
}
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {"name": name, "description": "d", "parameters": PARAMETERS},
    }
    for name in ("get_weather", "get_tide")
]
CALL = "<tool_call><tool_name>{}</tool_name><parameters>{}</parameters></tool_call>"


@pytest.fixture
def here(install: Install, request: pytest.FixtureRequest) -> Iterator[Installation]:
    protocol = getattr(request, "param", "websocket")
    running = install(accounts=2, settings={"GROK_UPSTREAM_CHAT_TRANSPORT": protocol})
    yield running
    assert running.ledger()["violations"] == []
    assert running.open_leases() == 0


def play(here: Installation, *answers: str) -> None:
    """Queue what the upstream says next, turn by turn."""
    directives = [f"text={msgspec.json.encode(answer).decode()}" for answer in answers]
    httpx2.post(f"{here.sim}/_sim/script", json={"directives": directives}).raise_for_status()


def block(*calls: tuple[str, str]) -> str:
    return f"<tool_calls>{''.join(CALL.format(*call) for call in calls)}</tool_calls>"


class Turn(msgspec.Struct):
    """An answer, however it came."""

    text: str
    calls: list[tuple[str, str, str]]
    reason: str
    pieces: int = 1

    def message(self) -> dict[str, Any]:
        calls = [
            {"id": i, "type": "function", "function": {"name": name, "arguments": arguments}}
            for i, name, arguments in self.calls
        ]
        return {"role": "assistant", "content": self.text or None, "tool_calls": calls}


def ask(here: Installation, messages: Iterable[Any], *, stream: bool, **options: Any) -> Turn:
    options = {"model": MODEL, "messages": list(messages), "tools": TOOLS} | options
    client = here.client(max_retries=0)
    pieces = 1
    if stream:
        with client.chat.completions.stream(**options) as events:
            pieces = sum(event.type == "tool_calls.function.arguments.delta" for event in events)
            choice: Any = events.get_final_completion().choices[0]
    else:
        choice = client.chat.completions.create(**options).choices[0]
    calls = [(c.id, c.function.name, c.function.arguments) for c in choice.message.tool_calls or ()]
    return Turn(choice.message.content or "", calls, choice.finish_reason, pieces)


HELLO = {"role": "user", "content": "Weather and tides in Kiel?"}


@pytest.mark.parametrize("here", ["websocket", "http"], indirect=True)
@pytest.mark.parametrize("stream", [False, True])
def test_several_turns_with_parallel_calls(here: Installation, *, stream: bool) -> None:
    play(
        here,
        "Let me look.\n"
        + block(("get_weather", '{"city":"Kiel","days":"2"}'), ("get_tide", '{"city":"Kiel"}')),
        block(("get_weather", '{"city":"Kíel 👋 </parameters>"}')),
        "It is sunny.",
    )

    first = ask(here, [HELLO], stream=stream)
    results = [
        {"role": "tool", "tool_call_id": call_id, "content": f"{name}: fine"}
        for call_id, name, _ in first.calls
    ]
    history = [HELLO, first.message(), *results]
    second = ask(here, history, stream=stream)
    result = {"role": "tool", "tool_call_id": second.calls[0][0], "content": "sunny"}
    third = ask(here, [*history, second.message(), result], stream=stream)

    assert (first.text, first.reason) == ("Let me look.", "tool_calls")
    assert [(name, arguments) for _, name, arguments in first.calls] == [
        ("get_weather", '{"city":"Kiel","days":2}'),
        ("get_tide", '{"city":"Kiel"}'),
    ]
    assert len({call_id for call_id, _, _ in first.calls}) == 2
    assert second.text == ""
    assert msgspec.json.decode(second.calls[0][2]) == {"city": "Kíel 👋 </parameters>"}
    assert third == Turn("It is sunny.", [], "stop", third.pieces)


def test_large_arguments_are_streamed_in_pieces(here: Installation) -> None:
    text = " ".join(f"word{n}" for n in range(1000))
    play(here, block(("get_tide", msgspec.json.encode({"city": text}).decode())))

    turn = ask(here, [HELLO], stream=True)

    assert msgspec.json.decode(turn.calls[0][2]) == {"city": text}
    assert turn.pieces > 10


@pytest.mark.parametrize("stream", [False, True])
def test_required_call_is_asked_for_twice(here: Installation, *, stream: bool) -> None:
    forced = {"type": "function", "function": {"name": "get_tide"}}
    play(here, "I could ask.", block(("get_tide", '{"city":"Kiel"}')))

    turn = ask(here, [HELLO], stream=stream, tool_choice=forced)

    assert turn.text == ""
    assert [name for _, name, _ in turn.calls] == ["get_tide"]

    play(here, "No.", block(("get_weather", '{"city":"Kiel"}')))
    with pytest.raises(openai.BadRequestError) as refused:
        ask(here, [HELLO], stream=stream, tool_choice=forced)
    assert refused.value.code == "tool_call_required_failed"


@pytest.mark.parametrize("stream", [False, True])
def test_no_call_where_none_is_allowed(here: Installation, *, stream: bool) -> None:
    play(here, "Just text.", block(("get_tide", "{}"), ("get_weather", "{}")))

    none = ask(here, [HELLO], stream=stream, tool_choice="none")
    one = ask(here, [HELLO], stream=stream, parallel_tool_calls=False)

    assert (none.text, none.calls, none.reason) == ("Just text.", [], "stop")
    assert [name for _, name, _ in one.calls] == ["get_tide"]


@pytest.mark.parametrize("stream", [False, True])
def test_malformed_and_unknown_calls_are_what_was_said(here: Installation, *, stream: bool) -> None:
    said = f"Well. {block(('fly', '{}'), ('get_tide', '{not json}'))} <tool_ca"
    play(here, said)

    turn = ask(here, [HELLO], stream=stream)

    assert (turn.text, turn.calls, turn.reason) == (said, [], "stop")


class City(pydantic.BaseModel):
    """What the SDK makes a strict schema of."""

    name: str
    people: int


@pytest.mark.parametrize("stream", [False, True])
def test_structured_output_is_parsed_by_the_sdk(here: Installation, *, stream: bool) -> None:
    client = here.client(max_retries=0)
    options: Any = {"model": MODEL, "messages": [HELLO], "response_format": City}

    def parse() -> Any:
        if not stream:
            return client.chat.completions.parse(**options).choices[0].message.parsed
        with client.chat.completions.stream(**options) as events:
            return events.get_final_completion().choices[0].message.parsed

    play(here, 'Sure:\n```json\n{"name": "Kiel", "people": "247000",}\n```')
    assert parse() == City(name="Kiel", people=247_000)
    play(here, '{"name": "Kiel"}', '{"name": "Kiel", "people": 1}')
    assert parse() == City(name="Kiel", people=1)
    play(here, "No.", "Never.")
    with pytest.raises(openai.BadRequestError) as refused:
        parse()
    assert refused.value.code == "structured_output_failed"
