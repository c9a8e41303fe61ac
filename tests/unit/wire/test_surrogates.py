import msgspec
import pytest
from hypothesis import given, strategies as st

from grok2api.wire.surrogates import MAX_REPAIRS, repair_surrogates


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (rb'"\ud83d"', "\ufffd"),
        (rb'"a\ud83db"', "a\ufffdb"),
        (rb'"\udc00"', "\ufffd"),
        (rb'"\uD83D\uD83D\uDE00"', "\ufffd😀"),
        (rb'"\\\ud83d"', "\\\ufffd"),
        (rb'"\n\ude00\ud83d\n"', "\n\ufffd\ufffd\n"),
    ],
)
def test_lone_surrogate_becomes_a_replacement_character(body: bytes, text: str) -> None:
    assert msgspec.json.decode(repair_surrogates(body)) == text


@pytest.mark.parametrize("body", [rb'"\ud83d\ude00"', rb'"\\ud83d"', rb'"\u00e9"', b'"plain"'])
def test_body_without_one_is_returned_itself(body: bytes) -> None:
    assert repair_surrogates(body) is body


@given(st.text(st.characters(codec=None, categories=None), max_size=30))
def test_repaired_json_always_decodes(text: str) -> None:
    escaped = text.encode("utf-16-be", "surrogatepass").hex()
    units = [escaped[i : i + 4] for i in range(0, len(escaped), 4)]
    body = ('"' + "".join(f"\\u{unit}" for unit in units) + '"').encode()

    repaired = msgspec.json.decode(repair_surrogates(body))

    assert repaired == text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


ESCAPES = [("\\", r"\\"), ("\n", r"\n"), ("x", "x"), ("\ud83d", r"\uD83D"), ("\ude00", r"\ude00")]


@given(st.lists(st.sampled_from(ESCAPES), max_size=12))
def test_repair_among_other_escapes_is_exact(characters: list[tuple[str, str]]) -> None:
    body = '"' + "".join(escape for _, escape in characters) + '"'

    repaired = msgspec.json.decode(repair_surrogates(body.encode()))

    plain = "".join(character for character, _ in characters)
    assert repaired == plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def test_half_after_an_escaped_backslash_is_told_from_a_pair() -> None:
    assert msgspec.json.decode(repair_surrogates(rb'"\\\\\ud83d\ude00\ude00"')) == "\\\\😀\ufffd"


def test_repairs_are_bounded() -> None:
    body = b'"' + rb"\ud83d" * (MAX_REPAIRS + 5) + b'"'

    assert repair_surrogates(body).count(rb"\ud83d") == 5
