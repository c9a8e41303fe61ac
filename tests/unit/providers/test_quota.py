"""Windows, the weekly allowance and the switch: what is asked, and what answers mean."""

import struct

import msgspec
import pytest
from hypothesis import given, strategies as st

from grok2api.domain.account import Mode
from grok2api.domain.quota import Credits, Reading
from grok2api.errors import UpstreamProtocolError
from grok2api.providers.grok_web.codec import grpc_web
from grok2api.providers.grok_web.codec.credits import credits_query, parse_credits
from grok2api.providers.grok_web.codec.preference import preference_change
from grok2api.providers.grok_web.codec.protobuf import read_fields
from grok2api.providers.grok_web.codec.quota import NOT_AVAILABLE, parse_window, quota_query

BASE = "https://grok.com"
FULL = {"windowSizeSeconds": 7200, "remainingQueries": 47, "totalQueries": 50}
START_S, END_S = 1_767_571_200, 1_768_176_000  # 2026-01-05, 2026-01-12
HALF = 500_000_000
GOLDEN = bytes.fromhex(
    "00 00000035 0a33 0d 0000cc41"
    "22 0c 0880feebca06 1080cab5ee01 2a 0c 0880f390cb06 1080cab5ee01"
    "3a 07 0804 150000a041 3a 07 0805 150000b040"
    "80 0000000f 677270632d7374617475733a300d0a"
)

odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
)


def window(**changes: object) -> Reading:
    told = {name: value for name, value in {**FULL, **changes}.items() if value != "absent"}
    return parse_window(Mode.AUTO, msgspec.json.encode(told))


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def moment(seconds: int, nanos: int = 0) -> bytes:
    return b"\x08" + varint(seconds) + (b"\x10" + varint(nanos) if nanos else b"")


def credits_message(
    percent: float | None,
    start: tuple[int, int] = (START_S, HALF),
    end: tuple[int, int] = (END_S, HALF),
) -> bytes:
    used = b"" if percent is None else b"\x0d" + struct.pack("<f", percent)
    return field(1, used + field(4, moment(*start)) + field(5, moment(*end)))


@pytest.mark.parametrize(
    ("mode", "word"),
    [
        (Mode.AUTO, "auto"),
        (Mode.FAST, "fast"),
        (Mode.EXPERT, "expert"),
        (Mode.HEAVY, "heavy"),
        (Mode.GROK_4_3, "grok-420-computer-use-sa"),
    ],
)
def test_each_mode_is_asked_for_by_the_upstreams_word(mode: Mode, word: str) -> None:
    request = quota_query(BASE, (), mode)

    assert (request.method, request.url) == ("POST", "https://grok.com/rest/rate-limits")
    assert msgspec.json.decode(request.body) == {"modelName": word}


def test_an_answer_is_a_reading_that_resets_at_the_latest_after_a_whole_window() -> None:
    told = {**FULL, "lowEffortRateLimits": None, "highEffortRateLimits": {"cost": 4}, "new": [1]}

    reading = parse_window(Mode.AUTO, msgspec.json.encode(told))

    assert reading == Reading(Mode.AUTO, 47, 50, 7200, 7200.0)


@pytest.mark.parametrize(
    ("remaining", "meant"), [(0, 0), (-3, 0), (51, 50), ("12", 12), (12.0, 12), (10**17, 50)]
)
def test_what_remains_is_between_nothing_and_all(remaining: object, meant: int) -> None:
    assert window(remainingQueries=remaining).remaining == meant


@pytest.mark.parametrize("length", ["absent", None, 0, -5, "soon", True, 1.5, 10**12])
def test_a_window_without_a_usable_length_has_two_hours(length: object) -> None:
    assert window(windowSizeSeconds=length).length_s == 7200


def test_the_length_is_what_the_upstream_says_whatever_the_plan() -> None:
    assert window(windowSizeSeconds=86400, totalQueries=30, remainingQueries=9).length_s == 86400


@pytest.mark.parametrize("total", ["absent", None, 0, -1, "many", False])
def test_a_mode_without_a_total_is_not_available(total: object) -> None:
    with pytest.raises(UpstreamProtocolError) as caught:
        window(totalQueries=total)

    assert caught.value.code == NOT_AVAILABLE


