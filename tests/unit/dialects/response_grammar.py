"""What a legal stream of the Responses API is: checks the order of its events and folds them."""

from collections.abc import Sequence
from typing import Any

import msgspec

from grok2api.wire.sse import SSEParser

ENDS = {"response.completed", "response.incomplete", "response.failed"}


def parse_events(data: bytes) -> list[dict[str, Any]]:
    """Return the events of a stream; each is named as it says of itself."""
    events = []
    for event in SSEParser().feed(data):
        body = msgspec.json.decode(event.data)
        assert event.event == body["type"]
        events.append(body)
    return events


def check(events: Sequence[dict[str, Any]], *, first: int = 0) -> dict[str, Any]:
    """Check a whole stream; return the response it ends with, which is the fold of the events."""
    assert [e["sequence_number"] for e in events] == list(range(first, first + len(events)))
    kinds = [event["type"] for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] in ENDS
    assert not ENDS & set(kinds[:-1])
    fold = _Fold()
    for event in events[2:-1]:
        fold.take(event)
    final: dict[str, Any] = events[-1]["response"]
    assert kinds[-1] == f"response.{final['status']}"
    if final["status"] != "failed":
        assert not fold.open, "every item gets its end"
    assert fold.output() == [_plain(item) for item in final["output"]]
    assert events[0]["response"]["id"] == final["id"]
    return final


class _Fold:
    """The output as a client that reads events only has it."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.open: dict[str, dict[str, Any]] = {}

    def output(self) -> list[dict[str, Any]]:
        return [_plain(item) for item in self.items]

    def take(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "response.output_item.added":
                assert event["output_index"] == len(self.items)
                item = event["item"]
                assert item.get("status", "in_progress") == "in_progress"
                assert all(
                    other["type"].endswith("tool_call") or "call_id" in other
                    for other in self.open.values()
                ), "only calls overlap"
                assert item["id"] not in {other["id"] for other in self.items}
                self.items.append(msgspec.json.decode(msgspec.json.encode(item)))
                self.open[item["id"]] = self.items[-1]
            case "response.output_item.done":
                mine = self.open.pop(event["item"]["id"])
                assert _plain(mine) == _plain(event["item"])
                assert "parts" not in mine, "every part gets its end"
                self.items[event["output_index"]] = event["item"]
            case _:
                item = self.open[event["item_id"]]
                assert self.items[event["output_index"]] is item
                self._take_inner(item, event)

    def _take_inner(self, item: dict[str, Any], event: dict[str, Any]) -> None:
        kind = event["type"].removeprefix("response.")
        match kind:
            case "content_part.added":
                assert item["content"] == []
                item["content"].append(event["part"])
            case "reasoning_summary_part.added":
                assert event["summary_index"] == len(item["summary"])
                assert "parts" not in item
                item["parts"] = True
                item["summary"].append(dict(event["part"]))
            case "output_text.delta":
                item["content"][event["content_index"]]["text"] += event["delta"]
            case "output_text.annotation.added":
                notes = item["content"][event["content_index"]]["annotations"]
                assert event["annotation_index"] == len(notes)
                notes.append(event["annotation"])
            case "output_text.done":
                assert item["content"][event["content_index"]]["text"] == event["text"]
            case "content_part.done":
                assert item["content"][event["content_index"]] == event["part"]
            case "reasoning_summary_text.delta":
                assert item["parts"]
                item["summary"][event["summary_index"]]["text"] += event["delta"]
            case "reasoning_summary_text.done":
                assert item["summary"][event["summary_index"]]["text"] == event["text"]
            case "reasoning_summary_part.done":
                assert item["summary"][event["summary_index"]] == event["part"]
                del item["parts"]
            case "function_call_arguments.delta":
                item["arguments"] += event["delta"]
            case "function_call_arguments.done":
                assert (item["arguments"], item["name"]) == (event["arguments"], event["name"])
            case "custom_tool_call_input.delta":
                item["input"] += event["delta"]
            case "custom_tool_call_input.done":
                assert item["input"] == event["input"]
            case "web_search_call.in_progress" | "web_search_call.searching":
                pass
            case "web_search_call.completed":
                pass
            case _:
                raise AssertionError(f"unknown event {event['type']}")


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item without what says how far it is."""
    return {name: value for name, value in item.items() if name not in ("status", "parts")}
