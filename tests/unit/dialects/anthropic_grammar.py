"""What a Messages stream has to look like: a small checker that folds it into a message."""

from typing import Any

import msgspec

from grok2api.wire.sse import SSEEvent, SSEParser

# Which deltas a block of each type may have.
DELTAS = {
    "text": {"text_delta", "citations_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "tool_use": {"input_json_delta"},
    "server_tool_use": {"input_json_delta"},
    "web_search_tool_result": set(),
}
STOP_REASONS = {"end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"}
USAGE = {
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
}


def events_of(stream: bytes) -> list[tuple[str, dict[str, Any]]]:
    """Return the events, each of which says its type twice."""
    parser = SSEParser()
    raw: list[SSEEvent] = parser.feed(stream)
    assert stream.endswith(b"\n\n")
    events = [(event.event, msgspec.json.decode(event.data)) for event in raw]
    for name, data in events:
        assert data["type"] == name
    return events


def check_stream(stream: bytes) -> dict[str, Any]:
    """Return the message that a legal stream tells.

    Raises:
        AssertionError: the stream is not legal.
    """
    events = events_of(stream)
    (first, start), (second, _), *rest = events
    assert (first, second) == ("message_start", "ping")
    message: dict[str, Any] = start["message"]
    assert message["content"] == []
    assert message["stop_reason"] is None
    assert message["usage"]["input_tokens"] > 0
    assert set(message["usage"]) >= USAGE
    body = [(name, data) for name, data in rest if name != "ping"]
    assert [name for name, _ in body[-2:]] == ["message_delta", "message_stop"]
    _check_blocks(body[:-2], message["content"])
    end = body[-2][1]
    assert end["delta"]["stop_reason"] in STOP_REASONS
    assert set(end["usage"]) >= USAGE
    return {**message, **end["delta"], "usage": end["usage"]}


def _check_blocks(events: list[tuple[str, dict[str, Any]]], content: list[dict[str, Any]]) -> None:
    is_open = False
    for name, data in events:
        if name == "content_block_start":
            assert not is_open
            assert data["index"] == len(content)
            is_open = True
            content.append(dict(data["content_block"]))
            continue
        assert is_open, f"{name} outside of any block"
        assert data["index"] == len(content) - 1
        block = content[-1]
        if name == "content_block_stop":
            is_open = False
            _end_block(block)
        else:
            assert name == "content_block_delta"
            assert data["delta"]["type"] in DELTAS[block["type"]]
            assert "signature" not in block or not block["signature"], "nothing after a signature"
            _grow(block, data["delta"])
    assert not is_open, "a block stays open"


def _grow(block: dict[str, Any], delta: dict[str, Any]) -> None:
    match delta["type"]:
        case "text_delta":
            block["text"] += delta["text"]
        case "thinking_delta":
            block["thinking"] += delta["thinking"]
        case "signature_delta":
            block["signature"] = delta["signature"]
        case "citations_delta":
            block["citations"] = [*(block["citations"] or []), delta["citation"]]
        case _:
            block["json"] = block.get("json", "") + delta["partial_json"]


def _end_block(block: dict[str, Any]) -> None:
    if block["type"] == "thinking":
        assert block["signature"]
    if block["type"] in {"tool_use", "server_tool_use"}:
        assert block["input"] == {}
        block["input"] = msgspec.json.decode(block.pop("json", "") or "{}")
