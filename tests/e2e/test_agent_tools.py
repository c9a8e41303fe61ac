"""Tools and JSON answers of Messages and Responses, as the official SDKs see them."""

from collections.abc import Callable
from typing import Any

import anthropic
import httpx2
import msgspec
import openai
import pydantic
import pytest

from tests.e2e.installation import Installation

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

Install = Callable[..., Installation]
MODEL = "grok-chat-fast"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
}
NAMES = ("get_weather", "get_tide")
BLOCK_TOOLS: Any = [{"name": name, "description": "d", "input_schema": SCHEMA} for name in NAMES]
ITEM_TOOLS: Any = [
    *({"type": "function", "name": name, "parameters": SCHEMA} for name in NAMES),
    {"type": "custom", "name": "patch", "description": "Takes a patch."},
]
CALL = "<tool_call><tool_name>{}</tool_name><parameters>{}</parameters></tool_call>"
LONG = " ".join(f"word{n}" for n in range(1000))
QUESTION: Any = {"role": "user", "content": "Weather and tides in Kiel?"}
WANTED = [("get_weather", {"city": "Kiel", "days": 2}), ("get_tide", {"city": "Kiel"})]


class City(pydantic.BaseModel):
    name: str
    people: int


@pytest.fixture
def here(install: Install) -> Installation:
    return install(accounts=2)


@pytest.fixture
def claude(here: Installation) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=here.url, api_key=here.key, max_retries=0)


@pytest.fixture
def gpt(here: Installation) -> openai.OpenAI:
    return here.client(max_retries=0)


def play(here: Installation, *answers: str) -> None:
    """Queue what the upstream says next, turn by turn, in about a second for the longest."""
    directives = [f"text={encode(answer)}; delay_ms=5; burst=20" for answer in answers]
    httpx2.post(f"{here.sim}/_sim/script", json={"directives": directives}).raise_for_status()


def block(*calls: tuple[str, Any]) -> str:
    written = (CALL.format(n, a if isinstance(a, str) else encode(a)) for n, a in calls)
    return f"<tool_calls>{''.join(written)}</tool_calls>"


