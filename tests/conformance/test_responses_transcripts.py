"""What the site was seen to send becomes exactly these events of the Responses API."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from msgspec import Raw

from grok2api.dialects.openai_responses import ResponseRenderer, ResponseView
from grok2api.domain.chat import EventBatch
from grok2api.errors import UpstreamProtocolError
from grok2api.wire.openai.response_object import ReasoningEcho, ResponseBody
from tests.conformance.transcripts import FIXTURES, Transcript, read_transcripts
from tests.unit.dialects.response_grammar import check, parse_events

CASES = read_transcripts("gateway_") + read_transcripts("stream_")
ERROR = UpstreamProtocolError("The upstream broke off.")


def play(case: Transcript, batches: list[EventBatch]) -> bytes:
    body = ResponseBody(
        id="resp_0123456789abcdef01234567",
        created_at=1_800_000_000,
        status="in_progress",
        model="grok-4",
        reasoning=ReasoningEcho(None, None),
        store=True,
        text=Raw(b'{"format":{"type":"text"},"verbosity":"medium"}'),
        tool_choice=Raw(b'"auto"'),
        tools=[],
        metadata=Raw(b"{}"),
    )
    view = ResponseView(show_reasoning=True, shows_searches=True, shows_search_sources=True)
    renderer = ResponseRenderer(body, view, prompt_tokens=7, count_tokens=len)
    sent = b"".join([renderer.render(batch) for batch in batches])
    if case.expected.error is not None:
        return sent + renderer.fail(ERROR, "req_1")
    return sent + renderer.finish(1_800_000_001)


def golden(case: Transcript) -> Path:
    return FIXTURES / case.name / "openai_responses.sse"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_transcript_becomes_the_recorded_bytes(case: Transcript) -> None:
    assert play(case, [case.expected.events]) == golden(case).read_bytes()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@given(places=st.lists(st.integers(0, 60), max_size=8))
def test_transcript_comes_to_the_same_however_it_arrives(
    case: Transcript, places: list[int]
) -> None:
    events = case.expected.events
    edges = [0, *sorted(place % (len(events) + 1) for place in places), len(events)]
    batches = [events[a:b] for a, b in pairwise(edges)]

    final = check(parse_events(play(case, batches)))

    assert final == check(parse_events(golden(case).read_bytes()))
