"""Whatever a body holds, the client is told what is wrong with it, and no account pays for that."""

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from grok2api.domain.account import Credentials, Pool, ProviderKind, Tier
from grok2api.domain.ids import AccountId
from grok2api.store.accounts import NewAccount
from tests.web.conftest import API_KEY, MODEL, SESSION, WAIT_S, Edge
from tests.web.painter import png

EXAMPLES: Final = 60
VIDEOS: Final = "/v1/videos"
PICTURE: Final = "data:image/png;base64," + base64.b64encode(png()).decode()
SCHEMA: Final = {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}
FUNCTION: Final = {"name": "look", "description": "Look", "parameters": SCHEMA}

Json = Any
Path = tuple[str | int, ...]

SEEDS: Final[dict[str, Json]] = {
    "/v1/chat/completions": {
        "model": MODEL,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Hello"},
                    {"type": "image_url", "image_url": {"url": PICTURE, "detail": "low"}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "look", "arguments": '{"x": "y"}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "seen"},
        ],
        "tools": [{"type": "function", "function": FUNCTION}],
        "tool_choice": "auto",
        "max_tokens": 50,
        "stop": ["END"],
        "temperature": 0.5,
        "stream": False,
        "stream_options": None,
        "user": "u",
        "reasoning_effort": "low",
        "metadata": {"a": "b"},
    },
    "/v1/responses": {
        "model": MODEL,
        "instructions": "Be brief.",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "Hello"}]},
            {"type": "message", "role": "user", "content": "Again"},
            {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "seen"},
            {"role": "user", "content": [{"type": "input_image", "image_url": PICTURE}]},
        ],
        "tools": [{"type": "function", **FUNCTION}, {"type": "web_search"}],
        "tool_choice": "auto",
        "text": {"format": {"type": "text"}},
        "reasoning": {"effort": "low", "summary": "auto"},
        "max_output_tokens": 50,
        "previous_response_id": None,
        "store": False,
        "include": [],
        "metadata": {"a": "b"},
    },
    "/v1/messages": {
        "model": MODEL,
        "max_tokens": 50,
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Hello"},
                    {
                        "type": "image",
                        "source": {
                            "type": "base64",
                            "media_type": "image/png",
                            "data": base64.b64encode(png()).decode(),
                        },
                    },
                ],
            },
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t", "name": "look", "input": {"x": "y"}}],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "t", "content": "seen"}],
            },
        ],
        "tools": [{"name": "look", "description": "Look", "input_schema": SCHEMA}],
        "tool_choice": {"type": "auto"},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u"},
        "stream": False,
    },
    "/v1/images/generations": {
        "model": "grok-imagine-image",
        "prompt": "a lighthouse",
        "n": 1,
        "size": "1024x1024",
        "quality": "high",
        "response_format": "url",
        "aspect_ratio": "1:1",
        "stream": False,
        "partial_images": 0,
        "user": "u",
    },
    "/v1/images/edits": {
        "model": "grok-imagine-image-edit",
        "prompt": "make it green",
        "image": [PICTURE, {"image_url": PICTURE}],
        "n": 1,
        "size": "auto",
        "response_format": "b64_json",
    },
    VIDEOS: {
        "model": "grok-imagine-video",
        "prompt": "dunes",
        "seconds": "6",
        "size": "1280x720",
        "resolution_name": "720p",
        "preset": "custom",
        "quality": "standard",
        "upscale": False,
        "input_reference": {"image_url": PICTURE},
    },
}
SEEDS["/v1/messages/count_tokens"] = {
    name: value for name, value in SEEDS["/v1/messages"].items() if name != "stream"
}
SEEDS["/v1/responses/compact"] = {
    name: SEEDS["/v1/responses"][name] for name in ("model", "instructions", "input")
}

ODD_VALUES: Final = (
    *(b"null", b"true", b"-0", b"1e400", b"-1e400", b"NaN", b"-Infinity", b"0.1", b"-1"),
    *(b"9" * 400, b"18446744073709551616", b"1e308", b'"1"', b'""', b'" "', b'"\\u0000"'),
    *(b'"\\ud800"', b'"\\udc00x"', b'"\xff\xfe"', b'"\xed\xa0\x80"', b'"' + b"x" * 70_000 + b'"'),
    *(b"[]", b"{}", b"[null]", b"[[]]", b'{"":null}', b'{"type":"nobody"}', b'{"a":1,"a":2}'),
    *(b"[" * 900 + b"]" * 900, b"[" * 50_000, b'{"x":' * 400 + b"1" + b"}" * 400),
    *(b'"data:image/png;base64,AAAA"', b'"data:,"', b'"http://"', b'"file:///etc/passwd"'),
    *(b'"http://[::1"', b'"http://\\u0000/"', b'"\\u202e\\ud83d\\ude00"', b'"2x"', b'"0:0"'),
)
"""What may stand where a value is expected, as the bytes that are sent."""
ODD_BODIES: Final = (
    *(b"", b" ", b"null", b"[]", b"{", b"{}{}", b"\xff\xfe{}", b"\xef\xbb\xbf{}", b"\0", b"'a'"),
    *(b"model=x", b"--x\r\n\r\n--x--", b'{"model":"' + MODEL.encode() + b'"'),
)
CONTENT_TYPES: Final = (
    *("application/json", "", "text/plain", "application/json; charset=utf-16", "x"),
    *("multipart/form-data", "multipart/form-data; boundary=x", "multipart/form-data; boundary="),
    "application/x-www-form-urlencoded",
)


