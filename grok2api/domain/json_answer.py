"""Finding the JSON that was asked for in what a model answered."""

import re
from typing import Final

import msgspec
from msgspec import Struct

from grok2api.domain.json_mender import mend_json
from grok2api.domain.json_schema import JsonSchema
from grok2api.domain.json_shape import Shape
from grok2api.domain.tools import AnswerFormat, FormatKind

_FENCE = re.compile(r"\A\s*(?:```|~~~)[\w-]*[ \t]*\n(.*?)\s*(?:```|~~~)?\s*\Z", re.DOTALL)
_START = re.compile(r"[{\[]")
_MAX_WHY_CHARS: Final = 300


class JsonFinding(Struct, frozen=True):
    """The JSON of an answer, ready to be sent; or, if `problem` says something, what is wrong."""

    text: str = ""
    problem: str = ""


class JsonReader:
    """Reads answers of one format."""

    __slots__ = ("_schema", "_shape")

    def __init__(self, answer_format: AnswerFormat) -> None:
        """Prepare for `answer_format`.

        Raises:
            SchemaError: its schema is none.
        """
        has_schema = answer_format.kind is FormatKind.JSON_SCHEMA
        schema = answer_format.schema if has_schema else {"type": "object"}
        self._schema = JsonSchema(schema)
        self._shape = Shape(schema)

    def read(self, answer: str) -> JsonFinding:
        """Find the JSON in `answer`: as it stands, in a code fence, or mended."""
        fence = _FENCE.match(answer)
        text = (fence[1] if fence else answer).strip()
        problem = self._find_problem(text)
        if not problem:
            return JsonFinding(text)
        start = _START.search(text)
        for candidate in (text, text[start.start() :] if start else ""):
            mended = mend_json(candidate, self._shape)
            if mended is not None and not self._find_problem(mended):
                return JsonFinding(mended)
        return JsonFinding(problem=problem)

    def _find_problem(self, text: str) -> str:
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError) as problem:
            return f"it is not valid JSON ({problem})"
        misfit = self._schema.find_misfit(value)
        if misfit is None:
            return ""
        place = f"at {misfit.path}: " if misfit.path else ""
        return f"it does not fit the schema ({place}{misfit.why[:_MAX_WHY_CHARS]})"