@pytest.mark.parametrize("remaining", ["absent", None, "some", True, [1], 1.5])
def test_a_window_that_does_not_say_what_remains_is_an_error(remaining: object) -> None:
    with pytest.raises(UpstreamProtocolError) as caught:
        window(remainingQueries=remaining)

    assert caught.value.code == "upstream_odd_quota"


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"x"', b"{", b"<html>", b"\xff"])
def test_what_is_no_object_is_an_error(body: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        parse_window(Mode.AUTO, body)


def test_more_queries_than_can_be_are_an_error() -> None:
    with pytest.raises(UpstreamProtocolError):
        window(totalQueries=10**12)


@given(st.dictionaries(st.sampled_from([*FULL, "x"]), odd))
def test_any_object_is_a_sound_reading_or_an_error(told: dict[str, object]) -> None:
    try:
        reading = parse_window(Mode.FAST, msgspec.json.encode(told))
    except UpstreamProtocolError:
        return
    assert reading.total is not None
    assert 0 <= reading.remaining <= reading.total
    assert reading.total > 0
    assert reading.resets_in_s == reading.length_s > 0


@given(st.binary(max_size=80))
def test_any_bytes_are_a_reading_or_an_error(body: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        parse_window(Mode.FAST, body)


def test_credits_are_asked_for_with_an_empty_message() -> None:
    request = credits_query(BASE, ())

    assert request.url == "https://grok.com/grok_api_v2.GrokBuildBilling/GetGrokCreditsConfig"
    assert request.body == bytes(5)


def test_the_documented_answer_says_how_much_of_the_week_is_left() -> None:
    message = grpc_web.expect_message(GOLDEN, {}, now_s=START_S)

    assert parse_credits(message, now_s=START_S) == Credits(7450, END_S - START_S + 0.5, 10_000)


@pytest.mark.parametrize(
    ("percent", "remaining"),
    [(0.0, 10_000), (33.333, 6667), (99.99, 1), (100.0, 0), (None, 10_000)],
)
def test_the_used_share_is_taken_from_the_whole(percent: float | None, remaining: int) -> None:
    found = parse_credits(credits_message(percent), now_s=END_S - 60.0)

    assert found == Credits(remaining, 60.5, 10_000)


def test_a_week_that_has_ended_resets_now() -> None:
    found = parse_credits(credits_message(10.0), now_s=END_S + 1.0)

    assert found is not None
    assert found.resets_in_s == 0.0


def test_whole_seconds_without_a_share_are_no_paid_pool() -> None:
    message = credits_message(None, (START_S, 0), (END_S, 0))

    assert parse_credits(message, now_s=START_S) is None


@pytest.mark.parametrize(
    "message",
    [
        b"",
        field(1, b""),
        credits_message(-0.5),
        credits_message(100.5),
        credits_message(float("nan")),
        credits_message(float("inf")),
        credits_message(1.0, (END_S, 0), (START_S, 0)),
        credits_message(1.0, (START_S, 0), (START_S, 0)),
        credits_message(1.0, (START_S, 0), (START_S + 86_399, 0)),
        credits_message(1.0, (START_S, 0), (START_S + 31 * 86_400 + 1, 0)),
        credits_message(1.0, (START_S, 0), ((1 << 64) - 5, 0)),
        credits_message(1.0, (START_S, 0), (END_S, 1_000_000_000)),
        field(1, field(4, moment(START_S))),
        field(1, b"\x08\x05"),
        field(1, b"\x25" + bytes(4)),
        b"\x08\x01",
        b"\x0b",
        b"\x00\x00",
        b"\x80",
        b"\xff" * 11,
        b"\x0a\x05\x00",
    ],
)
def test_a_message_that_cannot_be_is_an_error(message: bytes) -> None:
    with pytest.raises(UpstreamProtocolError) as caught:
        parse_credits(message, now_s=START_S)

    assert caught.value.code == "upstream_odd_credits"


def test_fields_that_nobody_knows_are_left_out() -> None:
    extra = field(2, b"") + field(7, b"\x15" + bytes(4)) + b"\x58\x01" + b"\x61" + bytes(8)
    plain = credits_message(25.5)
    config = next(read_fields(plain)).data

    found = parse_credits(field(9, b"?") + field(1, extra + config + extra), now_s=START_S)

    assert found == parse_credits(plain, now_s=START_S)


@given(st.binary(max_size=80))
def test_any_bytes_are_credits_or_an_error(message: bytes) -> None:
    for body in (message, field(1, message)):
        try:
            found = parse_credits(body, now_s=START_S)
        except UpstreamProtocolError:
            continue
        assert found is None or 0 <= found.remaining <= found.total


@given(st.integers(min_value=0, max_value=60), st.integers(min_value=0, max_value=255))
def test_one_wrong_byte_never_gives_credits_that_cannot_be(at: int, byte: int) -> None:
    body = bytearray(GOLDEN)
    body[at] = byte
    try:
        reply = grpc_web.parse_reply(bytes(body), {})
        found = parse_credits(reply.messages[0] if reply.messages else b"", now_s=START_S)
    except UpstreamProtocolError:
        return
    assert found is None or 0 <= found.remaining <= found.total


@pytest.mark.parametrize(("is_on", "digit"), [(True, "01"), (False, "00")])
def test_the_switch_is_turned_with_the_documented_bytes(*, is_on: bool, digit: str) -> None:
    request = preference_change(BASE, (), is_on=is_on)

    url = "https://grok.com/auth_mgmt.AuthManagement/UpdateUserFeatureControls"
    assert (request.method, request.url) == ("POST", url)
    assert request.body.hex() == (
        f"00000000200a0210{digit}121a0a18616c776179735f73686f775f6e7366775f636f6e74656e74"
    )
