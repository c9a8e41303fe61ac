"""Recorded upstream bytes give exactly these bytes of a Messages stream."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from grok2api.dialects.anthropic_messages import AnswerFrame, StreamRenderer
from grok2api.domain.chat import EventBatch
from grok2api.providers.grok_web.codec.gateway_decoder import GatewayDecoder
from grok2api.providers.grok_web.codec.http_decoder import HttpDecoder
from tests.conformance.transcripts import FIXTURES, Transcript, read_transcripts
from tests.unit.dialects.anthropic_grammar import check_stream, events_of

GATEWAY = read_transcripts("gateway_")
STREAMS = read_transcripts("stream_")
WHOLE = [case for case in GATEWAY + STREAMS if case.expected.error is None]


def batches_of(case: Transcript, places: Sequence[int] = ()) -> tuple[list[EventBatch], Any]:
    """Return what the upstream's reads give, cut at `places`, and the error of the end."""
    decoder: GatewayDecoder | HttpDecoder
    if case in GATEWAY:
        gateway = decoder = GatewayDecoder()
        batches: list[EventBatch] = []
        for line in case.upstream.splitlines():
            batches.append([])
            gateway.feed_into(line, batches[-1])
    else:
        stream = decoder = HttpDecoder()
        size = len(case.upstream)
        edges = [0, *sorted(place % (size + 1) for place in places), size]
        batches = [stream.feed(case.upstream[start:end]) for start, end in pairwise(edges)]
    batches.append(decoder.close())
    return batches, decoder.error


def play(case: Transcript, places: Sequence[int] = ()) -> bytes:
    batches, error = batches_of(case, places)
    renderer = StreamRenderer(
        AnswerFrame(
            message_id="msg_1",
            model="grok-4",
            input_tokens=7,
            count_tokens=len,
            show_reasoning=True,
            show_searches=True,
        )
    )
    data = b"".join(renderer.render(batch) for batch in batches)
    return data + (renderer.finish() if error is None else renderer.fail(error, "req_1"))


@pytest.mark.parametrize("case", GATEWAY + STREAMS, ids=lambda case: case.name)
def test_transcript_gives_the_recorded_bytes(case: Transcript) -> None:
    recorded = (FIXTURES / case.name / "anthropic.sse").read_bytes()

    assert play(case) == recorded


@pytest.mark.parametrize("case", WHOLE, ids=lambda case: case.name)
@settings(deadline=None)
@given(places=st.lists(st.integers(min_value=0, max_value=10_000), max_size=12))
def test_stream_is_legal_and_tells_the_same_however_the_upstream_is_cut(
    case: Transcript, places: list[int]
) -> None:
    assert check_stream(play(case, places)) == check_stream(play(case))


def test_transcript_that_fails_ends_with_the_error() -> None:
    failed = [case for case in GATEWAY + STREAMS if case.expected.error is not None]

    assert failed
    assert {events_of(play(case))[-1][0] for case in failed} == {"error"}
