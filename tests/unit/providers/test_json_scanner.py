"""Cutting a byte stream into objects."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, strategies as st

from grok2api.providers.grok_web.codec.json_scanner import JsonScanner

TEXT = st.text(alphabet=st.sampled_from(list('ab{}[]"\\\n,: é🌊')), max_size=12)
OBJECTS = st.dictionaries(
    TEXT, st.one_of(TEXT, st.dictionaries(TEXT, TEXT, max_size=2)), max_size=3
)
SEPARATORS = st.sampled_from([b"", b"\n", b"\r\n", b" ", b"\n\ndata: ", b"event: x\n", b"]["])


def make_scanner(limit_bytes: int = 1000) -> JsonScanner[object]:
    return JsonScanner(msgspec.json.Decoder(dict).decode, limit_bytes=limit_bytes)


def scan(scanner: JsonScanner[object], pieces: list[bytes]) -> list[object]:
    return [value for piece in pieces for value in scanner.feed(piece)]


@given(
    objects=st.lists(st.tuples(OBJECTS, SEPARATORS, st.booleans()), max_size=6),
    places=st.lists(st.integers(0, 400), max_size=6),
)
def test_every_object_comes_out_however_separated_and_cut(
    objects: list[tuple[dict[str, object], bytes, bool]], places: list[int]
) -> None:
    data = b""
    for value, separator, is_pretty in objects:
        text = msgspec.json.encode(value)
        data += separator + (msgspec.json.format(text) if is_pretty else text)
    edges = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    pieces = [data[start:end] for start, end in pairwise(edges)]
    scanner = make_scanner(10_000)

    found = scan(scanner, pieces)

    assert found == [value for value, _, _ in objects]
    assert not scanner.is_inside
    assert not scanner.malformed


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_nothing_comes_after_the_end_mark(step: int) -> None:
    data = b'data: {"a":"[DONE]"}\n\ndata: [DONE]\n{"b":1}\n'
    scanner = make_scanner()

    found = scan(scanner, [data[at : at + step] for at in range(0, len(data), step)])

    assert found == [{"a": "[DONE]"}]
    assert scanner.has_end_mark


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_object_beyond_the_limit_ends_the_scan(step: int) -> None:
    data = b'{"a":1}\n{"b":"' + b"x" * 100 + b'"}\n{"c":1}\n'
    scanner = make_scanner(limit_bytes=50)

    found = scan(scanner, [data[at : at + step] for at in range(0, len(data), step)])

    assert found == [{"a": 1}]
    assert scanner.is_too_large


def test_object_of_exactly_the_limit_comes_out() -> None:
    data = b'{"a":"' + b"x" * 42 + b'"}'
    scanner = make_scanner(limit_bytes=len(data))

    assert len(scan(scanner, [data[:10], data[10:]])) == 1
    assert not scanner.is_too_large


@pytest.mark.parametrize("step", [1, 10_000])
def test_malformed_object_is_counted_and_skipped(step: int) -> None:
    data = b'{"a":}\n{"b":1}{"c":\xff}\n' + b'{"d":' * 5000 + b"}" * 5000 + b'\n{"e":2}'
    scanner = make_scanner(100_000)

    found = scan(scanner, [data[at : at + step] for at in range(0, len(data), step)])

    assert found == [{"b": 1}, {"e": 2}]
    assert scanner.malformed == 3


def test_end_inside_an_object_is_noticed() -> None:
    scanner = make_scanner()

    scan(scanner, [b'{"a":"}'])

    assert scanner.is_inside
