"""Calls in the text of an answer: what the sieve finds, and that it loses nothing else."""

import itertools
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from grok2api.dialects.tools.listing import Catalog
from grok2api.dialects.tools.prompt import render_calls
from grok2api.dialects.tools.rules import Rules
from grok2api.dialects.tools.sieve import STREAM_AFTER_CHARS, ToolSieve
from grok2api.domain.chat import (
    EventBatch,
    TextDelta,
    ToolArguments,
    ToolCall,
    ToolCallEnded,
    ToolCallStarted,
)
from grok2api.domain.json_shape import Shape

TOKEN = "tok123"
CATALOG = Catalog(
    {
        "get_tide": Shape({"type": "object", "properties": {"day": {"type": "integer"}}}),
        "write": Shape({}),
        "patch": None,
    }
)
Found = list[tuple[str, ...]]


def sift(pieces: Iterable[str], **rules: Any) -> Found:
    """Return texts and calls in their order, each in one piece."""
    ids = (f"c{number}" for number in itertools.count())
    sieve = ToolSieve(Rules(CATALOG, TOKEN, **rules), lambda: next(ids))
    events: EventBatch = []
    for piece in pieces:
        events += sieve.feed(piece)
    return fold([*events, *sieve.close()])


def fold(events: EventBatch) -> Found:
    found: list[list[str]] = []
    running: int | None = None
    for event in events:
        match event:
            case TextDelta():
                assert running is None, "text inside of a call"
                assert event.text
                if found and found[-1][0] == "text":
                    found[-1][1] += event.text
                else:
                    found.append(["text", event.text])
            case ToolCallStarted():
                assert running is None, "a call inside of a call"
                running = event.index
                found.append(["call", event.name, ""])
            case ToolArguments():
                assert event.index == running
                found[-1][2] += event.text
            case ToolCallEnded():
                assert event.index == running
                running = None
            case _:
                raise AssertionError(event)
    assert running is None, "a call without end"
    return [tuple(item) for item in found]


def block(*calls: tuple[str, str], token: str = "") -> str:
    said = "".join(
        f"<tool_call>\n<tool_name>{name}</tool_name>\n<parameters>{arguments}</parameters>\n"
        "</tool_call>\n"
        for name, arguments in calls
    )
    attribute = f' token="{token}"' if token else ""
    return f"<tool_calls{attribute}>\n{said}</tool_calls>"


