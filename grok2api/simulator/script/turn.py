"""An answer as a list of steps, before it becomes frames of one protocol."""

import re
from collections.abc import Iterable, Iterator
from itertools import chain, cycle, islice
from typing import Literal

import msgspec
from msgspec import Struct

from grok2api.simulator.identity import make_number, make_uuid
from grok2api.simulator.script.directives import DirectiveError, Script, last_block
from grok2api.simulator.script.faults import FAULTS
from grok2api.simulator.script.prose import VOCABULARY, compose_answer, compose_reasoning

_TOKEN = re.compile(r"\s*\S{1,12}[^\S\n]*|\s+")
_MARK = re.compile(r"\{cite:(\d+)\}")
_DRAWINGS = 2
_DONE_PERCENT = 100
_SLUG = re.compile(r"[^a-z0-9]+")


class Text(Struct, frozen=True):
    """A token of the answer."""

    text: str


class Reasoning(Struct, frozen=True):
    """A token of the thinking."""

    text: str


class Source(Struct, frozen=True):
    """A search hit. A post has a `post_id`, and its author's handle in place of the address."""

    url: str
    title: str
    post_id: str = ""


class SearchStart(Struct, frozen=True):
    """A search of the upstream's own begins."""

    id: str
    kind: Literal["web_search", "x_search"]
    query: str


class SearchResult(Struct, frozen=True):
    """Its hits; an empty `id` belongs to no search that was announced."""

    id: str
    kind: Literal["web_search", "x_search"]
    sources: tuple[Source, ...]


class LooseSource(Struct, frozen=True):
    """A search hit outside of any search."""

    source: Source


class Citation(Struct, frozen=True):
    """A mark in the text."""

    number: int
    url: str


class Picture(Struct, frozen=True):
    """One state of a generated image."""

    id: str
    url: str
    percent: int
    is_moderated: bool

    @property
    def is_finished(self) -> bool:
        return self.percent == _DONE_PERCENT and not self.is_moderated


class Noise(Struct, frozen=True):
    """A frame that every client must survive; a huge one ends its answer at most."""

    kind: Literal["unknown", "binary", "garbage", "huge"]


class Pause(Struct, frozen=True):
    """Silence."""

    ms: float


class InBandError(Struct, frozen=True):
    """The answer ends with an error."""

    code: int | str
    message: str
    form: Literal["root", "response", "card", "stream_errors"]


Finding = SearchStart | SearchResult | LooseSource | Citation | Picture
Step = Text | Reasoning | Finding | Noise | Pause | InBandError

_VOCABULARY = tuple(Text(f"{word} ") for word in VOCABULARY)


class Turn(Struct, frozen=True):
    """What a client said and who it is."""

    prompt: str
    user_id: str
    response_id: str
    seed: int


class Plan(Struct, frozen=True):
    """The steps of an answer up to its ending, and the error it ends with, if any.

    An error that comes first of all means that the call is not accepted.
    """

    steps: Iterable[Step]
    failure: InBandError | None = None
    is_accepted: bool = True


def build_plan(script: Script, turn: Turn) -> Plan:
    """Return what an answer consists of.

    Raises:
        DirectiveError: the text cites a source that is not there.
    """
    opening = [Pause(script.stall_first_ms)] if script.stall_first_ms else []
    failure = find_failure(script)
    if failure and script.after < 0:
        return Plan([*opening], failure, is_accepted=False)
    sources = _collect_sources(script)
    before: list[Step] = [*opening, *_noise(script)]
    before += map(Reasoning, _reasoning_tokens(script, turn))
    before += _search(script, turn, sources)
    answer = _answer(script, turn, sources)
    if script.stall_mid_ms:
        half = (len(answer) if isinstance(answer, list) else script.tokens) // 2
        at = half if script.stall_after < 0 else script.stall_after
        answer = _interrupt(answer, at, Pause(script.stall_mid_ms))
    if script.after >= 0 and (failure or script.end != "done"):
        return Plan(chain(before, _interrupt(answer, script.after, None)), failure)
    after: list[Step] = [*pictures(script, turn)]
    after += map(Reasoning, _split(script.late_reasoning))
    return Plan(chain(before, answer, after))


def find_failure(script: Script) -> InBandError | None:
    """Return the error that an answer ends with, if the script wants one."""
    if not script.error:
        return None
    if script.error == "custom":
        code: int | str = int(script.code) if script.code.isdecimal() else script.code
        return InBandError(code, script.message, script.error_form)
    fault = FAULTS[script.error]
    return InBandError(fault.code, script.message or fault.message, script.error_form)


