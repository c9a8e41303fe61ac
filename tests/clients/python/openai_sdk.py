"""The official SDK; the argument says which of the two APIs is used."""

import json  # noqa: TID251 - what a user of the SDK would take
from typing import Any

import openai
from driver import ABOUT, API, KEY, PLACE, URL, WEATHER, Asked, data_url, refusal, serve
from pydantic import BaseModel

CLIENT = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY)
FUNCTION: dict[str, Any] = {"name": WEATHER, "description": ABOUT, "parameters": PLACE}


class City(BaseModel):
    """What the SDK makes a strict schema of."""

    name: str
    people: int


class Chat:
    """Chat Completions."""

    def create(self, asked: Asked, client: openai.OpenAI = CLIENT, **options: Any) -> Any:
        given: Any = {"messages": [{"role": "user", "content": asked["prompt"]}]} | options
        return client.chat.completions.create(model=asked["model"], **given)

    def stream(self, asked: Asked, **options: Any) -> tuple[Any, int]:
        given: Any = {"messages": [{"role": "user", "content": asked["prompt"]}]} | options
        usage: Any = {"include_usage": True}
        with CLIENT.chat.completions.stream(
            model=asked["model"], stream_options=usage, **given
        ) as events:
            pieces = sum(event.type == "content.delta" for event in events)
            return events.get_final_completion(), pieces

    def shape(self, answer: Any) -> dict[str, Any]:
        message = answer.choices[0].message
        return {
            "text": message.content,
            "reasoning": getattr(message, "reasoning_content", None) or "",
            "input": answer.usage.prompt_tokens,
            "output": answer.usage.completion_tokens,
        }

    def think(self, asked: Asked) -> dict[str, Any]:
        return self.shape(self.create(asked))

    def think_streamed(self, asked: Asked) -> dict[str, Any]:
        deltas = [c.choices[0].delta for c in self.create(asked, stream=True) if c.choices]
        thoughts = [getattr(delta, "reasoning_content", None) or "" for delta in deltas]
        return {"reasoning": "".join(thoughts), "text": "".join(d.content or "" for d in deltas)}

    def two_turns(self, asked: Asked, *, stream: bool) -> dict[str, Any]:
        def turn(*messages: Any) -> Any:
            said = [{"role": "user", "content": asked["prompt"]}, *messages]
            given: Any = {"tools": [{"type": "function", "function": FUNCTION}], "messages": said}
            answer = self.stream(asked, **given)[0] if stream else self.create(asked, **given)
            return answer.choices[0].message

        first = turn()
        results = [
            {"role": "tool", "tool_call_id": call.id, "content": asked["result"]}
            for call in first.tool_calls
        ]
        calls = [[c.function.name, json.loads(c.function.arguments)] for c in first.tool_calls]
        return {"calls": calls, "text": turn(first, *results).content}

    def show(self, asked: Asked) -> Any:
        picture = {"type": "image_url", "image_url": {"url": data_url(asked)}}
        parts = [{"type": "text", "text": asked["prompt"]}, picture]
        return self.create(asked, messages=[{"role": "user", "content": parts}])

    def structured(self, asked: Asked) -> Any:
        answer: Any = CLIENT.chat.completions.parse(
            model=asked["model"],
            messages=[{"role": "user", "content": asked["prompt"]}],
            response_format=City,
        )
        return answer.choices[0].message.parsed.model_dump()

    def leave(self, asked: Asked) -> bool:
        with self.create(asked, stream=True) as chunks:
            return any(chunk.choices[0].delta.content for chunk in chunks)

    def broken(self, asked: Asked) -> dict[str, Any]:
        seen: dict[str, Any] = refusal(lambda: self.stream(asked))
        return seen


class Responses:
    """The Responses API."""

    def create(self, asked: Asked, client: openai.OpenAI = CLIENT, **options: Any) -> Any:
        given: Any = {"input": asked["prompt"]} | options
        return client.responses.create(model=asked["model"], **given)

    def stream(self, asked: Asked, **options: Any) -> tuple[Any, int]:
        given: Any = {"input": asked["prompt"]} | options
        with CLIENT.responses.stream(model=asked["model"], **given) as events:
            pieces = sum(event.type == "response.output_text.delta" for event in events)
            return events.get_final_response(), pieces

    def shape(self, answer: Any) -> dict[str, Any]:
        thoughts = [part for i in answer.output if i.type == "reasoning" for part in i.summary]
        return {
            "text": answer.output_text,
            "reasoning": "".join(part.text for part in thoughts),
            "input": answer.usage.input_tokens,
            "output": answer.usage.output_tokens,
        }

    def think(self, asked: Asked) -> dict[str, Any]:
        return self.shape(self.create(asked, reasoning={"summary": "auto"}))

    def think_streamed(self, asked: Asked) -> dict[str, Any]:
        return self.shape(self.stream(asked, reasoning={"summary": "auto"})[0])

    def two_turns(self, asked: Asked, *, stream: bool) -> dict[str, Any]:
        tools = [{"type": "function", "strict": True, **FUNCTION}]

        def turn(**given: Any) -> Any:
            return self.stream(asked, **given)[0] if stream else self.create(asked, **given)

        first = turn(tools=tools)
        calls = [item for item in first.output if item.type == "function_call"]
        results = [
            {"type": "function_call_output", "call_id": c.call_id, "output": asked["result"]}
            for c in calls
        ]
        second = turn(tools=tools, input=results, previous_response_id=first.id)
        return {
            "calls": [[call.name, json.loads(call.arguments)] for call in calls],
            "text": second.output_text,
        }

    def show(self, asked: Asked) -> Any:
        picture = {"type": "input_image", "detail": "auto", "image_url": data_url(asked)}
        parts = [{"type": "input_text", "text": asked["prompt"]}, picture]
        return self.create(asked, input=[{"role": "user", "content": parts}])

    def structured(self, asked: Asked) -> Any:
        answer = CLIENT.responses.parse(
            model=asked["model"], input=asked["prompt"], text_format=City
        )
        assert answer.output_parsed is not None
        return answer.output_parsed.model_dump()

    def leave(self, asked: Asked) -> bool:
        with self.create(asked, stream=True) as events:
            return any(event.type == "response.output_text.delta" for event in events)

    def broken(self, asked: Asked) -> dict[str, Any]:
        ends = [e for e in self.create(asked, stream=True) if e.type == "response.failed"]
        return {"status": None, "message": ends[0].response.error.message}


def build_features(api: Chat | Responses) -> dict[str, Any]:
    """Return what the tests may ask for."""

    def streamed(asked: Asked) -> dict[str, Any]:
        answer, pieces = api.stream(asked)
        return api.shape(answer) | {"pieces": pieces}

    stranger = CLIENT.with_options(api_key="sk-wrong")
    return {
        "whole": lambda asked: api.shape(api.create(asked)),
        "streamed": streamed,
        "tools": lambda asked: api.two_turns(asked, stream=False),
        "tools_streamed": lambda asked: api.two_turns(asked, stream=True),
        "reasoning": api.think,
        "reasoning_streamed": api.think_streamed,
        "structured": api.structured,
        "image": lambda asked: api.shape(api.show(asked)),
        "unknown_model": lambda asked: refusal(lambda: api.create(asked)),
        "wrong_key": lambda asked: refusal(lambda: api.create(asked, stranger)),
        "cancelled": api.leave,
        "broken": api.broken,
        "retried": lambda asked: api.shape(api.create(asked)),
        "hopeless": lambda asked: refusal(lambda: api.create(asked)),
    }


serve(["openai"], build_features(Chat() if API == "chat" else Responses()))