@dataclass(frozen=True)
class Sent:
    """A request that a client might send."""

    content: bytes
    headers: dict[str, str] = field(default_factory=dict)


def paths_of(value: Json) -> list[Path]:
    """Return where everything stands in `value`, itself first."""
    if not isinstance(value, dict | list):
        return [()]
    members = value.items() if isinstance(value, dict) else enumerate(value)
    return [(), *((name, *rest) for name, inner in members for rest in paths_of(inner))]


def put_at(value: Json, path: Path, odd: Json) -> Json:
    if not path:
        return odd
    changed = value.copy()
    changed[path[0]] = put_at(value[path[0]], path[1:], odd)
    return changed


def drop_at(value: Json, path: Path) -> Json:
    changed = value.copy()
    if path[1:]:
        changed[path[0]] = drop_at(value[path[0]], path[1:])
    else:
        del changed[path[0]]
    return changed


def odd_requests(seed: Json) -> st.SearchStrategy[Sent]:
    """Bodies that are nearly right, and some that are not at all."""
    paths = paths_of(seed)
    whole = msgspec.json.encode(seed)
    odd = st.sampled_from(ODD_VALUES).map(msgspec.Raw)
    replaced = st.builds(put_at, st.just(seed), st.sampled_from(paths), odd).map(
        msgspec.json.encode
    )
    dropped = st.builds(drop_at, st.just(seed), st.sampled_from(paths[1:])).map(msgspec.json.encode)
    doubled = st.builds(
        lambda name, value: b'{"' + name.encode() + b'":' + value + b"," + whole[1:],
        st.sampled_from([str(path[0]) for path in paths if len(path) == 1]),
        st.sampled_from(ODD_VALUES),
    )
    cut = st.integers(1, len(whole) - 1).map(lambda at: whole[:at])
    anything = st.one_of(st.binary(max_size=40), st.sampled_from(ODD_BODIES))
    bodies = st.one_of(replaced, replaced, dropped, doubled, cut, anything)
    types = st.sampled_from(CONTENT_TYPES).map(lambda kind: {"content-type": kind})
    headers = st.one_of(st.just({"content-type": "application/json"}), types)
    return st.builds(Sent, bodies, headers)


def is_openai_error(body: Json) -> bool:
    error = body["error"]
    return (
        set(body) == {"error"}
        and set(error) == {"message", "type", "param", "code"}
        and bool(error["message"])
        and isinstance(error["type"], str)
        and isinstance(error["param"], str | None)
        and isinstance(error["code"], str | None)
    )


def is_anthropic_error(body: Json) -> bool:
    return (
        body["type"] == "error"
        and set(body["error"]) == {"type", "message"}
        and bool(body["error"]["message"])
        and isinstance(body["request_id"], str)
    )


@dataclass
class Client:
    """Sends to one route, and looks at what a refusal must be."""

    edge: Edge
    http: httpx2.Client
    path: str

    def check(self, sent: Sent) -> None:
        used = self.used()

        response = self.http.post(self.path, content=sent.content, headers=sent.headers)

        assert response.status_code < 500, response.text
        if response.status_code >= 400:
            is_right = is_anthropic_error if "/messages" in self.path else is_openai_error
            assert is_right(response.json()), response.text
            assert self.used() == used

    def used(self) -> int:
        """Return how often an account was asked for something; videos are made later, by jobs."""
        if self.path == VIDEOS:
            return len(self.http.get(VIDEOS, params={"limit": 100}).json()["data"])
        edge = self.edge
        return len(edge.script.sessions) + len(edge.painter.requests) + len(edge.drawer.files)


def run_property(edge: Edge, path: str) -> None:
    headers = {"authorization": f"Bearer {API_KEY}"}
    with httpx2.Client(base_url=edge.url, headers=headers, timeout=WAIT_S) as http:
        check: Callable[[Sent], None] = Client(edge, http, path).check
        bounded = settings(
            max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck)
        )
        bounded(given(odd_requests(SEEDS[path]))(check))()


@pytest.mark.parametrize("path", SEEDS)
async def test_no_body_is_an_error_of_ours_or_costs_a_query(edge: Edge, path: str) -> None:
    for number in range(20):
        await edge.store.save(
            NewAccount(
                AccountId(f"acc_more_{number}"),
                Pool(ProviderKind.GROK_WEB, Tier.BASIC),
                Credentials(f"{SESSION}-{number}"),
                mask="…",
            )
        )

    await asyncio.to_thread(run_property, edge, path)
