import msgspec
import pytest

from grok2api.dialects.json_body import MAX_UNKNOWN, decode_body, find_unknown
from grok2api.dialects.openai_chat import CHAT_REQUEST_DECODER, parse_request
from grok2api.domain.chat import TextPart
from grok2api.errors import InvalidRequestError

PREFIX = b'{"model":"m","messages":[{"role":"user","content":'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"model":"m",',
        b"\xff\xfe",
        b'{"model":"\xed\xa0\x80"}',
        b"NaN",
        b'{"a":' + b"[" * 200_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        PREFIX + b"[" * 50_000,
        PREFIX + rb'"\ud83d"',
    ],
    ids=range(9),
)
def test_what_is_not_json_is_refused_without_a_field(body: bytes) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        decode_body(CHAT_REQUEST_DECODER, body)

    assert (caught.value.param, caught.value.code) == (None, None)
    assert "not valid JSON" in caught.value.message


def test_place_of_the_fault_is_told() -> None:
    with pytest.raises(InvalidRequestError, match=r"\(byte 1\)"):
        decode_body(CHAT_REQUEST_DECODER, b"{x}")


def test_body_that_is_no_object_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="expected `object`, got `array`") as caught:
        decode_body(CHAT_REQUEST_DECODER, b"[]")

    assert caught.value.param is None


def test_string_cut_inside_an_emoji_is_mended() -> None:
    wire = decode_body(CHAT_REQUEST_DECODER, PREFIX + rb'"cut \ud83d"}]}')

    assert wire.messages[0].content == "cut \ufffd"


def test_mended_body_may_still_be_wrong() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        decode_body(CHAT_REQUEST_DECODER, PREFIX + rb'"\ud83d"}],"n":"x"}')

    assert caught.value.param == "n"


def test_string_in_a_part_is_mended_too() -> None:
    wire = decode_body(CHAT_REQUEST_DECODER, PREFIX + rb'[{"type":"text","text":"\ud83d!"}]}]}')

    assert parse_request(wire).messages[0].parts == (TextPart("\ufffd!"),)


def test_part_that_is_not_text_is_named() -> None:
    wire = decode_body(CHAT_REQUEST_DECODER, PREFIX + b'[{"type":"text","text":"\xff"}]}]}')

    with pytest.raises(InvalidRequestError) as caught:
        parse_request(wire)

    assert caught.value.param == "messages[0].content[0]"


def test_last_of_equal_keys_counts() -> None:
    wire = decode_body(CHAT_REQUEST_DECODER, PREFIX + b'"x"}],"model":"other"}')

    assert wire.model == "other"


def test_large_body_is_no_trouble() -> None:
    messages = [{"role": "user", "content": "x" * 2500}] * 1000
    body = msgspec.json.encode({"model": "m", "messages": messages})

    assert len(decode_body(CHAT_REQUEST_DECODER, body).messages) == 1000


class Known(msgspec.Struct):
    model: str
    kind: str = msgspec.field(default="", name="type")


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b'{"model":"m","type":"t"}', ()),
        (b'{"model":"m","new":1,"kind":[{}],"empty":null}', ("new", "kind")),
        (b'{"a b":1,"c\\r\\nx-evil: 1":1,"\xc3\xbc":1,"":1,"fine-1.x":{}}', ("fine-1.x",)),
        (b"[1]", ()),
        (b"{", ()),
    ],
)
def test_fields_that_nobody_knows_are_named(body: bytes, names: tuple[str, ...]) -> None:
    assert find_unknown(body, Known) == names


def test_list_of_unknown_fields_fits_into_a_header() -> None:
    body = msgspec.json.encode({"n" * 50 + str(n): n for n in range(5000)})

    assert len(find_unknown(body, Known)) == MAX_UNKNOWN