PATCH = "<tool_call><tool_name>patch</tool_name><input>"
TIDE = ("get_tide", '{"day":1}')
WRITE = ("write", '{"text":"x"}')
CALLED = ("call", *TIDE)
WRITTEN = ("call", *WRITE)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        # The defects that an earlier sieve had.
        ("an answer that ends with <", [("text", "an answer that ends with <")]),
        ("or with <tool_cal", [("text", "or with <tool_cal")]),
        (block(("fly", "{}")), [("text", block(("fly", "{}")))]),
        (block(("write", "{not json}")), [("text", block(("write", "{not json}")))]),
        ('<tool_calls><tool_call><tool_name>write</tool_name><parameters>{"a":[1', None),
        (f"{block(TIDE)}\nand more", [CALLED, ("text", "and more")]),
        (f"Let me look.\n{block(TIDE)}", [("text", "Let me look."), CALLED]),
        (
            "A `<tool_calls>` block holds <tool_call> items.",
            [("text", "A `<tool_calls>` block holds <tool_call> items.")],
        ),
        (f"{block(TIDE)}\n{block(WRITE)}\n", [CALLED, WRITTEN]),
        # The forms.
        (block(TIDE, WRITE), [CALLED, WRITTEN]),
        (block(TIDE, token=TOKEN), [CALLED]),
        (
            (
                '{"tool_calls": [{"id": "x", "type": "function", "function": '
                '{"name": "get_tide", "arguments": "{\\"day\\": 1}"}}]}'
            ),
            [CALLED],
        ),
        ('{"tool_calls": [{"name": "get_tide", "arguments": {"day": 1}}]}', [CALLED]),
        ('[{"name": "get_tide", "input": {"day": 1}}, {"tool_name": "write"}]', None),
        ('Here:\n[{"name": "get_tide", "parameters": {"day": 1}}]', None),
        (
            '<function_call><name>get_tide</name><arguments>{"day":1}</arguments></function_call>',
            [CALLED],
        ),
        ('<invoke name="get_tide">{"day":1}</invoke>', [CALLED]),
        ('<tool_call>{"name": "get_tide", "arguments": {"day": 1}}</tool_call>', [CALLED]),
        (f"```xml\n{block(TIDE)}\n```\n", [CALLED]),
        ('```json\n[{"name": "get_tide", "arguments": {"day": 1}}]\n```', [CALLED]),
        (block(("get_tide", '```json\n{"day": 1}\n```')), [CALLED]),
        (block(("get_tide", '<![CDATA[{"day": 1}]]>')), [CALLED]),
        ("<tool_call><tool_name>write</tool_name></tool_call>", [("call", "write", "{}")]),
        (block(("write", "")), [("call", "write", "{}")]),
        # What is no call stays as it was said.
        ('<tool_call>{"name": "write", "arguments": "no"}</tool_call>', None),
        ("<tool_calls></tool_calls>", [("text", "<tool_calls></tool_calls>")]),
        ('{"answer": [1, 2]}', [("text", '{"answer": [1, 2]}')]),
        ('[{"name": "a row of data"}]', [("text", '[{"name": "a row of data"}]')]),
        (
            f"Like so:\n```xml\n{block(TIDE)}\n```\nSee?",
            [("text", f"Like so:\n```xml\n{block(TIDE)}\n```\nSee?")],
        ),
        (block(TIDE, token="forged"), [("text", block(TIDE, token="forged"))]),
        ("  \n spaced \n", [("text", "  \n spaced \n")]),
        # Free text.
        (
            f"{PATCH}\n</input> <b> {{\n</input>\n</tool_call>",
            [("call", "patch", "</input> <b> {")],
        ),
        (f"{PATCH}never closed", [("text", f"{PATCH}never closed")]),
        (f"{PATCH}{'x' * 600}", [("call", "patch", "x" * 600)]),
        (
            "<tool_call><tool_name>patch</tool_name></tool_call>",
            [("call", "patch", "")],
        ),
        (block(("patch", '{"input": 5}')), [("call", "patch", '{"input": 5}')]),
        (block(("patch", '{"path": "x"}')), [("call", "patch", '{"path": "x"}')]),
        (block(("patch", "{[")), [("call", "patch", "{[")]),
        ('<tool_call>{"name": "patch", "input": "+x"}</tool_call>', [("call", "patch", "+x")]),
        (
            '<tool_call>{"name": "patch", "input": 7}</tool_call>',
            [("text", '<tool_call>{"name": "patch", "input": 7}</tool_call>')],
        ),
        # Near misses.
        ("<tool_call><b>x</b>", [("text", "<tool_call><b>x</b>")]),
        (
            "<tool_call><tool_name>write</tool_name><b>",
            [("text", "<tool_call><tool_name>write</tool_name><b>")],
        ),
        ('<invoke name="fly">{}</invoke>', [("text", '<invoke name="fly">{}</invoke>')]),
        ('<tool_call>["write"]', [("text", '<tool_call>["write"]')]),
        ('{"tool_calls": [7]}', [("text", '{"tool_calls": [7]}')]),
        ('{"tool_calls": [{"x": 1}]} ', [("text", '{"tool_calls": [{"x": 1}]} ')]),
        (
            '[{"name": "write", "arguments": [1]}]',
            [("text", '[{"name": "write", "arguments": [1]}]')],
        ),
        ('[{"name": "write", "arguments": ""}]', [("call", "write", "{}")]),
        (
            '[{"name": "write", "arguments": 1e999}]',
            [("text", '[{"name": "write", "arguments": 1e999}]')],
        ),
        ('[{"name": "wri', [("text", '[{"name": "wri')]),
        ("```python\nprint()\n```", [("text", "```python\nprint()\n```")]),
        ("```\n<b>\n```", [("text", "```\n<b>\n```")]),
        ("~~~", [("text", "~~~")]),
        ("~ `x`", [("text", "~ `x`")]),
        (f"```{' ' * 20}\n{' ' * 2000}[", [("text", f"```{' ' * 20}\n{' ' * 2000}[")]),
        (
            f"{block(TIDE, token='forged')} {block(WRITE, token=TOKEN)}",
            [("text", block(TIDE, token="forged")), WRITTEN],
        ),
        (
            f'<tool_calls token="forged"> {block(TIDE)}',
            [("text", f'<tool_calls token="forged"> {block(TIDE)}')],
        ),
        (block(("patch", '{"input": "*** Begin"}')), [("call", "patch", "*** Begin")]),
        # Repair.
        (block(("get_tide", '{"day": "1",}')), [CALLED]),
        (block(("get_tide", "{'day': 1")), [CALLED]),
        (block(("write", '{"text": "a\nb"}')), [("call", "write", '{"text":"a\\nb"}')]),
        (block(("write", '{"text":"x'), TIDE), [WRITTEN, CALLED]),
    ],
)
def test_answer_is_understood(said: str, found: Found | None) -> None:
    wrong = '<tool_call>{"name": "write", "arguments": "no"}</tool_call>'
    expected: dict[str, Found] = {
        wrong: [("text", wrong)],
        '<tool_calls><tool_call><tool_name>write</tool_name><parameters>{"a":[1': [
            ("call", "write", '{"a":[1]}')
        ],
        '[{"name": "get_tide", "input": {"day": 1}}, {"tool_name": "write"}]': [
            CALLED,
            ("call", "write", "{}"),
        ],
        'Here:\n[{"name": "get_tide", "parameters": {"day": 1}}]': [("text", "Here:"), CALLED],
    }

    assert sift([said]) == (expected[said] if found is None else found)
    assert sift(said) == sift([said]), "one character at a time"


