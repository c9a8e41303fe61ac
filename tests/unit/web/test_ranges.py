"""Byte ranges: every header means the whole, a part that is there, or is refused."""

import re

import pytest
from hypothesis import given, strategies as st

from grok2api.web.ranges import ByteRange, RangeNotSatisfiableError, Validators, parse_range

WHOLE = None
STATE = Validators('"0123abcd"', 784111777.25)
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
LATER = "Sun, 06 Nov 1994 08:49:38 GMT"
EARLIER = "Sun, 06 Nov 1994 08:49:36 GMT"


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-99", (0, 100)),
        ("bytes=10-19", (10, 20)),
        ("bytes=99-", (99, 100)),
        ("bytes=0-", (0, 100)),
        ("bytes=50-1000", (50, 100)),
        ("bytes=-1", (99, 100)),
        ("bytes=-1000", (0, 100)),
        ("Bytes=1-2", (1, 3)),
        ("bytes= 1-2 ,, ", (1, 3)),
        ("bytes=0000000000000000000000000001-2", (1, 3)),
        ("bytes=0-99999999999999999999999999999", (0, 100)),
    ],
)
def test_part_is_served(header: str, part: tuple[int, int]) -> None:
    assert parse_range(header, 100) == ByteRange(*part)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=5-2",
        "bytes=0-1,3-4",
        "bytes=0-0,-1",
        "bytes=1-2-3",
        "bytes=+1-2",
        "bytes=\u0661-2",
        "bytes=1 - 2",
        "lines=1-2",
        "items=0-1",
        "0-1",
        "bytes=1-2;q=1",
        "bytes==1-2",
    ],
)
def test_what_is_not_one_part_means_the_whole(header: str | None) -> None:
    assert parse_range(header, 100) is WHOLE


@pytest.mark.parametrize(
    "header", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=" + "9" * 10_000 + "-"]
)
def test_part_behind_the_end_is_refused(header: str) -> None:
    with pytest.raises(RangeNotSatisfiableError):
        parse_range(header, 100)


@given(
    st.one_of(
        st.text(max_size=60),
        st.from_regex(r"bytes=[0-9 ,\t-]{0,40}", fullmatch=True),
        st.from_regex(r"bytes=[0-9]{0,25}-[0-9]{0,25}", fullmatch=True),
    ),
    st.integers(0, 2**62),
)
def test_part_lies_always_within_the_file(header: str, size: int) -> None:
    try:
        part = parse_range(header, size)
    except RangeNotSatisfiableError:
        return
    assert part is None or 0 <= part.start < part.end <= size


@given(st.integers(1, 200), st.integers(0, 220), st.integers(0, 220))
def test_part_is_what_slicing_gives(size: int, first: int, last: int) -> None:
    content = bytes(range(size))
    for header, expected in (
        (f"bytes={first}-{last}", content[first : last + 1]),
        (f"bytes={first}-", content[first:]),
        (f"bytes=-{last}", content[-last:] if last else b""),
    ):
        try:
            part = parse_range(header, size)
        except RangeNotSatisfiableError:
            assert expected == b""
            continue
        if part is None:
            assert last < first
        else:
            assert content[part.start : part.end] == expected


def test_long_headers_mean_the_whole() -> None:
    assert parse_range("bytes=" + "0-" * 15_000, 100) is WHOLE
    assert parse_range("bytes=" + "1" * 30_000, 100) is WHOLE
    assert parse_range("bytes=" + "0-," * 10_000, 100) is WHOLE


@pytest.mark.parametrize(
    "header", ['"0123abcd"', 'W/"0123abcd"', '"x", "0123abcd"', "*", ' "0123abcd" ,"y"']
)
def test_known_tag_is_unchanged_whatever_the_date_says(header: str) -> None:
    assert STATE.is_unchanged(header, None)
    assert STATE.is_unchanged(header, EARLIER)


@pytest.mark.parametrize("header", ['"other"', "0123abcd", "", '"0123', '"*"'])
def test_other_tag_is_a_change_whatever_the_date_says(header: str) -> None:
    assert not STATE.is_unchanged(header, LATER)


@pytest.mark.parametrize(("date", "is_unchanged"), [(DATE, 1), (LATER, 1), (EARLIER, 0), ("x", 0)])
def test_date_counts_without_a_tag(date: str, is_unchanged: int) -> None:
    assert STATE.is_unchanged(None, date) is bool(is_unchanged)


def test_nothing_given_is_a_change() -> None:
    assert not STATE.is_unchanged(None, None)


@pytest.mark.parametrize(
    ("header", "is_allowed"),
    [
        (None, True),
        ('"0123abcd"', True),
        (DATE, True),
        ('W/"0123abcd"', False),
        ('"other"', False),
        (LATER, False),
        (EARLIER, False),
        ("", False),
    ],
)
def test_part_continues_only_the_same_state(header: str | None, is_allowed: object) -> None:
    assert STATE.allow_range(header) is is_allowed


@given(st.text(max_size=80))
def test_any_text_may_stand_for_a_date(text: str) -> None:
    assert STATE.is_unchanged(None, text) in (True, False)
    assert STATE.is_unchanged(None, text + " GMT") in (True, False)


def test_date_is_told_as_headers_have_it() -> None:
    assert STATE.last_modified == DATE
    assert re.fullmatch(r"[\x20-\x7e]+", Validators("", 4e9).last_modified)
