"""Script headers: the contract is read, and what does not fit it is refused."""

import re
from pathlib import Path
from typing import Any

import pytest

from grok2api.resources import find_resource
from grok2api.store.header import expand_all, expand_script, list_scripts, parse_header

SOURCE = """--- Do one thing.
-- More about it.
--
-- @key  first    ZSET     account id -> score
-- @keys groups   ZSET,HASH  per pool
-- @arg  name     string   who
-- @arg  size     integer  how many
-- @arg  blob     bytes    what
-- @args others   string   more names
-- @reply done    id:string at_ms:integer data:bytes
-- @reply nothing (there was nothing)
-- @repeatable it only reads
-- @cost  O(1)
local first = KEYS[1]
return { 'nothing' }
"""
HEADER = parse_header("area/verb", SOURCE)
ARGS: dict[str, Any] = {"name": "n", "size": 1, "blob": b"b", "others": ["x", "y"]}


def test_keys_and_arguments_are_put_in_order() -> None:
    keys = HEADER.order_keys({"groups": ["a", "b", "c", "d"], "first": "f"})

    assert keys == ["f", "a", "b", "c", "d"]
    assert HEADER.order_args(dict(reversed(ARGS.items()))) == ["n", 1, b"b", "x", "y"]


@pytest.mark.parametrize(
    "given", [{"first": "f"}, {"first": "f", "groups": [], "more": "x"}, {"groups": []}]
)
def test_missing_or_unknown_key_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="missing or unknown"):
        HEADER.order_keys(given)


def test_half_a_group_of_keys_is_refused() -> None:
    with pytest.raises(ValueError, match="whole groups"):
        HEADER.order_keys({"first": "f", "groups": ["a"]})


@pytest.mark.parametrize(
    "wrong", [{"name": 1}, {"size": "1"}, {"size": True}, {"blob": "b"}, {"others": "xy"}]
)
def test_argument_of_the_wrong_type_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        HEADER.order_args({**ARGS, **wrong})


def test_reply_is_decoded_by_its_declared_types() -> None:
    assert HEADER.decode([b"done", b"id", b"7", b"\xff"]) == ["done", "id", 7, b"\xff"]
    assert HEADER.decode([b"nothing"]) == ["nothing"]


@pytest.mark.parametrize("raw", [[b"other"], [b"done"], [b"nothing", b"x"]])
def test_undeclared_reply_is_refused(raw: list[bytes]) -> None:
    with pytest.raises(ValueError, match="is not declared"):
        HEADER.decode(raw)


@pytest.mark.parametrize(
    "line",
    [
        "-- @kye  first ZSET",
        "-- @key  first MAP",
        "-- @key  first",
        "-- @arg  name  text",
        "-- @reply done id:uuid",
        "-- @args others string\n-- @args more string",
    ],
)
def test_header_with_a_slip_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="area/verb"):
        parse_header("area/verb", f"--- Do.\n{line}\nreturn 1\n")


def test_script_must_say_what_it_does() -> None:
    with pytest.raises(ValueError, match="must say what"):
        parse_header("area/verb", "return 1\n")


@pytest.mark.parametrize("name", list_scripts())
def test_every_script_has_its_contract(name: str) -> None:
    header, text = expand_script(name)
    source = (find_resource("lua") / f"{name}.lua").read_text()

    assert header.replies
    numbers = sorted({int(n) for n in re.findall(r"KEYS\[(\d+)\]", source)})
    included = len(header.keys) - len(parse_header(name, source).keys)
    assert numbers == list(range(included + 1, len(header.keys) + 1))
    arguments = {int(n) for n in re.findall(r"ARGV\[(\d+)\]", source)}
    assert arguments <= set(range(1, len(header.args) + 1))
    for include in header.includes:
        assert f"local function {include}(" in text
        body = text.partition(f"local function {include}(")[2]
        assert f"{include}(" in body, f"{include} is included but not called"


@pytest.mark.parametrize("name", list_scripts())
def test_script_answers_only_what_it_declares(name: str) -> None:
    header, source = expand_script(name)

    said = set(re.findall(r"(?:return|and|or) \{ '(\w+)'", source))
    said |= {w for pair in re.findall(r"and '(\w+)' or '(\w+)' \}", source) for w in pair}
    said |= set(re.findall(r"(?:return|and) touch_media\('(\w+)'", source))
    assert said == set(header.replies)


def test_expanded_scripts_are_written_out(tmp_path: Path) -> None:
    written = expand_all(tmp_path)

    assert [p.relative_to(tmp_path).with_suffix("").as_posix() for p in written] == list_scripts()
    assert "local function place(" in (tmp_path / "account" / "acquire.lua").read_text()
