from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from grok2api.wire.sse import DONE, KEEP_ALIVE, SSEEvent, SSEParser, SSETooLargeError, format_event

DOCUMENT = (
    '\ufeff: hi\n\nevent: a\ndata: {"x":"é€𝄞"}\n\ndata:nospace\ndata:  two\n\nid: 7\nretry: 3\n'
    "data\n\nunknown: z\ndata: [DONE]\n\nevent: lost\n\ndata: last\n\ndata: never finished"
)
EVENTS = [
    SSEEvent("a", '{"x":"é€𝄞"}'),
    SSEEvent("message", "nospace\n two"),
    SSEEvent("message", "", "7"),
    SSEEvent("message", "[DONE]", "7"),
    SSEEvent("message", "last", "7"),
]


def feed_all(parser: SSEParser, data: bytes, cuts: list[int]) -> list[SSEEvent]:
    places = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    found: list[SSEEvent] = []
    for start, end in pairwise(places):
        found += parser.feed(data[start:end])
    return found


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@given(cuts=st.lists(st.integers(min_value=0, max_value=500), max_size=40))
def test_any_split_gives_the_same_events(line_end: str, cuts: list[int]) -> None:
    data = DOCUMENT.replace("\n", line_end).encode()

    assert feed_all(SSEParser(), data, cuts) == EVENTS


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_single_bytes_give_the_same_events(line_end: str) -> None:
    data = DOCUMENT.replace("\n", line_end).encode()

    assert feed_all(SSEParser(), data, list(range(len(data)))) == EVENTS


def test_second_byte_order_mark_is_text() -> None:
    parser = SSEParser()

    events = parser.feed(b"\n") + parser.feed(b"\xef\xbb\xbfdata: x\n\ndata: y\n\n")

    assert events == [SSEEvent("message", "y")]


def test_line_that_never_ends_is_refused() -> None:
    parser = SSEParser(limit_bytes=1000)
    for _ in range(10):
        parser.feed(b"x" * 100)

    with pytest.raises(SSETooLargeError):
        parser.feed(b"x")


def test_event_of_too_many_lines_is_refused() -> None:
    parser = SSEParser(limit_bytes=1000)

    with pytest.raises(SSETooLargeError):
        parser.feed(b"data: " + b"x" * 90 + b"\n" + b"data: x\n" * 200)


def test_many_events_together_may_exceed_the_limit_of_one() -> None:
    assert len(SSEParser(limit_bytes=1000).feed(b"data: x\n\n" * 500)) == 500


def test_id_with_a_null_is_ignored() -> None:
    assert SSEParser().feed(b"id: a\0b\ndata: x\n\n") == [SSEEvent("message", "x")]


def test_what_we_format_is_what_is_parsed() -> None:
    stream = format_event(b'{"a":1}') + KEEP_ALIVE + format_event(b"{}", "ping") + DONE

    assert SSEParser().feed(stream) == [
        SSEEvent("message", '{"a":1}'),
        SSEEvent("ping", "{}"),
        SSEEvent("message", "[DONE]"),
    ]
