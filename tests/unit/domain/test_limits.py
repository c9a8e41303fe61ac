from collections.abc import Sequence

import pytest
from hypothesis import given, strategies as st

from grok2api.domain.chat import (
    ChatEvent,
    Citation,
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolCallStarted,
)
from grok2api.domain.limits import OutputLimiter
from grok2api.telemetry.tokens import estimate_tokens

DONE = Finished()
pieces = st.lists(st.text("ab \n€", max_size=6), max_size=20)
stops = st.lists(st.text("ab \n€", min_size=1, max_size=4), max_size=4)


def count_characters(text: str) -> int:
    return len(text)


def run(
    batches: Sequence[Sequence[ChatEvent]], stop: Sequence[str], limit: int | None = None
) -> tuple[str, FinishReason | None]:
    limiter = OutputLimiter(stop, limit, count_characters)
    kept = [event for batch in batches for event in limiter.feed(batch)]
    reasons = [event.reason for event in kept if isinstance(event, Finished)]
    assert len(reasons) <= 1
    assert not reasons or isinstance(kept[-1], Finished)
    text = "".join(event.text for event in kept if isinstance(event, TextDelta))
    return text, reasons[0] if reasons else None


def deltas(*texts: str) -> list[list[ChatEvent]]:
    return [[TextDelta(text)] for text in texts]


@given(pieces, stops, st.none() | st.integers(min_value=1, max_value=30))
def test_any_split_gives_the_same_text_and_reason(
    texts: list[str], stop: list[str], limit: int | None
) -> None:
    apart = run([*deltas(*texts), [DONE]], stop, limit)
    together = run([*deltas("".join(texts)), [DONE]], stop, limit)
    in_one_batch = run([[*(TextDelta(t) for t in texts), DONE]], stop, limit)

    assert apart == together == in_one_batch


@given(pieces, stops, st.none() | st.integers(min_value=1, max_value=30))
def test_output_is_a_prefix_without_any_stop_sequence(
    texts: list[str], stop: list[str], limit: int | None
) -> None:
    whole = "".join(texts)

    text, reason = run([*deltas(*texts), [DONE]], stop, limit)

    assert whole.startswith(text)
    assert not any(sequence in text for sequence in stop)
    assert limit is None or len(text) <= limit
    if text != whole:
        is_stop = any(whole[len(text) :].startswith(sequence) for sequence in stop)
        assert is_stop or (reason is FinishReason.LENGTH and len(text) == limit)


@given(st.text(max_size=3000), st.integers(min_value=1, max_value=400), st.data())
def test_estimated_tokens_cut_at_the_same_place_in_any_split(
    text: str, limit: int, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(min_value=0, max_value=len(text)))

    results = []
    for texts in (
        (text,),
        (text[:cut], text[cut:]),
        tuple(text[i : i + 7] for i in range(0, len(text), 7)),
    ):
        limiter = OutputLimiter((), limit, estimate_tokens)
        kept = [event for batch in deltas(*texts) for event in limiter.feed(batch)]
        results.append(("".join(e.text for e in kept if isinstance(e, TextDelta)), limiter.is_done))

    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("size", [1, 7, 511, 512, 513, 3000])
def test_long_text_is_cut_at_the_same_place_in_any_split(size: int) -> None:
    text = "abcdefghij" * 300

    texts = [text[i : i + size] for i in range(0, len(text), size)]

    assert run(deltas(*texts), [], 1500) == (text[:1500], FinishReason.LENGTH)


def test_stop_sequence_across_events_is_found() -> None:
    assert run(deltas("Hello ST", "O", "P there"), ["STOP"]) == ("Hello ", FinishReason.STOP)


def test_only_what_could_begin_a_stop_sequence_is_held_back() -> None:
    limiter = OutputLimiter(["STOP"], None, count_characters)

    assert limiter.feed([TextDelta("Hello ST")]) == [TextDelta("Hello ")]
    assert limiter.feed([TextDelta("ART")]) == [TextDelta("START")]


def test_held_text_is_given_out_at_the_end() -> None:
    assert run([*deltas("Hello ST"), [DONE]], ["STOP"]) == ("Hello ST", FinishReason.STOP)


def test_sequence_that_is_complete_first_decides() -> None:
    assert run(deltas("xabc"), ["abc", "b"]) == ("xa", FinishReason.STOP)


