"""LangChain; the argument says which of the APIs its model speaks."""

from typing import Any

from driver import ABOUT, API, CITY, KEY, PLACE, URL, WEATHER, Asked, refusal, serve
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI

TOOLS = [
    {"type": "function", "function": {"name": WEATHER, "description": ABOUT, "parameters": PLACE}}
]
THINKING: dict[str, Any] = {
    "chat": {},
    "responses": {"reasoning": {"summary": "auto"}},
    "messages": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
}


def open_model(asked: Asked, key: str = KEY, **options: Any) -> Any:
    if API == "messages":
        return ChatAnthropic(
            model=asked["model"], base_url=URL, api_key=key, max_tokens=4000, **options
        )
    is_new = API == "responses"
    return ChatOpenAI(
        model=asked["model"],
        base_url=f"{URL}/v1",
        api_key=key,
        use_responses_api=is_new,
        stream_usage=True,
        output_version="responses/v1" if is_new else None,
        **options,
    )


def shape(message: Any) -> dict[str, Any]:
    thoughts = [b for b in message.content_blocks if b["type"] == "reasoning"]
    return {
        "text": message.text,
        "reasoning": "".join(block.get("reasoning", "") for block in thoughts),
        "input": message.usage_metadata["input_tokens"],
        "output": message.usage_metadata["output_tokens"],
    }


def fold(model: Any, messages: Any) -> tuple[Any, int]:
    """Stream; return the sum of the chunks and how many of them had text."""
    whole, pieces = None, 0
    for chunk in model.stream(messages):
        whole = chunk if whole is None else whole + chunk
        pieces += bool(chunk.text)
    return whole, pieces


def streamed(asked: Asked, **options: Any) -> dict[str, Any]:
    whole, pieces = fold(open_model(asked, **options), asked["prompt"])
    return shape(whole) | {"pieces": pieces}


def two_turns(asked: Asked, *, stream: bool) -> dict[str, Any]:
    model = open_model(asked).bind_tools(TOOLS)

    def ask(messages: Any) -> Any:
        return fold(model, messages)[0] if stream else model.invoke(messages)

    history: list[Any] = [HumanMessage(asked["prompt"])]
    first = ask(history)
    results = [ToolMessage(asked["result"], tool_call_id=call["id"]) for call in first.tool_calls]
    second = ask([*history, first, *results])
    calls = [[call["name"], call["args"]] for call in first.tool_calls]
    return {"calls": calls, "text": second.text}


def cancelled(asked: Asked) -> bool:
    chunks = open_model(asked).stream(asked["prompt"])
    while not next(chunks).text:
        pass
    chunks.close()
    return True


def ask(asked: Asked, **options: Any) -> Any:
    return open_model(asked, **options).invoke(asked["prompt"])


def show(asked: Asked) -> Any:
    picture: Any = {"type": "image", "base64": asked["image"], "mime_type": "image/png"}
    said = HumanMessage(content_blocks=[{"type": "text", "text": asked["prompt"]}, picture])
    return open_model(asked).invoke([said])


def structured(asked: Asked) -> Any:
    schema = {"title": "city", "description": "A city.", **CITY}
    return (
        open_model(asked)
        .with_structured_output(schema, method="json_schema")
        .invoke(asked["prompt"])
    )


serve(
    ["langchain-anthropic" if API == "messages" else "langchain-openai"],
    {
        "whole": lambda asked: shape(ask(asked)),
        "streamed": streamed,
        "tools": lambda asked: two_turns(asked, stream=False),
        "tools_streamed": lambda asked: two_turns(asked, stream=True),
        "reasoning": lambda asked: shape(ask(asked, **THINKING[API])),
        "reasoning_streamed": lambda asked: streamed(asked, **THINKING[API]),
        "structured": structured,
        "image": lambda asked: shape(show(asked)),
        "unknown_model": lambda asked: refusal(lambda: ask(asked)),
        "wrong_key": lambda asked: refusal(lambda: ask(asked, key="sk-wrong")),
        "cancelled": cancelled,
        "broken": lambda asked: refusal(lambda: fold(open_model(asked), asked["prompt"])),
        "retried": lambda asked: shape(ask(asked)),
        "hopeless": lambda asked: refusal(lambda: ask(asked)),
    },
)
