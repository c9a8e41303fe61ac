"""Transcripts of the site, and what must come out of them."""

from pathlib import Path

import msgspec
from msgspec import Struct

from grok2api.domain.chat import ChatEvent, EventBatch
from grok2api.providers.grok_web.codec.gateway_decoder import GatewayDecoder
from grok2api.providers.grok_web.codec.http_decoder import HttpDecoder

FIXTURES = Path(__file__).parents[1] / "fixtures" / "grok_web"
Decoder = GatewayDecoder | HttpDecoder


class ExpectedError(Struct):
    kind: str
    code: str | None


class Outcome(Struct):
    events: list[ChatEvent]
    error: ExpectedError | None = None
    unknown_frames: int = 0


class Transcript(Struct):
    name: str
    upstream: bytes
    expected: Outcome


def read_transcript(folder: Path) -> Transcript:
    expected = msgspec.json.decode((folder / "events.json").read_bytes(), type=Outcome)
    return Transcript(folder.name, (folder / "upstream.txt").read_bytes(), expected)


def read_transcripts(prefix: str) -> list[Transcript]:
    found = [read_transcript(path) for path in sorted(FIXTURES.glob(f"{prefix}*"))]
    assert found
    return found


def outcome_of(decoder: Decoder, events: EventBatch) -> Outcome:
    """Close `decoder` and return all that it said."""
    events = events + decoder.close()
    error = decoder.error
    told = None if error is None else ExpectedError(error.kind, error.code)
    return Outcome(events, told, decoder.unknown_frames)
