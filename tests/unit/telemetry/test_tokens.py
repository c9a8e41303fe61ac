import pytest
from hypothesis import given, strategies as st

from grok2api.telemetry.tokens import estimate_tokens


def test_nothing_has_no_tokens() -> None:
    assert estimate_tokens("") == 0


def test_least_text_has_one_token() -> None:
    assert estimate_tokens("a") == 1


# A repetition is about ten, twelve and eight tokens in a vocabulary of 200,000.
@pytest.mark.parametrize(
    ("text", "tokens", "tolerance"),
    [
        ("The quick brown fox jumps over the lazy dog. " * 20, 200, 0.2),
        ("def add(first, second):\n    return first + second\n" * 20, 240, 0.3),
        ("随着人工智能技术的快速发展。" * 20, 160, 0.4),
    ],
)
def test_estimate_is_near_the_real_count(text: str, tokens: int, tolerance: float) -> None:
    assert abs(estimate_tokens(text) - tokens) <= tokens * tolerance


@given(st.text(), st.text())
def test_more_text_never_has_fewer_tokens(text: str, more: str) -> None:
    assert estimate_tokens(text + more) >= estimate_tokens(text)


def test_lone_surrogate_is_counted_not_refused() -> None:
    assert estimate_tokens("a\ud83d") >= 1
