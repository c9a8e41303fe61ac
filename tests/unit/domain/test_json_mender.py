"""JSON as models write it."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from grok2api.domain.json_answer import JsonReader
from grok2api.domain.json_mender import JsonMender, mend_json
from grok2api.domain.json_schema import JsonSchema, SchemaError
from grok2api.domain.json_shape import Shape
from grok2api.domain.tools import AnswerFormat, FormatKind

SHAPE = Shape(
    {
        "$defs": {"Count": {"type": "integer"}, "Loop": {"$ref": "#/$defs/Loop"}},
        "type": "object",
        "properties": {
            "count": {"$ref": "#/$defs/Count"},
            "loop": {"$ref": "#/$defs/Loop"},
            "ratio": {"type": ["number", "null"]},
            "is_on": {"type": "boolean"},
            "name": {"type": "string"},
            "level": {"enum": [1, 2]},
            "either": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
            "list": {"type": "array", "items": {"type": "number"}},
            "inner": {"oneOf": [{"type": "object", "properties": {"n": {"type": "integer"}}}]},
        },
        "additionalProperties": {"type": "boolean"},
    }
)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ('{"a": [1, 2, {"b": null}], "c": -1.5e3}', '{"a":[1,2,{"b":null}],"c":-1.5e3}'),
        ('{"text": "a\nb\tc"}', '{"text":"a\\nb\\tc"}'),
        ('{"a": 1, "b": [1, 2,],}', '{"a":1,"b":[1,2]}'),
        ('{"a": 1 "b": 2}', '{"a":1,"b":2}'),
        ("{'a': 'it''s \"so\"'}", '{"a":"it\'\'s \\"so\\""}'),
        ('{a: yes, "b": True, "c": None, "d": NaN}', '{"a":"yes","b":true,"c":null,"d":null}'),
        ('{"a": "say "hi", bob", "b": 1}', '{"a":"say \\"hi\\", bob","b":1}'),
        (r'{"re": "\d+\.", "q": "\'"}', r'{"re":"\\d+\\.","q":' + '"\'"}'),
        (r'{"a": "\u00e9 \ud83d\ude00 \ud83d \ude00 \u12"}', None),
        ('{"a": [1, {"b": "c', '{"a":[1,{"b":"c"}]}'),
        ('{"a": [1, 2}', '{"a":[1,2]}'),
        ('{"a": 1, "b":', '{"a":1}'),
        ('{"a": 1, "b"', '{"a":1}'),
        ('{"a": .5, "b": +1}', '{"a":0.5,"b":1.0}'),
        ("[1,,2]", "[1,2]"),
        ('{,"a": 1}', '{"a":1}'),
        ('{"a": "x", y"}', '{"a":"x\\", y"}'),
        ('{"a": "x", b c"}', '{"a":"x\\", b c"}'),
        ('{"a":}', "{}"),
        ('"alone" and more', '"alone"'),
        ("{not json}", None),
        ("}", None),
        ("", None),
        ("{<b>}", None),
        ("[" * 200, None),
    ],
)
def test_value_is_mended(said: str, meant: str | None) -> None:
    if "u00e9" in said:
        meant = '{"a":"\\u00e9 \\ud83d\\ude00 \\ufffd \\ufffd \\\\u12"}'

    assert mend_json(said) == meant


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ('{"count": "12"}', '{"count":12}'),
        ('{"count": "12.5"}', '{"count":"12.5"}'),
        ('{"ratio": "1.5"}', '{"ratio":1.5}'),
        ('{"ratio": "null"}', '{"ratio":null}'),
        ('{"is_on": "True"}', '{"is_on":true}'),
        ('{"is_on": "on"}', '{"is_on":"on"}'),
        ('{"name": 5}', '{"name":"5"}'),
        ('{"name": null}', '{"name":null}'),
        ('{"level": "2"}', '{"level":2}'),
        ('{"either": "2"}', '{"either":"2"}'),
        ('{"list": "[1, \\"2\\"]"}', '{"list":[1,2]}'),
        ('{"list": ["1", 2]}', '{"list":[1,2]}'),
        ('{"inner": "{\\"n\\": \\"1\\"}"}', '{"inner":{"n":1}}'),
        ('{"inner": {"n": "1"}}', '{"inner":{"n":1}}'),
        ('{"more": "false"}', '{"more":false}'),
        ('{"loop": "1"}', '{"loop":"1"}'),
    ],
)
def test_value_of_the_wrong_type_becomes_what_the_schema_wants(said: str, meant: str) -> None:
    assert mend_json(said, SHAPE) == meant


@pytest.mark.parametrize(
    ("said", "meant", "left"),
    [
        ('{"a": "x"</p> more', '{"a":"x"}', "</p> more"),
        ('{"a": "x</p> more', '{"a":"x"}', "</p> more"),
        ('{"a": "x</p>", "b": 1}</p>', '{"a":"x</p>","b":1}', "</p>"),
        ('{"a": "x</p><q>{"b": 1}', '{"a":"x"}', '</p><q>{"b": 1}'),
        ('{"a": "x"<b>", "c": 1}', '{"a":"x\\"<b>","c":1}', ""),
        ('{"a": "x", b: 1}', '{"a":"x","b":1}', ""),
        ('{"a": "x", b', '{"a":"x"}', ""),
        ('{"a": "x",', '{"a":"x"}', ""),
        ('{"a": "x\\u12', '{"a":"x\\\\u12"}', ""),
        ('{"a": [1], ', '{"a":[1]}', ""),
    ],
)
def test_mark_behind_a_value_ends_it(said: str, meant: str, left: str) -> None:
    whole, pieces = JsonMender(stop="</p>"), JsonMender(stop="</p>")

    used = whole.feed(said, is_final=True)
    waiting = ""
    for char in said:
        waiting += char
        waiting = waiting[pieces.feed(waiting) :]
    pieces.feed(waiting, is_final=True)

    whole.finish()
    pieces.finish()
    assert whole.take() == pieces.take() == meant
    assert said[used:] == left


@pytest.mark.parametrize(
    ("schema", "types"),
    [
        ({"const": None}, {"null"}),
        ({"enum": [1, "x", {}, [], True, 1.5]}, None),
        ({"anyOf": [{"type": "string"}, {}]}, set()),
        ({"$ref": "https://example.org/x"}, set()),
        ({"type": 7}, set()),
        (True, set()),
    ],
)
def test_types_are_read_off_a_schema(schema: Any, types: set[str] | None) -> None:
    everything = {"integer", "string", "object", "array", "boolean", "number"}

    assert Shape(schema).types() == (everything if types is None else types)
    assert Shape(schema).item().types() == set()


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@settings(deadline=None)
@given(JSON)
def test_what_is_valid_stays_as_it_is(value: Any) -> None:
    said = msgspec.json.encode(value)

    assert mend_json(said.decode()) == said.decode()


NOISE = st.lists(
    st.sampled_from([*"{}[]\":,'\\ \nx1-.", "true", "\\u", "d83d", "</p>", "é", '"a":', '{"b":["']),
    max_size=30,
).map("".join)


@settings(max_examples=400, deadline=None)
@given(NOISE, st.data())
def test_any_split_gives_the_same_valid_json(said: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(said)))
    whole, halves = JsonMender(stop="</p>"), JsonMender(stop="</p>")

    whole.feed(said, is_final=True)
    used = halves.feed(said[:cut])
    halves.feed(said[used:], is_final=True)

    assert (halves.is_done, halves.is_broken) == (whole.is_done, whole.is_broken)
    whole.finish()
    halves.finish()
    written = whole.take()
    assert halves.take() == written
    if written:
        msgspec.json.decode(written)


@pytest.mark.parametrize(
    ("schema", "value", "misfit"),
    [
        ({"type": "object", "required": ["a"]}, {"a": 1}, None),
        ({"type": "object", "required": ["a"]}, {}, ""),
        ({"type": "array"}, [[]], None),
        ({"properties": {"a": {"items": {"type": "integer"}}}}, {"a": [1, "x"]}, "a[1]"),
        ({"type": "string", "pattern": "^(?=a)(a+)+$"}, "a" * 50 + "b", ""),
    ],
)
def test_misfit_is_found_where_it_is(schema: Any, value: Any, misfit: str | None) -> None:
    found = JsonSchema(schema).find_misfit(value)

    assert (found.path if found else None) == misfit


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "http://127.0.0.1:9/x"},
        {"$ref": "file:///etc/passwd"},
        {"type": "x"},
        {"pattern": "["},
    ],
)
def test_schema_that_is_none_or_leads_elsewhere_is_refused(schema: Any) -> None:
    with pytest.raises(SchemaError):
        JsonSchema(schema)


def test_schema_and_value_that_are_too_much_are_told_and_not_raised() -> None:
    deep: dict[str, Any] = {}
    for _ in range(3000):
        deep = {"properties": {"a": deep}}

    with pytest.raises(SchemaError):
        JsonSchema(deep)
    assert JsonSchema({"type": "string", "minLength": 2}).find_misfit("\ud800")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ('{"n": 1}', '{"n": 1}'),
        ('  {"n": 1}\n', '{"n": 1}'),
        ('```json\n{"n": 1}\n```', '{"n": 1}'),
        ('Here you are:\n{"n": 1}\nAnything else?', '{"n":1}'),
        ('{"n": "1",}', '{"n":1}'),
        ('{"n": 1', '{"n":1}'),
        ("I would rather not.", None),
        ('{"m": 1}', None),
        ("[1]", None),
    ],
)
def test_json_of_an_answer_is_found(answer: str, text: str | None) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    found = JsonReader(AnswerFormat(FormatKind.JSON_SCHEMA, schema=schema)).read(answer)

    assert (found.text or None) == text
    assert bool(found.problem) is (text is None)


def test_answer_of_any_object_is_an_object() -> None:
    reader = JsonReader(AnswerFormat(FormatKind.JSON_OBJECT))

    assert reader.read('{"a": [1]}').text == '{"a": [1]}'
    assert reader.read("[1]").problem
    assert reader.read("3").problem
