"""The language that scripts an answer or a fault.

A directive is `[[sim: key=value; key=value]]`; it stands in the last block of a prompt (what the
client said last) or, without the brackets, in the queue of the control API. A key without a value
is `true`. A value that holds `;`, `]` or outer blanks is written in double quotes with JSON
escapes. Several directives are merged, a later key wins, and the queue wins over the prompt. A key
that is not known, or a value that does not fit, is answered with a clear refusal.

`docs/simulator.md` explains the keys; `Script` lists them.
"""

import re
from typing import Literal

import msgspec
from msgspec import Struct

from grok2api.simulator.script.faults import FAULTS, SILENT_FAULTS

_DIRECTIVE = re.compile(r'\[\[sim:((?:"(?:[^"\\]|\\.)*"|[^"\]])*)\]\]')
_PAIR = re.compile(r'\s*([a-z_]+)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^;"]*))?\s*(?:;|$)')
_BLOCK = re.compile(r"^\[(?:system|developer|user|assistant|tool)\]:?[ \n]?", re.MULTILINE)


class DirectiveError(ValueError):
    """A directive that makes no sense; the text says why."""


class Script(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a call is answered with. The defaults are a friendly, healthy answer."""

    # The answer.
    text: str | None = None
    tokens: int = 0
    split: Literal["words", "whole"] = "words"
    reasoning: str | None = None
    late_reasoning: str = ""
    search: str = ""
    x_search: str = ""
    sources: str = "2"
    images: int = 0
    moderated: int = 0
    tool_call: str = ""
    artifact: bool = False
    # Its form.
    style: Literal["chunk", "delta", "done"] = "chunk"
    framing: Literal["lines", "sse", "concat", "mixed"] = "lines"
    model_response: Literal["equal", "extend", "differ", "only", "none"] = "equal"
    soft_stop: bool = True
    final_metadata: bool = True
    split_tags: bool = False
    orphan_result: bool = False
    loose_source: bool = False
    unknown: bool = False
    binary: bool = False
    garbage: bool = False
    huge: bool = False
    # The opening of a socket session.
    foreign_first: bool = False
    attach_first: bool = False
    wrong_conversation: bool = False
    empty_conversation: bool = False
    # The answer to an upload.
    upload_id: Literal["metadata", "file", "upload"] = "metadata"
    terminal_error: str = ""
    # Pictures and videos.
    previews: int = 2
    moderated_slots: str = ""
    fewer: int = 0
    extra: int = 0
    states: bool = True
    completed_first: bool = False
    final_in: Literal["image", "completed"] = "image"
    final_percent: bool = True
    ids: Literal["all", "url"] = "all"
    blob: Literal["plain", "unpadded", "data_uri", "none"] = "plain"
    image_url: bool = True
    image_bytes: int = 0
    result: Literal["all", "stream", "model_response", "attachments", "markdown", "none"] = "all"
    url_key: Literal[
        "videoUrl", "contentUrl", "contentURL", "assetUrl", "assetURL", "fileUri", "fileURL"
    ] = "videoUrl"
    video_ms: float = 0.0
    steps: int = 4
    video_bytes: int = 0
    abandon: Literal["kept", "gone"] = "kept"
    # The list of files, and the hosts that they lie on.
    length: bool = True
    media_type: str | None = None
    names: Literal["camel", "plain", "snake"] = "camel"
    # The pace.
    delay_ms: float | None = None
    burst: int = 0
    chunk: int = 0
    fragment: int = 0
    stall_headers_ms: float = 0.0
    stall_first_ms: float = 0.0
    stall_mid_ms: float = 0.0
    stall_after: int = -1
    # What goes wrong.
    fault: str = ""
    http: int = 0
    body: str = ""
    content_type: str = "application/json"
    retry_after: str = ""
    should_retry: str = ""
    error: str = ""
    error_form: Literal["root", "response", "card", "stream_errors"] = "root"
    code: str = ""
    message: str = ""
    after: int = -1
    end: Literal["done", "close", "session_ended", "reset", "truncate", "silence"] = "done"
    done: str = "completed"
    # How often, and for whom.
    fail_first: int = 0
    only: str = ""


# Short forms: `reset_after=3` is `end=reset; after=3`.
_ENDINGS = {"reset_after": "reset", "close_after": "close", "silence_after": "silence"}

# `LIMITS` say how often and for whom `FAILING` apply; everything else of a script always applies.
LIMITS = frozenset({"fail_first", "only"})
FAILING = frozenset(
    {
        *(
            "fault",
            "http",
            "error",
            "end",
            "done",
            "wrong_conversation",
            "empty_conversation",
            "huge",
            "terminal_error",
        ),
        *("stall_headers_ms", "stall_first_ms", "stall_mid_ms"),
    }
)


def last_block(prompt: str) -> str:
    """Return what the client said last in a flattened prompt, without its role."""
    start = 0
    for found in _BLOCK.finditer(prompt):
        start = found.end()
    return prompt[start:].strip()


def read_directives(prompt: str) -> dict[str, str]:
    """Return the merged pairs of the directives in the last block of a prompt.

    Raises:
        DirectiveError: a directive cannot be read.
    """
    if "[[sim:" not in prompt:
        return {}
    pairs: dict[str, str] = {}
    for directive in _DIRECTIVE.finditer(last_block(prompt)):
        pairs |= parse_pairs(directive[1])
    return pairs


def strip_directives(text: str) -> str:
    """Return `text` as a person would have written it."""
    return _DIRECTIVE.sub("", text).strip()


def parse_pairs(text: str) -> dict[str, str]:
    """Read `key=value; key=value`.

    Raises:
        DirectiveError: the text has another form.
    """
    pairs: dict[str, str] = {}
    at = 0
    text = text.strip().rstrip(";")
    while at < len(text):
        pair = _PAIR.match(text, at)
        if pair is None or pair.end() == at:
            raise DirectiveError(f"cannot read the directive at {text[at : at + 40]!r}")
        pairs |= _spell_out(pair[1], _unquote(pair[2]))
        at = pair.end()
    return pairs


def build_script(pairs: dict[str, str]) -> Script:
    """Turn pairs into a script.

    Raises:
        DirectiveError: a key is not known, or a value does not fit it.
    """
    try:
        script = msgspec.convert(pairs, Script, strict=False)
    except msgspec.ValidationError as error:
        raise DirectiveError(str(error)) from None
    if script.fault and script.fault not in FAULTS and script.fault not in SILENT_FAULTS:
        raise DirectiveError(f"no fault is called {script.fault!r}")
    if script.error and script.error not in FAULTS and script.error != "custom":
        raise DirectiveError(f"no error is called {script.error!r}")
    return script


def _spell_out(key: str, value: str) -> dict[str, str]:
    """Return the pairs that a short form stands for."""
    ending = _ENDINGS.get(key)
    return {key: value} if ending is None else {"end": ending, "after": value}


def _unquote(value: str | None) -> str:
    if value is None:
        return "true"
    value = value.strip()
    if not value.startswith('"'):
        return value
    try:
        return msgspec.json.decode(value.encode(), type=str)
    except msgspec.DecodeError as error:
        raise DirectiveError(f"cannot read the value {value[:40]!r}: {error}") from None
