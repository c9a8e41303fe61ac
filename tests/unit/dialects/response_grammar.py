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
        group, _, step = kind.partition(".")
        match group:
            case "content_part" | "output_text":
                _take_text(item, event, kind)
            case "reasoning_summary_part" | "reasoning_summary_text":
                _take_summary(item, event, kind)
            case "function_call_arguments":
                _take_call(item, event, step, "arguments")
            case "custom_tool_call_input":
                _take_call(item, event, step, "input")
            case _:
                assert kind in SEARCHES


SEARCHES = {f"web_search_call.{step}" for step in ("in_progress", "searching", "completed")}


def _take_text(item: dict[str, Any], event: dict[str, Any], kind: str) -> None:
    if kind == "content_part.added":
        assert item["content"] == []
        item["content"].append(event["part"])
        return
    part = item["content"][event["content_index"]]
    match kind:
        case "output_text.delta":
            part["text"] += event["delta"]
        case "output_text.annotation.added":
            assert event["annotation_index"] == len(part["annotations"])
            part["annotations"].append(event["annotation"])
        case "output_text.done":
            assert part["text"] == event["text"]
        case _:
            assert kind == "content_part.done"
            assert part == event["part"]


def _take_summary(item: dict[str, Any], event: dict[str, Any], kind: str) -> None:
    if kind == "reasoning_summary_part.added":
        assert event["summary_index"] == len(item["summary"])
        assert "parts" not in item, "one part after the other"
        item["parts"] = True
        item["summary"].append(dict(event["part"]))
        return
    assert item["parts"]
    part = item["summary"][event["summary_index"]]
    match kind:
        case "reasoning_summary_text.delta":
            part["text"] += event["delta"]
        case "reasoning_summary_text.done":
            assert part["text"] == event["text"]
        case _:
            assert kind == "reasoning_summary_part.done"
            assert part == event["part"]
            del item["parts"]


def _take_call(item: dict[str, Any], event: dict[str, Any], step: str, name: str) -> None:
    if step == "delta":
        item[name] += event["delta"]
    else:
        assert item[name] == event[name]
        assert event.get("name", item["name"]) == item["name"]


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item without what says how far it is."""
    return {name: value for name, value in item.items() if name not in ("status", "parts")}