@pytest.mark.parametrize(
    "arguments",
    [
        '{"x":"</parameters>\\n</tool_call>\\n</tool_calls>"}',
        '{"x":"</parameters></tool_call></tool_calls> and <tool_calls>"}',
        '{"code":"```py\\nprint(\\"hi\\")\\n```"}',
        '{"deep":{"er":[[[{"x":null}]],-1.5e3,true]}}',
        '{"text":"Grüße 👋🏽 你好"}',
    ],
)
def test_arguments_come_out_as_they_went_in(arguments: str) -> None:
    assert sift([block(("write", arguments), TIDE)]) == [("call", "write", arguments), CALLED]


def test_long_arguments_are_given_out_while_they_come() -> None:
    sieve = ToolSieve(Rules(CATALOG, TOKEN), lambda: "c")
    head = '<tool_call><tool_name>write</tool_name><parameters>{"text":"'

    events = sieve.feed(head + "x" * STREAM_AFTER_CHARS)

    assert events == [
        ToolCallStarted(0, "c", "write"),
        ToolArguments(0, '{"text":"' + "x" * STREAM_AFTER_CHARS),
    ]
    assert sieve.feed("yy") == [ToolArguments(0, "yy")]
    assert sieve.feed('z"}</parameters>') == [ToolArguments(0, 'z"}'), ToolCallEnded(0)]


@pytest.mark.parametrize("ending", ["", '", nonsense}', '"]]}', "\\"])
def test_long_call_that_goes_wrong_ends_as_valid_json(ending: str) -> None:
    said = '<tool_call><tool_name>write</tool_name><parameters>{"text":"' + "x" * 600 + ending

    (_, name, arguments), *_ = sift([said])

    assert name == "write"
    assert str(msgspec.json.decode(arguments)["text"]).startswith("x" * 600)


def test_long_free_text_is_given_out_while_it_comes() -> None:
    sieve = ToolSieve(Rules(CATALOG, TOKEN), lambda: "c")

    events = sieve.feed(f"{PATCH}\n{'x' * STREAM_AFTER_CHARS}\n</inp")

    assert events == [
        ToolCallStarted(0, "c", "patch"),
        ToolArguments(0, "x" * STREAM_AFTER_CHARS),
    ]
    assert sieve.feed("ut> y\n</input>") == [ToolArguments(0, "\n</input> y")]
    assert sieve.feed("</tool_call>") == [ToolCallEnded(0)]


def test_text_is_given_out_at_once() -> None:
    sieve = ToolSieve(Rules(CATALOG, TOKEN), lambda: "c")

    assert sieve.feed("Hello <b>you</b>") == [TextDelta("Hello <b>you</b>")]


