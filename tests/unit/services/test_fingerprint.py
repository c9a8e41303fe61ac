"""The same prompt is known again; another one never passes for it."""

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from grok2api.domain.affinity import AffinityHints
from grok2api.domain.chat import (
    ChatRequest,
    FilePart,
    ImagePart,
    Message,
    Role,
    TextPart,
    ToolCall,
)
from grok2api.services.fingerprint import fingerprint

ASKED = ChatRequest(
    model="grok-chat-fast",
    messages=(
        Message(Role.SYSTEM, (TextPart("Be kind."),)),
        Message(Role.USER, (TextPart("Look:"), ImagePart("https://x/1.png"), FilePart("u", "n"))),
        Message(Role.ASSISTANT, (), (ToolCall("call_1", "f", "{}"),)),
        Message(Role.TOOL, (TextPart("4"),), (), "call_1"),
    ),
)
texts = st.text(st.characters(), max_size=8)
parts = st.one_of(
    st.builds(TextPart, texts), st.builds(ImagePart, texts), st.builds(FilePart, texts, texts)
)
messages = st.builds(
    Message,
    st.sampled_from(Role),
    st.lists(parts, max_size=3).map(tuple),
    st.lists(st.builds(ToolCall, st.just(""), texts, texts), max_size=2).map(tuple),
)
requests = st.builds(
    ChatRequest, model=texts, messages=st.lists(messages, min_size=1, max_size=3).map(tuple)
)


def changed(**changes: Any) -> str:
    return fingerprint(msgspec.structs.replace(ASKED, **changes))


def test_fingerprint_is_sixteen_bytes_in_hex_and_stays_the_same() -> None:
    # Written down: it is compared over releases and hosts.
    assert fingerprint(ASKED) == "01a154dc35cb2aa6039b0e7c71a25158"
    assert re.fullmatch("[0-9a-f]{32}", fingerprint(ASKED))


@pytest.mark.parametrize(
    "changes",
    [
        {"stream": True, "max_output_tokens": 5, "stop": ("x",), "hints": AffinityHints(user="u")},
        {"include_usage": True, "show_reasoning": False},
    ],
)
def test_options_of_the_answer_do_not_change_it(changes: dict[str, object]) -> None:
    assert changed(**changes) == fingerprint(ASKED)


def test_ids_of_tool_calls_do_not_change_it() -> None:
    again = (
        *ASKED.messages[:2],
        Message(Role.ASSISTANT, (), (ToolCall("call_2", "f", "{}"),)),
        Message(Role.TOOL, (TextPart("4"),), (), "call_2"),
    )

    assert changed(messages=again) == fingerprint(ASKED)


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "grok-chat-expert"},
        {"messages": ASKED.messages[:-1]},
        {"messages": ASKED.messages[::-1]},
        {"messages": (*ASKED.messages, Message(Role.USER, (TextPart(""),)))},
    ],
)
def test_model_and_content_change_it(changes: dict[str, object]) -> None:
    assert changed(**changes) != fingerprint(ASKED)


@given(requests, requests)
def test_different_prompts_have_different_fingerprints(one: ChatRequest, two: ChatRequest) -> None:
    assert (fingerprint(one) == fingerprint(two)) is (one == two)


@given(texts, texts)
def test_text_does_not_flow_from_one_part_into_the_next(left: str, right: str) -> None:
    def of(*said: str) -> str:
        return changed(messages=(Message(Role.USER, tuple(map(TextPart, said))),))

    assert of(left, right) != of(left + right)
    assert (of(left, right) == of(right, left)) is (left == right)


def test_half_a_surrogate_pair_is_no_obstacle() -> None:
    lone = ChatRequest(model="m", messages=(Message(Role.USER, (TextPart("\ud83d"),)),))

    assert fingerprint(lone)


def test_a_file_inside_a_url_counts_by_its_size_and_both_ends() -> None:
    def of(url: str) -> str:
        return changed(messages=(Message(Role.USER, (ImagePart(url),)),))

    large = "data:image/png;base64," + "A" * 1_000_000

    assert of(large) == of(large)
    assert len({of(large), of(large + "A"), of(large[:-1] + "B"), of("B" + large[1:])}) == 4
