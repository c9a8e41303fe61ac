"""Corners of reading what nobody promised: URLs, numbers, pictures, bodies."""

import msgspec
import pytest

from grok2api.domain.chat import EventBatch, ImageProgress, ImageReady, SearchKind
from grok2api.domain.upstream import UpstreamStatus
from grok2api.errors import UpstreamRateLimitError
from grok2api.providers.grok_web.codec.cards import MAX_CARDS, CardCache, parse_cards
from grok2api.providers.grok_web.codec.handshake import Handshake
from grok2api.providers.grok_web.codec.http_decoder import HttpDecoder
from grok2api.providers.grok_web.codec.identity import client_hints
from grok2api.providers.grok_web.codec.images import MAX_IMAGES, ImageLog
from grok2api.providers.grok_web.codec.loose import as_percent, as_text
from grok2api.providers.grok_web.codec.searches import MAX_RUNS, SearchLog
from grok2api.providers.grok_web.codec.status import classify_status
from grok2api.providers.grok_web.codec.urls import MAX_URL_BYTES, normalise_url, x_post_url


@pytest.mark.parametrize(
    ("url", "found"),
    [
        (" HTTPS://Example.ORG:8443/A?B=C#D ", "https://example.org:8443/A?B=C#D"),
        ("http://münchen.example/ü", "http://münchen.example/ü"),
        ("https://example.org", "https://example.org"),
        ("https://user@example.org/", ""),
        ("https://example.org\\@evil.example/", ""),
        ("https://example.org:port/", ""),
        ("https://[::1/", ""),
        ("https:///path", ""),
        ("ftp://example.org/", ""),
        ("/relative", ""),
        ("https://example.org/a b", ""),
        ("https://example.org/\u202etxt", ""),
        ("https://example.org/\x00", ""),
        ("https://example.org/" + "x" * MAX_URL_BYTES, ""),
        ("https://example.org/" + "ü" * (MAX_URL_BYTES // 2), ""),
    ],
)
def test_link_must_lead_where_it_seems_to_lead(url: str, found: str) -> None:
    assert normalise_url(url) == found


def test_post_address_escapes_both_parts() -> None:
    assert x_post_url("a/b", "1?2") == "https://x.com/a%2Fb/status/1%3F2"
    assert x_post_url("", "1") == ""


@pytest.mark.parametrize(
    ("value", "percent"),
    [
        (0, 0),
        (49.9, 49),
        (100, 100),
        (250, 100),
        (-3, 0),
        (True, None),
        ("50", None),
        (1e300, None),
    ],
)
def test_progress_is_a_percentage(value: object, percent: int | None) -> None:
    assert as_percent(value) == percent


@pytest.mark.parametrize(
    ("value", "text"), [("a", "a"), (7, "7"), (True, ""), (None, ""), (1.5, "")]
)
def test_text_may_be_a_whole_number(value: object, text: str) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize(
    "attachment",
    [
        {"jsonData": '{"id":"c"}'},
        {"jsonData": {"id": "c"}},
        {"json_data": '{"id":"c"}'},
        [{"jsonData": '{"id":"c"}'}],
        '{"id":"c"}',
        {"id": "c"},
    ],
)
def test_card_is_read_in_each_of_its_forms(attachment: object) -> None:
    assert [dict(card) for card in parse_cards(attachment)] == [{"id": "c"}]


@pytest.mark.parametrize("attachment", [None, 5, "", "[", [], {"jsonData": "[" * 90_000}])
def test_what_is_no_card_gives_none(attachment: object) -> None:
    assert list(parse_cards(attachment)) == []


def test_number_of_cards_is_limited() -> None:
    cards = CardCache()

    for number in range(MAX_CARDS + 1):
        cards.add({"id": f"c{number}"})

    assert cards.find(f"c{MAX_CARDS - 1}") is not None
    assert cards.find(f"c{MAX_CARDS}") is None


def test_pictures_are_limited_and_told_once() -> None:
    images, out = ImageLog("https://a.example"), EventBatch()

    for number in [*range(MAX_IMAGES + 3), 0]:
        images.take_chunk(
            {"imageId": str(number), "imageUrl": f"{number}.jpg", "progress": 100}, out
        )

    assert sum(isinstance(event, ImageReady) for event in out) == MAX_IMAGES
    assert sum(isinstance(event, ImageProgress) for event in out) == MAX_IMAGES


def test_picture_that_says_it_is_final_needs_no_number() -> None:
    images, out = ImageLog("https://a.example"), EventBatch()

    images.take_chunk({"imageId": "i", "imageUrl": "i.jpg", "isFinal": True}, out)

    assert out == [ImageProgress("i", 100), ImageReady("i", "https://a.example/i.jpg")]


def test_envelope_reports_its_pictures() -> None:
    card = {"id": "c", "image_chunk": {"imageUuid": "i", "imageUrl": "i.jpg", "progress": 100}}
    envelope = {"cardAttachmentsJson": [msgspec.json.encode(card).decode()]}
    frame = {"result": {"response": {"modelResponse": envelope}}}

    events = HttpDecoder(assets_url="https://a.example").feed(msgspec.json.encode(frame))

    assert ImageReady("i", "https://a.example/i.jpg") in events


def test_search_results_beyond_the_limit_of_runs_are_dropped() -> None:
    searches, out = SearchLog(), EventBatch()

    for number in range(MAX_RUNS + 3):
        searches.complete(f"n{number}", SearchKind.WEB, [], out)

    assert len(out) == MAX_RUNS


def test_handshake_ignores_what_comes_after_its_error() -> None:
    handshake = Handshake("evt")
    handshake.feed(b'{"event":{"type":"error","error":"x"}}')
    first = handshake.error

    handshake.feed(b'{"event":{"type":"session.ended"}}')

    assert first is not None
    assert handshake.error is first


def test_body_may_be_a_mere_json_string() -> None:
    error = classify_status(UpstreamStatus(429, {}, b'"slow down"'), now_s=0.0)

    assert isinstance(error, UpstreamRateLimitError)
    assert "slow down" in error.detail


def test_hint_of_an_unknown_platform_is_left_out() -> None:
    names = [name for name, _ in client_hints("Mozilla/5.0 (Haiku) Chrome/140.0")]

    assert names == ["Sec-Ch-Ua", "Sec-Ch-Ua-Mobile"]
