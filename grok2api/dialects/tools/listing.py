"""Calls written as JSON: an object with `tool_calls`, an array of calls, one call."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from grok2api.domain.json_mender import mend_json
from grok2api.domain.json_shape import ANY, Shape

MAX_LISTING_CHARS: Final = 1_000_000
_HEAD_CHARS: Final = 400
_BLANK = re.compile(r"\s+")
_NAME_FIELDS: Final = ("name", "tool_name")
_ARGUMENT_FIELDS: Final = ("arguments", "parameters", "input")
_ARRAY_HEADS: Final = ('[{"id":"', '[{"type":"', '[{"function":{"')
_OBJECT_HEAD: Final = '{"tool_calls":[{'


class PlainCall(Struct, frozen=True):
    """A call that was written whole. `arguments` is JSON, or the text of a custom tool."""

    name: str
    arguments: str


class Catalog(Struct, frozen=True):
    """The tools that may be called, with the shapes of their arguments; None for a custom tool."""

    shapes: Mapping[str, Shape | None]

    def fits_head(self, text: str) -> bool:
        """Whether `text` can be the beginning of calls in JSON."""
        head = _BLANK.sub("", text[:_HEAD_CHARS])
        if head.startswith("{"):
            return _agree(head, _OBJECT_HEAD)
        named = (f'[{{"{field}":"{name}"' for field in _NAME_FIELDS for name in self.shapes)
        return any(_agree(head, start) for start in (*_ARRAY_HEADS, *named))

    def read_calls(self, text: str) -> list[PlainCall] | None:
        """Return the calls of a whole listing; None unless every item is a call."""
        value = _decode(text)
        if isinstance(value, dict):
            value = value.get("tool_calls")
        if not isinstance(value, list) or not value:
            return None
        calls = [self._read_item(item) for item in value]
        found = [call for call in calls if call is not None]
        return found if len(found) == len(calls) else None

    def read_call(self, text: str) -> PlainCall | None:
        """Return the one call that `text` is."""
        return self._read_item(_decode(text))

    def read_text(self, name: str, text: str) -> PlainCall:
        """Return the call of a custom tool: some models wrap its text in JSON all the same."""
        value = _decode(text) if text.lstrip().startswith("{") else None
        if isinstance(value, dict) and len(value) == 1:
            (inner,) = value.values()
            if isinstance(inner, str) and next(iter(value)) in _ARGUMENT_FIELDS:
                return PlainCall(name, inner)
        return PlainCall(name, text)

    def _read_item(self, item: object) -> PlainCall | None:
        if not isinstance(item, dict):
            return None
        fields: dict[str, Any] = dict(item)
        for inner in (item.get("function"), item.get("custom")):
            if isinstance(inner, dict):
                fields |= inner
        name = next((fields[field] for field in _NAME_FIELDS if field in fields), None)
        if not isinstance(name, str) or name not in self.shapes:
            return None
        given = next((fields[field] for field in _ARGUMENT_FIELDS if field in fields), None)
        shape = self.shapes[name]
        if shape is None:
            return PlainCall(name, given) if isinstance(given, str) else None
        if given is None or given == "":
            return PlainCall(name, "{}")
        text = given if isinstance(given, str) else msgspec.json.encode(given).decode()
        arguments = mend_json(text, shape) if text.lstrip().startswith("{") else None
        return None if arguments is None else PlainCall(name, arguments)


def _agree(head: str, start: str) -> bool:
    return start.startswith(head) or head.startswith(start)


def _decode(text: str) -> object:
    mended = mend_json(text, ANY)
    if mended is None:
        return None
    try:
        return msgspec.json.decode(mended)
    except (msgspec.DecodeError, RecursionError):
        return None