def _interrupt(steps: Iterable[Step], tokens: int, pause: Pause | None) -> Iterator[Step]:
    """Yield `steps` with a pause, or the end if there is none, behind `tokens` text steps."""
    left = tokens
    for step in steps:
        if left == 0 and pause is None:
            return
        if left == 0 and pause is not None:
            yield pause
            left -= 1
        left -= isinstance(step, Text)
        yield step


def _noise(script: Script) -> Iterator[Noise]:
    if script.unknown:
        yield Noise("unknown")
    if script.binary:
        yield Noise("binary")
    if script.garbage:
        yield Noise("garbage")
    if script.huge:
        yield Noise("huge")


def _reasoning_tokens(script: Script, turn: Turn) -> Iterable[str]:
    if script.reasoning is None:
        is_prose = script.text is None and not script.tokens
        return _split(compose_reasoning(turn.prompt, turn.seed)) if is_prose else ()
    if script.reasoning in ("", "none"):
        return ()
    if script.reasoning.isdecimal():
        return (f"{word} " for word in islice(cycle(VOCABULARY), int(script.reasoning)))
    return (script.reasoning,) if script.split == "whole" else _split(script.reasoning)


def _collect_sources(script: Script) -> tuple[Source, ...]:
    if not script.search and not script.x_search:
        return ()
    if script.sources.isdecimal():
        topic = script.search or script.x_search
        slug = _SLUG.sub("-", topic.lower()).strip("-") or "page"
        return tuple(
            Source(f"https://example.org/{slug}/{n}", f"{topic} ({n})")
            for n in range(1, int(script.sources) + 1)
        )
    return tuple(
        Source(url, title or url)
        for url, _, title in (part.strip().partition(" ") for part in script.sources.split("|"))
    )


def _search(script: Script, turn: Turn, sources: tuple[Source, ...]) -> Iterator[Step]:
    if script.search:
        card = f"tool-{make_uuid(turn.response_id, 'web')}"
        if not script.orphan_result:
            yield SearchStart(card, "web_search", script.search)
        yield SearchResult("" if script.orphan_result else card, "web_search", sources)
    if script.x_search:
        card = f"tool-{make_uuid(turn.response_id, 'x')}"
        post_id = str(make_number(turn.seed, script.x_search))
        post = Source("example", script.x_search, post_id)
        yield SearchStart(card, "x_search", script.x_search)
        yield SearchResult(card, "x_search", (post,))
    if script.loose_source:
        yield LooseSource(Source("https://example.org/loose", "A loose source"))


def _answer(script: Script, turn: Turn, sources: tuple[Source, ...]) -> Iterable[Step]:
    if script.tool_call:
        return [Text(token) for token in _split(_tool_call(script.tool_call))]
    if script.tokens:
        return islice(cycle(_VOCABULARY), script.tokens)
    text = compose_answer(turn.prompt, turn.seed) if script.text is None else script.text
    if script.artifact:
        text += '<xaiartifact artifact_id="simulated" title="Draft">hidden</xaiartifact>'
    steps: list[Step] = []
    for index, piece in enumerate(_MARK.split(text)):
        if index % 2:
            steps.append(_cite(int(piece), sources))
        elif piece:
            steps += [Text(piece)] if script.split == "whole" else map(Text, _split(piece))
    return steps


def _cite(number: int, sources: tuple[Source, ...]) -> Citation:
    if not 1 <= number <= len(sources):
        raise DirectiveError(f"the text cites source {number} of {len(sources)}")
    return Citation(number, sources[number - 1].url)


def pictures(script: Script, turn: Turn) -> Iterator[Picture]:
    """Yield the states of the pictures that belong to an answer."""
    is_drawing = last_block(turn.prompt).startswith("Drawing: ") and not script.text
    for number in range(script.images or _DRAWINGS * is_drawing):
        image_id = make_uuid(turn.response_id, "image", number)
        path = f"users/{turn.user_id}/generated/{image_id}/image.jpg"
        for percent in (0, 50, _DONE_PERCENT):
            is_moderated = percent == _DONE_PERCENT and number < script.moderated
            yield Picture(image_id, path, percent, is_moderated)


def _tool_call(call: str) -> str:
    name, _, arguments = call.partition(" ")
    try:
        parameters = msgspec.json.format(arguments or "{}", indent=0)
    except msgspec.DecodeError as error:
        raise DirectiveError(f"tool_call must be a name and JSON: {error}") from None
    return (
        "<tool_calls>\n  <tool_call>\n"
        f"    <tool_name>{name}</tool_name>\n    <parameters>{parameters}</parameters>\n"
        "  </tool_call>\n</tool_calls>"
    )


def _split(text: str) -> list[str]:
    return _TOKEN.findall(text)
