"""The directive language, and that its guide knows every word of it."""

from pathlib import Path

import msgspec
import pytest

from grok2api.simulator.script.directives import (
    DirectiveError,
    Script,
    build_script,
    last_block,
    parse_pairs,
    read_directives,
)
from grok2api.simulator.script.faults import FAULTS

GUIDE = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text()


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("", {}),
        ("a=1", {"a": "1"}),
        (" a = 1 ; b = two words ;", {"a": "1", "b": "two words"}),
        ("unknown; a=", {"unknown": "true", "a": ""}),
        ('text="a; b]] \\"c\\"\\n"; x=1', {"text": 'a; b]] "c"\n', "x": "1"}),
        ("url=https://example.org/a?b=c#d", {"url": "https://example.org/a?b=c#d"}),
        ("reset_after=3", {"end": "reset", "after": "3"}),
    ],
)
def test_pairs_are_read(text: str, pairs: dict[str, str]) -> None:
    assert parse_pairs(text) == pairs


@pytest.mark.parametrize("text", ["=1", "a=1; =2", "A=1", 'text="open', 'text="a" b', 'x="\\q"'])
def test_bad_pairs_are_refused(text: str) -> None:
    with pytest.raises(DirectiveError):
        parse_pairs(text)


@pytest.mark.parametrize(
    ("prompt", "last"),
    [
        ("Hi", "Hi"),
        ("[user]\nHi", "Hi"),
        ("[system]\nBe kind\n\n[user]\nHi\nthere", "Hi\nthere"),
        ("[user]: a\n\n[assistant]: b\n\n[user]: c", "c"),
        ("see [user] manual", "see [user] manual"),
    ],
)
def test_last_block_is_what_was_said_last(prompt: str, last: str) -> None:
    assert last_block(prompt) == last


def test_directives_of_the_last_block_are_merged() -> None:
    prompt = '[user]\n[[sim: a=0; z=1]]\n\n[user]\nHi [[sim: a=1; b=2]] and [[sim: b="]]"]]'

    assert read_directives(prompt) == {"a": "1", "b": "]]"}


def test_values_take_the_type_of_their_key() -> None:
    script = build_script({"tokens": "5", "delay_ms": "1.5", "unknown": "true", "text": "7"})

    assert (script.tokens, script.delay_ms, script.unknown, script.text) == (5, 1.5, True, "7")


@pytest.mark.parametrize("name", [f.name for f in msgspec.structs.fields(Script)])
def test_guide_explains_every_key(name: str) -> None:
    assert f"`{name}`" in GUIDE


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_guide_lists_every_fault(name: str) -> None:
    assert f"`{name}`" in GUIDE