@pytest.mark.parametrize("texts", [("abcdef",), ("abc", "def"), ("a", "b", "c", "d", "e", "f")])
def test_cut_at_the_limit_says_length(texts: tuple[str, ...]) -> None:
    assert run(deltas(*texts), [], 4) == ("abcd", FinishReason.LENGTH)


def test_text_of_exactly_the_limit_is_complete() -> None:
    assert run([*deltas("abcd"), [DONE]], [], 4) == ("abcd", FinishReason.STOP)


def test_limit_before_the_stop_sequence_wins() -> None:
    assert run(deltas("abcdSTOP"), ["STOP"], 3) == ("abc", FinishReason.LENGTH)


def test_cut_tells_that_the_upstream_may_be_closed() -> None:
    limiter = OutputLimiter(["b"], None, count_characters)

    limiter.feed([TextDelta("a")])
    before = limiter.is_done
    limiter.feed([TextDelta("b")])

    assert (before, limiter.is_done) == (False, True)
    assert limiter.feed([TextDelta("more"), DONE]) == []


def test_upstream_that_ended_by_itself_needs_no_closing() -> None:
    limiter = OutputLimiter(["STOP"], None, count_characters)

    limiter.feed([TextDelta("ST"), DONE])

    assert not limiter.is_done


def test_reason_of_the_upstream_is_kept() -> None:
    finished = Finished(FinishReason.CONTENT_FILTER)

    assert run([[TextDelta("a"), finished]], ["x"]) == ("a", FinishReason.CONTENT_FILTER)


def test_limit_reached_by_held_text_at_the_end_says_length() -> None:
    assert run([*deltas("abST"), [DONE]], ["STOP"], 3) == ("abS", FinishReason.LENGTH)


def test_reasoning_neither_counts_nor_stops() -> None:
    limiter = OutputLimiter(["STOP"], 3, count_characters)
    thought = ReasoningDelta("a long thought about STOP")

    assert limiter.feed([thought, TextDelta("abc")]) == [thought, TextDelta("abc")]


def test_end_names_the_sequence_that_was_complete_first() -> None:
    limiter = OutputLimiter(["STOP", "O"], None, count_characters)

    assert limiter.feed([TextDelta("a ST")]) == [TextDelta("a ")]
    assert limiter.feed([TextDelta("OP")]) == [TextDelta("ST"), Finished(FinishReason.STOP, "O")]


def test_end_that_no_sequence_made_names_none() -> None:
    limiter = OutputLimiter(["STOP"], 2, count_characters)

    assert limiter.feed([TextDelta("abc")]) == [TextDelta("ab"), Finished(FinishReason.LENGTH)]


def test_citation_comes_after_its_mark() -> None:
    limiter = OutputLimiter(["]]X"], None, count_characters)
    mark = Citation(1, "https://example.org", "Example", 1, 6)

    assert limiter.feed([TextDelta("a[[1]]"), mark]) == [TextDelta("a[[1")]
    assert limiter.feed([TextDelta(" b")]) == [TextDelta("]] b"), mark]


def test_citation_of_text_that_was_cut_is_dropped() -> None:
    mark = Citation(1, "https://example.org", "Example", 4, 9)
    limiter = OutputLimiter(["STOP"], None, count_characters)

    kept = limiter.feed([TextDelta("aSTO"), mark, TextDelta("P[[1]]")])

    assert kept == [TextDelta("a"), Finished(FinishReason.STOP, "STOP")]


def test_citation_at_the_end_is_never_lost() -> None:
    mark = Citation(1, "https://example.org", "Example", 4, 9)
    limiter = OutputLimiter(["STOP"], None, count_characters)

    assert limiter.feed([TextDelta("abc"), mark, DONE]) == [TextDelta("abc"), mark, DONE]


def test_held_text_comes_before_the_call_that_follows_it() -> None:
    limiter = OutputLimiter(["END"], None, count_characters)
    call = ToolCallStarted(0, "c", "f")

    assert limiter.feed([TextDelta("so EN")]) == [TextDelta("so ")]
    assert limiter.feed([call, TextDelta("D.")]) == [TextDelta("EN"), call, TextDelta("D.")]
    assert not limiter.is_done


def test_call_behind_the_limit_is_not_shown() -> None:
    limiter = OutputLimiter(["END"], 4, count_characters)
    limiter.feed([TextDelta("so EN")])

    kept = limiter.feed([ToolCallStarted(0, "c", "f")])

    assert kept == [TextDelta("E"), Finished(FinishReason.LENGTH)]
    assert limiter.is_done
