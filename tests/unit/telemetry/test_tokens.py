"""The estimate against counts of a real vocabulary (o200k_base), and the laws it keeps.

The texts in tests/fixtures/tokens were written for this test; counts.json has their reference
counts. The weights of the estimator were fitted to other texts.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType

import msgspec
import pytest
from hypothesis import given, strategies as st

from grok2api.telemetry.tokens import estimate_tokens

FOLDER = Path(__file__).parents[2] / "fixtures" / "tokens"
COUNTS = msgspec.json.decode((FOLDER / "counts.json").read_bytes(), type=dict[str, object])
TOKENS = msgspec.convert(COUNTS["tokens"], dict[str, int])
CLOSE = ("english", "chinese", "code", "mixed")

# Each class of characters, and what changes the count where two meet.
busy_text = st.text("aAbZ019_.,(; \t\n\r中国可以們噼の。\uff0cカ한яλéไế—😀\x00\x7f", max_size=60)
any_text = st.text(st.characters(exclude_categories=()), max_size=60)  # lone surrogates too
texts = busy_text | any_text | st.text(max_size=60)


def read(name: str) -> str:
    return (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


def names(*kinds: str) -> list[str]:
    return [name for name in TOKENS if name.startswith(kinds)]


def deviation(sample_names: list[str]) -> float:
    """How far the estimate of these samples together is off, as a share of the real count."""
    real = sum(TOKENS[name] for name in sample_names)
    return abs(sum(estimate_tokens(read(name)) for name in sample_names) / real - 1)


def count_calls(work: Callable[[], object]) -> int:
    """Count the calls of Python and C functions that `work` makes."""
    calls = 0

    def on_event(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    previous = sys.getprofile()
    sys.setprofile(on_event)
    try:
        work()
    finally:
        sys.setprofile(previous)
    return calls


def test_every_sample_has_a_reference_count() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(TOKENS)


@pytest.mark.parametrize("name", names(*CLOSE))
def test_english_chinese_code_and_mixtures_are_within_a_tenth(name: str) -> None:
    assert deviation([name]) <= 0.10


@pytest.mark.parametrize("kind", CLOSE)
def test_samples_of_a_kind_together_are_within_a_twentieth(kind: str) -> None:
    assert deviation(names(kind)) <= 0.05


@pytest.mark.parametrize("name", [name for name in TOKENS if not name.startswith(CLOSE)])
def test_other_languages_are_within_15_percent(name: str) -> None:
    assert deviation([name]) <= 0.15


def test_one_text_of_everything_is_within_a_twentieth() -> None:
    together = "\n".join(read(name) for name in names(*CLOSE))

    assert estimate_tokens(together) == pytest.approx(
        sum(TOKENS[name] for name in names(*CLOSE)), rel=0.05
    )


def test_nothing_has_no_tokens() -> None:
    assert estimate_tokens("") == 0


@pytest.mark.parametrize("text", ["a", " ", "\x00", "中", "😀", "\ud83d"])
def test_least_text_has_at_least_one_token(text: str) -> None:
    assert estimate_tokens(text) in {1, 2}


@pytest.mark.parametrize(("digits", "tokens"), [(1, 1), (3, 1), (4, 2), (30, 9), (301, 93)])
def test_digits_count_in_groups_of_three(digits: int, tokens: int) -> None:
    assert estimate_tokens("7" * digits) == tokens


def test_common_chinese_word_costs_less_than_an_uncommon_pair() -> None:
    assert estimate_tokens("可以" * 20) < estimate_tokens("噼喵" * 20)


@given(texts, texts)
def test_more_text_never_has_fewer_tokens(text: str, more: str) -> None:
    assert estimate_tokens(text + more) >= estimate_tokens(text)


@given(texts, texts)
def test_parts_have_nearly_the_tokens_of_the_whole(text: str, more: str) -> None:
    parts = estimate_tokens(text) + estimate_tokens(more)

    assert abs(estimate_tokens(text + more) - parts) <= 5


@pytest.mark.parametrize("name", ["english_essay", "chinese_story", "code_python", "mixed_log"])
def test_longer_text_takes_no_more_calls(name: str) -> None:
    """All work on characters is done inside calls whose number does not depend on the text."""
    text = read(name)

    once = count_calls(partial(estimate_tokens, text))
    often = count_calls(partial(estimate_tokens, text * 50))

    assert once == often
