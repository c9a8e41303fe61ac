"""Windows of pictures and videos: what is asked, and what the one answer means."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from grok2api.domain.account import Mode
from grok2api.domain.quota import DAY_S, Reading
from grok2api.errors import UpstreamProtocolError
from grok2api.providers.grok_web.codec.media_quota import media_quota_query, parse_media_windows

NOW_S = datetime(2026, 1, 5, 12, 0, 0, tzinfo=UTC).timestamp()
FULL: dict[str, Any] = {
    "image": None,
    "imagePro": {"available": True, "remainingQueries": 2, "windowSizeSeconds": 86400},
    "imageEdit": {"available": False},
    "video": None,
    "video720p": {
        "available": True,
        "remainingQueries": 0,
        "windowSizeSeconds": 86400,
        "nextAvailableAt": "2026-01-06T04:47:49.902572219Z",
    },
}
AVAILABLE = {"available": True, "remainingQueries": 3, "windowSizeSeconds": 3600}

odd = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=30), st.datetimes()
)


def read(**changes: object) -> dict[Mode, Reading | None]:
    body = msgspec.json.encode({**FULL, **changes})
    return dict(parse_media_windows(body, now_s=NOW_S))


def picture(**changes: object) -> Reading:
    told = {name: value for name, value in {**AVAILABLE, **changes}.items() if value != "absent"}
    reading = read(imagePro=told)[Mode.IMAGE_PRO]
    assert reading is not None
    return reading


def test_question_is_one_for_all_modes() -> None:
    request = media_quota_query("https://grok.com", (("Cookie", "x"),))

    assert (request.method, request.url) == (
        "POST",
        "https://grok.com/rest/media/imagine/quota_info",
    )
    assert (request.headers, request.body) == ((("Cookie", "x"),), b"{}")


def test_every_product_is_a_mode_and_null_is_not_metered() -> None:
    told = read()

    video = told.pop(Mode.VIDEO_720P)
    assert told == {
        Mode.IMAGE_PRO: Reading(Mode.IMAGE_PRO, 2, None, DAY_S, float(DAY_S)),
        Mode.IMAGE_EDIT: Reading(Mode.IMAGE_EDIT, 0, None, DAY_S, float(DAY_S)),
        Mode.VIDEO: None,
    }
    assert video is not None
    assert (video.remaining, video.total, video.length_s) == (0, None, DAY_S)
    assert video.resets_in_s == pytest.approx(60469.902572, abs=1e-5)


@pytest.mark.parametrize("name", FULL)
def test_answer_that_lacks_a_product_is_refused_as_a_whole(name: str) -> None:
    told = {key: value for key, value in FULL.items() if key != name}

    with pytest.raises(UpstreamProtocolError) as caught:
        parse_media_windows(msgspec.json.encode(told), now_s=NOW_S)

    assert caught.value.code == "upstream_odd_quota"
    assert name in caught.value.detail


@pytest.mark.parametrize(
    "change",
    [
        {"available": "absent"},
        {"available": 1},
        {"available": None},
        {"remainingQueries": "absent"},
        {"remainingQueries": None},
        {"remainingQueries": 10**12},
        {"windowSizeSeconds": "absent"},
        {"windowSizeSeconds": 0},
        {"windowSizeSeconds": -1},
        {"windowSizeSeconds": 10**12},
        {"nextAvailableAt": "tomorrow"},
        {"nextAvailableAt": 1767675600},
        {"nextAvailableAt": "2026-01-06"},
        {"nextAvailableAt": "2026-01-06T04:47:49"},
        {"nextAvailableAt": "2026-13-06T04:47:49Z"},
        {"nextAvailableAt": "2026-01-06T04:47:49.1234567891Z"},
    ],
)
def test_available_window_that_makes_no_sense_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(UpstreamProtocolError):
        picture(**change)


def test_negative_remainder_is_none_left() -> None:
    assert picture(remainingQueries=-4).remaining == 0


@pytest.mark.parametrize(
    "told",
    [
        {"available": False},
        {"available": False, "remainingQueries": 0, "windowSizeSeconds": 0},
        {"available": False, "remainingQueries": 7, "nextAvailableAt": None},
    ],
)
def test_what_is_not_available_has_nothing_left_for_a_day(told: dict[str, object]) -> None:
    reading = read(imagePro=told)[Mode.IMAGE_PRO]

    assert reading == Reading(Mode.IMAGE_PRO, 0, None, DAY_S, float(DAY_S))


@pytest.mark.parametrize(
    ("moment", "after_s"),
    [
        ("2026-01-05T12:01:00Z", 60.0),
        ("2026-01-05T14:01:00+02:00", 60.0),
        ("2026-01-05T12:01:00.5Z", 60.5),
        ("2026-01-05T12:01:00.000001999Z", 60.000001),
        ("9999-12-31T23:59:59Z", 366.0 * DAY_S),
    ],
)
def test_named_time_is_the_end_of_the_window(moment: str, after_s: float) -> None:
    assert picture(nextAvailableAt=moment).resets_in_s == pytest.approx(after_s, abs=1e-6)


@pytest.mark.parametrize(("left", "after_s"), [(0, 0.0), (3, 3600.0)])
def test_time_that_is_over_ends_an_empty_window_only(left: int, after_s: float) -> None:
    reading = picture(remainingQueries=left, nextAvailableAt="2026-01-05T11:59:59Z")

    assert reading.resets_in_s == after_s


@given(st.dictionaries(st.sampled_from([*AVAILABLE, "nextAvailableAt", "x"]), odd))
def test_any_window_is_a_sound_reading_or_an_error(told: dict[str, object]) -> None:
    try:
        reading = read(video=told)[Mode.VIDEO]
    except UpstreamProtocolError:
        return
    assert reading is not None
    assert reading.total is None
    assert reading.remaining >= 0
    assert 0 < reading.length_s <= 366 * DAY_S
    assert 0 <= reading.resets_in_s <= 366 * DAY_S


@given(st.binary(max_size=80))
def test_any_bytes_that_are_no_answer_are_an_error(body: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        parse_media_windows(body, now_s=NOW_S)
