"""WebSocket framing against a second implementation, and cut at every place."""

import pytest
from hypothesis import given, strategies as st
from websockets.frames import Frame, Opcode as Theirs
from websockets.streams import StreamReader

from grok2api.upstream.frames import FrameError, FrameParser, Opcode, accept_of, encode_frame


def their_frame(opcode: int, payload: bytes, *, is_final: bool = True) -> bytes:
    return Frame(Theirs(opcode), payload, fin=is_final).serialize(mask=False)


def read_back(data: bytes) -> Frame:
    reader = StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    parsing = Frame.parse(reader.read_exact, mask=True)
    try:
        while True:
            next(parsing)
    except StopIteration as stop:
        frame: Frame = stop.value
        return frame


@pytest.mark.parametrize("size", [0, 1, 3, 4, 125, 126, 127, 65535, 65536, 200_001])
def test_frames_are_read_back_by_another_implementation(size: int) -> None:
    payload = bytes(range(256)) * (size // 256) + bytes(size % 256)

    frame = read_back(encode_frame(Opcode.TEXT, payload, b"\x01\x80\xff\x00"))

    assert (frame.opcode, bytes(frame.data), frame.fin) == (Theirs.TEXT, payload, True)


def test_the_accept_value_is_that_of_the_rfc() -> None:
    assert accept_of(b"dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@given(
    st.lists(st.binary(max_size=400), max_size=12),
    st.lists(st.integers(min_value=1, max_value=300), max_size=40),
)
def test_messages_survive_any_cutting(messages: list[bytes], sizes: list[int]) -> None:
    data = b"".join(their_frame(1, message) for message in messages)
    parser = FrameParser()

    for size in sizes:
        piece, data = data[:size], data[size:]
        if piece:
            parser.feed(piece)
    if data:
        parser.feed(data)

    assert parser.texts == messages


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=8), st.booleans())
def test_fragments_are_joined(parts: list[bytes], is_pinged: bool) -> None:  # noqa: FBT001
    parser = FrameParser()

    for number, part in enumerate(parts):
        is_final = number == len(parts) - 1
        parser.feed(their_frame(0 if number else 1, part, is_final=is_final))
        if is_pinged:
            parser.feed(their_frame(9, b"p"))

    assert parser.texts == [b"".join(parts)]
    assert parser.controls == [(Opcode.PING, b"p")] * (len(parts) if is_pinged else 0)


def test_large_messages_are_not_copied_for_each_piece() -> None:
    message = b"x" * 1_000_000
    data = their_frame(1, message)
    parser = FrameParser()

    for start in range(0, len(data), 100):
        parser.feed(data[start : start + 100])

    assert parser.texts == [message]


@pytest.mark.parametrize(
    ("data", "close_code"),
    [
        (b"\x81\x7f" + (16 * 1024 * 1024 + 1).to_bytes(8, "big"), 1009),
        (b"\x81\xfe\x00\x80", 1002),
        (b"\x01\x01a\x01\x01b", 1002),
        (b"\x88\x7e\x00\x80" + bytes(128), 1002),
    ],
)
def test_broken_frames_name_their_close_code(data: bytes, close_code: int) -> None:
    with pytest.raises(FrameError) as caught:
        FrameParser().feed(data)

    assert caught.value.close_code == close_code


def test_fragments_together_are_bounded() -> None:
    parser = FrameParser()
    part = their_frame(0, bytes(8 * 1024 * 1024), is_final=False)
    parser.feed(their_frame(1, b"", is_final=False))
    parser.feed(part)
    parser.feed(part)

    with pytest.raises(FrameError) as caught:
        parser.feed(part)

    assert caught.value.close_code == 1009


def test_limit_of_a_message_is_the_callers_choice() -> None:
    large = their_frame(1, bytes(20 * 1024 * 1024))
    parser = FrameParser(64 * 1024 * 1024)

    parser.feed(large)

    assert [len(text) for text in parser.texts] == [20 * 1024 * 1024]
    with pytest.raises(FrameError):
        FrameParser(1024).feed(their_frame(1, bytes(1025)))
