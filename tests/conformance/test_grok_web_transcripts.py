"""Recorded upstream bytes give exactly these events, however the bytes arrive."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, strategies as st

from grok2api.domain.chat import Citation, EventBatch, TextDelta
from grok2api.providers.grok_web.codec.gateway_decoder import GatewayDecoder
from grok2api.providers.grok_web.codec.http_decoder import HttpDecoder
from tests.conformance.transcripts import Outcome, Transcript, outcome_of, read_transcripts

GATEWAY = read_transcripts("gateway_")
STREAMS = read_transcripts("stream_")


def play_gateway(messages: list[bytes]) -> Outcome:
    decoder = GatewayDecoder()
    events: EventBatch = []
    for message in messages:
        decoder.feed_into(message, events)
    return outcome_of(decoder, events)


def play_stream(pieces: list[bytes]) -> Outcome:
    decoder = HttpDecoder()
    events: EventBatch = []
    for piece in pieces:
        events += decoder.feed(piece)
    return outcome_of(decoder, events)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@pytest.mark.parametrize("case", GATEWAY, ids=lambda case: case.name)
def test_gateway_messages_give_the_recorded_events(case: Transcript) -> None:
    assert play_gateway(case.upstream.splitlines()) == case.expected


@pytest.mark.parametrize("case", STREAMS, ids=lambda case: case.name)
def test_stream_gives_the_recorded_events(case: Transcript) -> None:
    assert play_stream([case.upstream]) == case.expected


@pytest.mark.parametrize("case", STREAMS, ids=lambda case: case.name)
def test_stream_gives_the_same_events_byte_by_byte(case: Transcript) -> None:
    pieces = [case.upstream[at : at + 1] for at in range(len(case.upstream))]

    assert play_stream(pieces) == case.expected


@pytest.mark.parametrize("case", STREAMS, ids=lambda case: case.name)
@given(places=st.lists(st.integers(min_value=0, max_value=10_000), max_size=12))
def test_stream_gives_the_same_events_however_it_is_cut(
    case: Transcript, places: list[int]
) -> None:
    assert play_stream(cut(case.upstream, places)) == case.expected


@pytest.mark.parametrize(
    "case", [case for case in STREAMS if case.name != "stream_sse_done"], ids=lambda case: case.name
)
@pytest.mark.parametrize("separator", [b"", b"\r\n", b"\n\ndata: "])
def test_separator_of_objects_does_not_matter(case: Transcript, separator: bytes) -> None:
    upstream = separator + case.upstream.strip().replace(b"\n", separator)

    assert play_stream([upstream]) == case.expected


@pytest.mark.parametrize("name", ["gateway_search", "stream_search"])
def test_citation_covers_exactly_its_mark(name: str) -> None:
    case = next(case for case in GATEWAY + STREAMS if case.name == name)
    text = "".join(e.text for e in case.expected.events if isinstance(e, TextDelta))
    citations = [e for e in case.expected.events if isinstance(e, Citation)]

    assert text == "Twice a month[[1]](https://example.org/tides)."
    assert [(c.number, c.start, c.end) for c in citations] == [(1, 13, 45)]
    assert text[13:45] == "[[1]](https://example.org/tides)"


def test_every_event_survives_the_way_through_json() -> None:
    """The recorded files are written by encoding events; so reading them must lose nothing."""
    for case in GATEWAY + STREAMS:
        again = msgspec.json.decode(msgspec.json.encode(case.expected), type=Outcome)
        assert again == case.expected
