"""The official SDK for the Messages API."""

from typing import Any

import anthropic
from driver import ABOUT, KEY, PLACE, URL, WEATHER, Asked, refusal, serve
from pydantic import BaseModel

CLIENT = anthropic.Anthropic(base_url=URL, api_key=KEY)
TOOLS: Any = [{"name": WEATHER, "description": ABOUT, "input_schema": PLACE}]
THINKING: Any = {"type": "enabled", "budget_tokens": 1024}


class City(BaseModel):
    """What the SDK makes a schema of."""

    name: str
    people: int


def body(asked: Asked, **options: Any) -> Any:
    messages = [{"role": "user", "content": asked["prompt"]}]
    return {"model": asked["model"], "max_tokens": 4000, "messages": messages} | options


def ask(asked: Asked, client: anthropic.Anthropic = CLIENT, **options: Any) -> Any:
    return client.messages.create(**body(asked, **options))


def fold(asked: Asked, **options: Any) -> tuple[Any, int]:
    with CLIENT.messages.stream(**body(asked, **options)) as events:
        pieces = sum(event.type == "text" for event in events)
        return events.get_final_message(), pieces


def shape(message: Any) -> dict[str, Any]:
    return {
        "text": "".join(b.text for b in message.content if b.type == "text"),
        "reasoning": "".join(b.thinking for b in message.content if b.type == "thinking"),
        "input": message.usage.input_tokens,
        "output": message.usage.output_tokens,
    }


def streamed(asked: Asked, **options: Any) -> dict[str, Any]:
    message, pieces = fold(asked, **options)
    return shape(message) | {"pieces": pieces}


def two_turns(asked: Asked, *, stream: bool) -> dict[str, Any]:
    question = {"role": "user", "content": asked["prompt"]}

    def turn(*messages: Any) -> Any:
        given: Any = {"tools": TOOLS, "messages": [question, *messages]}
        return fold(asked, **given)[0] if stream else ask(asked, **given)

    first = turn()
    calls = [block for block in first.content if block.type == "tool_use"]
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": asked["result"]}
        for call in calls
    ]
    said = {"role": "assistant", "content": first.content}
    second = turn(said, {"role": "user", "content": results})
    return {"calls": [[call.name, call.input] for call in calls], "text": shape(second)["text"]}


def structured(asked: Asked) -> Any:
    answer: Any = CLIENT.messages.parse(**body(asked, output_format=City))
    return answer.parsed_output.model_dump()


def show(asked: Asked) -> Any:
    source = {"type": "base64", "media_type": "image/png", "data": asked["image"]}
    blocks = [{"type": "image", "source": source}, {"type": "text", "text": asked["prompt"]}]
    return ask(asked, messages=[{"role": "user", "content": blocks}])


def leave(asked: Asked) -> bool:
    with ask(asked, stream=True) as events:
        return any(event.type == "content_block_delta" for event in events)


STRANGER = CLIENT.with_options(api_key="sk-wrong")

serve(
    ["anthropic"],
    {
        "whole": lambda asked: shape(ask(asked)),
        "streamed": streamed,
        "tools": lambda asked: two_turns(asked, stream=False),
        "tools_streamed": lambda asked: two_turns(asked, stream=True),
        "reasoning": lambda asked: shape(ask(asked, thinking=THINKING)),
        "reasoning_streamed": lambda asked: streamed(asked, thinking=THINKING),
        "structured": structured,
        "image": lambda asked: shape(show(asked)),
        "unknown_model": lambda asked: refusal(lambda: ask(asked)),
        "wrong_key": lambda asked: refusal(lambda: ask(asked, STRANGER)),
        "cancelled": leave,
        "broken": lambda asked: refusal(lambda: fold(asked)),
        "retried": lambda asked: shape(ask(asked)),
        "hopeless": lambda asked: refusal(lambda: ask(asked)),
    },
)