def encode(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def ask_messages(client: anthropic.Anthropic, *, stream: bool, **options: Any) -> tuple[Any, int]:
    """Return the message, and in how many pieces the input of its calls came."""
    given = {"model": MODEL, "max_tokens": 20_000, "messages": [QUESTION], "tools": BLOCK_TOOLS}
    given |= options
    if not stream:
        return client.messages.create(**given), 1
    with client.messages.stream(**given) as events:
        pieces = sum(event.type == "input_json" for event in events)
        return events.get_final_message(), pieces


def ask_responses(client: openai.OpenAI, *, stream: bool, **options: Any) -> tuple[Any, list[str]]:
    """Return the response and the types of the events it came in."""
    given = {"model": MODEL, "input": [QUESTION], "tools": ITEM_TOOLS} | options
    if not stream:
        return client.responses.create(**given), []
    with client.responses.stream(**given) as events:
        kinds = [str(event.type) for event in events]
        return events.get_final_response(), kinds


def uses(message: Any) -> list[Any]:
    return [block for block in message.content if block.type == "tool_use"]


def calls(response: Any) -> list[Any]:
    return [item for item in response.output if item.type.endswith("_call")]


@pytest.mark.parametrize("stream", [False, True])
def test_messages_call_tools_in_several_turns(
    here: Installation, claude: anthropic.Anthropic, *, stream: bool
) -> None:
    play(here, "Let me look.\n" + block(*WANTED), block(("get_tide", {"city": LONG})), "Sunny.")

    first, _ = ask_messages(claude, stream=stream)
    results = [
        {"type": "tool_result", "tool_use_id": use.id, "content": f"{use.name}: fine"}
        for use in uses(first)
    ]
    history = [
        QUESTION,
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": results},
    ]
    second, pieces = ask_messages(claude, stream=stream, messages=history)
    failed = {
        "type": "tool_result",
        "tool_use_id": uses(second)[0].id,
        "content": "no such place",
        "is_error": True,
    }
    history += [
        {"role": "assistant", "content": second.content},
        {"role": "user", "content": [failed]},
    ]
    third, _ = ask_messages(claude, stream=stream, messages=history)

    assert first.content[0].text == "Let me look."
    assert [(use.name, use.input) for use in uses(first)] == WANTED
    assert (first.stop_reason, second.stop_reason) == ("tool_use", "tool_use")
    assert [use.input for use in second.content] == [{"city": LONG}]
    assert not stream or pieces > 10
    assert (third.content[0].text, third.stop_reason) == ("Sunny.", "end_turn")
    assert all(m.usage.input_tokens and m.usage.output_tokens for m in (first, second, third))
    assert second.usage.input_tokens > first.usage.input_tokens
    assert here.ledger()["violations"] == []


@pytest.mark.parametrize("stream", [False, True])
def test_messages_choice_is_enforced(
    here: Installation, claude: anthropic.Anthropic, *, stream: bool
) -> None:
    forced = {"type": "tool", "name": "get_tide"}
    play(here, "I could ask.", block(("get_tide", {"city": "Kiel"})))
    met, _ = ask_messages(claude, stream=stream, tool_choice=forced)
    play(here, "Just text.", block(*WANTED), "No.", "Never.")
    none, _ = ask_messages(claude, stream=stream, tool_choice={"type": "none"})
    one, _ = ask_messages(
        claude, stream=stream, tool_choice={"type": "auto", "disable_parallel_tool_use": True}
    )
    with pytest.raises(anthropic.BadRequestError, match="does not call the function get_tide"):
        ask_messages(claude, stream=stream, tool_choice=forced)

    assert [use.name for use in met.content] == ["get_tide"]
    assert [part.type for part in none.content] == ["text"]
    assert [use.name for use in uses(one)] == ["get_weather"]


@pytest.mark.parametrize("stream", [False, True])
def test_responses_call_tools_in_several_turns(
    here: Installation, gpt: openai.OpenAI, *, stream: bool
) -> None:
    patch = '*** Begin Patch\n+ <b>"ü" 👋</b>\n*** End Patch'
    custom = f"<tool_call><tool_name>patch</tool_name><input>\n{patch}\n</input></tool_call>"
    play(
        here,
        "Let me look.\n" + block(*WANTED),
        f"<tool_calls>{custom}</tool_calls>",
        block(("get_tide", {"city": LONG})),
        "Sunny.",
    )

    def follow(response: Any) -> tuple[Any, list[str]]:
        outputs = [
            {
                "type": f"{call.type}_output",
                "call_id": call.call_id,
                "output": f"{call.name}: fine",
            }
            for call in calls(response)
        ]
        return ask_responses(gpt, stream=stream, input=outputs, previous_response_id=response.id)

    first, _ = ask_responses(gpt, stream=stream)
    second, of_custom = follow(first)
    third, kinds = follow(second)
    fourth, _ = follow(third)

    assert first.output_text == "Let me look."
    assert [(c.name, msgspec.json.decode(c.arguments)) for c in calls(first)] == WANTED
    assert [(c.type, c.name, c.input) for c in second.output] == [
        ("custom_tool_call", "patch", patch)
    ]
    assert [msgspec.json.decode(c.arguments) for c in calls(third)] == [{"city": LONG}]
    assert fourth.output_text == "Sunny."
    assert {r.status for r in (first, second, third, fourth)} == {"completed"}
    assert all(r.usage.total_tokens for r in (first, second, third, fourth))
    assert third.usage.input_tokens > first.usage.input_tokens
    if stream:
        assert "response.custom_tool_call_input.done" in of_custom
        assert kinds.count("response.function_call_arguments.delta") > 10
        assert kinds[-1] == "response.completed"
    assert here.ledger()["violations"] == []


@pytest.mark.parametrize("stream", [False, True])
def test_responses_choice_is_enforced(
    here: Installation, gpt: openai.OpenAI, *, stream: bool
) -> None:
    forced = {"type": "function", "name": "get_tide"}
    play(here, "I could ask.", block(("get_tide", {"city": "Kiel"})))
    met, _ = ask_responses(gpt, stream=stream, tool_choice=forced)
    play(here, "Just text.", block(*WANTED), "No.", "Never.")
    none, _ = ask_responses(gpt, stream=stream, tool_choice="none")
    one, _ = ask_responses(gpt, stream=stream, parallel_tool_calls=False)
    with pytest.raises(openai.BadRequestError) as refused:
        ask_responses(gpt, stream=stream, tool_choice=forced)

    assert [item.name for item in met.output] == ["get_tide"]
    assert (none.output_text, calls(none)) == ("Just text.", [])
    assert [call.name for call in calls(one)] == ["get_weather"]
    assert refused.value.code == "tool_call_required_failed"


@pytest.mark.parametrize("stream", [False, True])
def test_responses_answer_in_the_form_of_a_schema(
    here: Installation, gpt: openai.OpenAI, *, stream: bool
) -> None:
    def parse() -> Any:
        given: Any = {"model": MODEL, "input": "Kiel?", "text_format": City}
        if not stream:
            return gpt.responses.parse(**given).output_parsed
        with gpt.responses.stream(**given) as events:
            return events.get_final_response().output_parsed

    play(here, 'Sure:\n```json\n{"name": "Kiel", "people": "247000",}\n```')
    assert parse() == City(name="Kiel", people=247_000)
    play(here, '{"name": "Kiel"}', '{"name": "Kiel", "people": 1}')
    assert parse() == City(name="Kiel", people=1)
    play(here, "No.", "Never.")
    with pytest.raises(openai.BadRequestError) as refused:
        parse()
    assert refused.value.code == "structured_output_failed"


@pytest.mark.parametrize("stream", [False, True])
def test_messages_answer_in_the_form_of_a_schema(
    here: Installation, claude: anthropic.Anthropic, *, stream: bool
) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    form = {"format": {"type": "json_schema", "schema": schema}}
    play(here, "Well.", '{"n": 3}')

    answer, _ = ask_messages(claude, stream=stream, output_config=form, tools=[])

    assert msgspec.json.decode(answer.content[0].text) == {"n": 3}


def test_tools_that_make_no_sense_are_refused_by_name_in_every_dialect(
    here: Installation, claude: anthropic.Anthropic, gpt: openai.OpenAI
) -> None:
    bad = {"type": "thing"}
    chat_tool: Any = {"type": "function", "function": {"name": "f", "parameters": bad}}
    with pytest.raises(openai.BadRequestError) as of_chat:
        gpt.chat.completions.create(model=MODEL, messages=[QUESTION], tools=[chat_tool])
    item_tool: Any = {"type": "function", "name": "f", "parameters": bad, "strict": False}
    with pytest.raises(openai.BadRequestError) as of_responses:
        gpt.responses.create(model=MODEL, input="Hi", tools=[item_tool])
    form: Any = {"format": {"type": "json_schema", "name": "n", "schema": bad}}
    with pytest.raises(openai.BadRequestError) as of_format:
        gpt.responses.create(model=MODEL, input="Hi", text=form)
    with pytest.raises(openai.BadRequestError) as of_choice:
        gpt.responses.create(
            model=MODEL,
            input="Hi",
            tools=ITEM_TOOLS,
            tool_choice={"type": "function", "name": "none"},
        )
    with pytest.raises(anthropic.BadRequestError) as of_messages:
        ask_messages(claude, stream=True, tools=[{"name": "f", "input_schema": bad}])

    assert of_chat.value.param == "tools[0].function.parameters"
    assert of_responses.value.param == "tools[0].parameters"
    assert of_format.value.param == "text.format.schema"
    assert of_choice.value.param == "tool_choice"
    assert "tools[0].input_schema" in of_messages.value.message
    assert sum(account["calls"] for account in here.ledger()["accounts"].values()) == 0