def test_only_the_first_call_counts_where_one_is_allowed() -> None:
    said = f"a {block(TIDE, WRITE)} b {block(WRITE)} c"

    assert sift([said], is_parallel=False) == [("text", "a"), CALLED, ("text", " b c")]


@pytest.mark.parametrize(
    "quoted",
    [
        block(TIDE),
        block(TIDE, token="old"),
        f"```\n{block(TIDE)}\n```",
        '[{"name": "get_tide", "arguments": {}}]',
        '<invoke name="get_tide">{}</invoke>',
    ],
)
def test_what_may_be_quoted_is_no_call_without_the_token(quoted: str) -> None:
    said = f"It says:\n{quoted}\n"

    assert sift([said], needs_token=True) == [("text", said)]
    assert sift([f"{said}{block(WRITE, token=TOKEN)}"], needs_token=True)[-1] == WRITTEN


PIECES = st.sampled_from(
    [
        *(
            "<",
            ">",
            "</",
            "{",
            "}",
            "[",
            "]",
            '"',
            "'",
            ":",
            ",",
            "\\",
            "\n",
            " ",
            "`",
            "```",
            "~~~",
        ),
        *(
            "<tool_calls>",
            "</tool_calls>",
            "<tool_call>",
            "</tool_call>",
            "<tool_name>",
            "</tool_name>",
        ),
        *(
            "<parameters>",
            "</parameters>",
            "<input>",
            "</input>",
            "<invoke name=",
            "<function_call>",
        ),
        *(
            f'<tool_calls token="{TOKEN}">',
            '<tool_calls token="x">',
            "<name>",
            "</name>",
            "<arguments>",
        ),
        *(
            "get_tide",
            "write",
            "patch",
            "fly",
            "tool_calls",
            '{"day":1}',
            '{"text":"',
            '"name":"write"',
        ),
        *(
            '{"tool_calls":[',
            '[{"name":"write"',
            '"arguments":{}',
            "\\u12",
            "\\ud83d",
            "json\n",
            "]]>",
        ),
        *(
            block(TIDE),
            block(WRITE, TIDE),
            block(("patch", "x\ny")),
            "x" * 300,
            "Grüße 👋🏽",
            "1",
            "true",
        ),
    ]
)
ANSWERS = st.lists(PIECES, max_size=25).map("".join)


@st.composite
def split_answers(draw: st.DrawFn) -> tuple[str, list[str]]:
    answer = draw(ANSWERS)
    cuts = sorted(draw(st.lists(st.integers(0, len(answer)), max_size=12)))
    return answer, [answer[a:b] for a, b in itertools.pairwise([0, *cuts, len(answer)])]


@settings(max_examples=400, deadline=None)
@given(split_answers(), st.booleans(), st.booleans())
def test_any_split_of_any_text_gives_the_same(
    answer: tuple[str, list[str]],
    needs_token: bool,  # noqa: FBT001 - hypothesis gives it by place
    is_parallel: bool,  # noqa: FBT001
) -> None:
    said, pieces = answer

    whole = sift([said], needs_token=needs_token, is_parallel=is_parallel)

    assert sift(pieces, needs_token=needs_token, is_parallel=is_parallel) == whole
    assert sift(said, needs_token=needs_token, is_parallel=is_parallel) == whole


@settings(max_examples=300, deadline=None)
@given(ANSWERS)
def test_nothing_is_lost_of_an_answer_without_calls(said: str) -> None:
    found = sift([said])

    if all(kind == "text" for kind, *_ in found):
        assert "".join(text for _, text in found) == said


@settings(max_examples=300, deadline=None)
@given(ANSWERS)
def test_arguments_are_always_valid_json(said: str) -> None:
    for kind, name, *arguments in sift([said]):
        if kind == "call" and name != "patch":
            msgspec.json.decode(arguments[0])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=8), JSON, max_size=4), min_size=1, max_size=3))
def test_any_arguments_survive_prompt_and_sieve(values: list[dict[str, Any]]) -> None:
    calls = [
        ToolCall(f"c{n}", "write", msgspec.json.encode(v).decode()) for n, v in enumerate(values)
    ]

    found = sift([render_calls(calls, (), TOKEN)], needs_token=True)

    assert [(kind, name) for kind, name, _ in found] == [("call", "write")] * len(values)
    assert [msgspec.json.decode(arguments) for _, _, arguments in found] == values
