"""Golden transcripts of pictures: the socket's messages, and the stream of an edit."""

from pathlib import Path

import msgspec
import pytest
from msgspec import Struct

from grok2api.domain.images import ImageEvent
from grok2api.providers.grok_web.codec.edit_decoder import EditDecoder, EditStep
from grok2api.providers.grok_web.codec.imagine import ImagineDecoder, ImagineLimits
from tests.conformance.transcripts import FIXTURES, ExpectedError

LIMITS = ImagineLimits(previews=3, max_bytes=1024, final_min_chars=500)
PICTURES = {"imagine_one": 1, "imagine_moderated": 2, "imagine_without_states": 2}
EDITS = ["edit_current", "edit_older_second"]


class Pictures(Struct):
    events: list[ImageEvent]
    error: ExpectedError | None


class Edit(Struct):
    events: list[EditStep]
    results: tuple[str, ...]


def lines_of(name: str) -> tuple[list[bytes], Path]:
    folder = FIXTURES / name
    return (folder / "upstream.txt").read_bytes().splitlines(keepends=True), folder / "events.json"


@pytest.mark.parametrize(("name", "n"), PICTURES.items())
def test_socket_says_what_its_transcript_says(name: str, n: int) -> None:
    messages, expected = lines_of(name)
    decoder = ImagineDecoder(n, LIMITS)

    events = [event for message in messages for event in decoder.feed(message)]
    events += decoder.close()

    failed = decoder.error
    error = None if failed is None else ExpectedError(failed.kind, failed.code)
    assert Pictures(events, error) == msgspec.json.decode(expected.read_bytes(), type=Pictures)


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("size", [1, 7, 1_000_000])
def test_edit_says_what_its_transcript_says(name: str, size: int) -> None:
    lines, expected = lines_of(name)
    stream = b"".join(lines)
    decoder = EditDecoder("https://assets.grok.com", "", by_asset=False)

    steps = [
        step for at in range(0, len(stream), size) for step in decoder.feed(stream[at : at + size])
    ]

    told = Edit(steps, decoder.results)
    assert told == msgspec.json.decode(expected.read_bytes(), type=Edit)
