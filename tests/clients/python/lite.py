"""LiteLLM; the argument says which of the APIs it speaks."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # noqa: TID251 - else it downloads one

import asyncio
import json  # noqa: TID251 - runs where the gateway's own packages are not installed
from typing import Any

import litellm
from driver import ABOUT, API, CITY, KEY, PLACE, URL, WEATHER, Asked, data_url, refusal, serve

TOOLS = [
    {"type": "function", "function": {"name": WEATHER, "description": ABOUT, "parameters": PLACE}}
]
IS_ANTHROPIC = API == "messages"


def ask(asked: Asked, act: Any = litellm.completion, **options: Any) -> Any:
    given = {"messages": [{"role": "user", "content": asked["prompt"]}], "api_key": KEY} | options
    if IS_ANTHROPIC:
        return act(model=f"anthropic/{asked['model']}", api_base=URL, max_tokens=4000, **given)
    return act(model=f"openai/{asked['model']}", api_base=f"{URL}/v1", **given)


def shape(answer: Any) -> dict[str, Any]:
    message = answer.choices[0].message
    return {
        "text": message.content,
        "reasoning": getattr(message, "reasoning_content", None) or "",
        "input": answer.usage.prompt_tokens,
        "output": answer.usage.completion_tokens,
    }


def fold(asked: Asked, **options: Any) -> tuple[Any, int]:
    """Stream; return what the chunks make together and how many of them had text."""
    usage = {"stream_options": {"include_usage": True}}
    chunks = list(ask(asked, stream=True, **usage, **options))
    pieces = sum(bool(c.choices and c.choices[0].delta.content) for c in chunks)
    return litellm.stream_chunk_builder(chunks), pieces


def streamed(asked: Asked, **options: Any) -> dict[str, Any]:
    whole, pieces = fold(asked, **options)
    return shape(whole) | {"pieces": pieces}


def two_turns(asked: Asked, *, stream: bool) -> dict[str, Any]:
    def turn(**options: Any) -> Any:
        answer = fold(asked, **options)[0] if stream else ask(asked, **options)
        return answer.choices[0].message

    first = turn(tools=TOOLS)
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": asked["result"]}
        for call in first.tool_calls
    ]
    history = [{"role": "user", "content": asked["prompt"]}, first.model_dump(), *results]
    second = turn(tools=TOOLS, messages=history)
    calls = [[c.function.name, json.loads(c.function.arguments)] for c in first.tool_calls]
    return {"calls": calls, "text": second.content}


async def leave(asked: Asked) -> bool:
    chunks = await ask(asked, litellm.acompletion, stream=True)
    async for chunk in chunks:
        if chunk.choices[0].delta.content:
            break
    await chunks.aclose()
    return True


def show(asked: Asked) -> Any:
    picture = {"type": "image_url", "image_url": {"url": data_url(asked)}}
    parts = [{"type": "text", "text": asked["prompt"]}, picture]
    return ask(asked, messages=[{"role": "user", "content": parts}])


def structured(asked: Asked) -> Any:
    json_schema = {"name": "city", "schema": CITY, "strict": True}
    answer = ask(asked, response_format={"type": "json_schema", "json_schema": json_schema})
    return json.loads(answer.choices[0].message.content)


THINKING: dict[str, Any] = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
OPTIONS = THINKING if IS_ANTHROPIC else {}

serve(
    ["litellm"],
    {
        "whole": lambda asked: shape(ask(asked)),
        "streamed": streamed,
        "tools": lambda asked: two_turns(asked, stream=False),
        "tools_streamed": lambda asked: two_turns(asked, stream=True),
        "reasoning": lambda asked: shape(ask(asked, **OPTIONS)),
        "reasoning_streamed": lambda asked: streamed(asked, **OPTIONS),
        "structured": structured,
        "image": lambda asked: shape(show(asked)),
        "unknown_model": lambda asked: refusal(lambda: ask(asked)),
        "wrong_key": lambda asked: refusal(lambda: ask(asked, api_key="sk-wrong")),
        "cancelled": lambda asked: asyncio.run(leave(asked)),
        "broken": lambda asked: refusal(lambda: fold(asked)),
        "retried": lambda asked: shape(ask(asked)),
        "hopeless": lambda asked: refusal(lambda: ask(asked)),
    },
)
