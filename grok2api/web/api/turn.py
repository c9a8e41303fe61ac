"""One call of any of the chat APIs, decoded: what every way of answering it needs."""

from dataclasses import dataclass
from typing import Final, Protocol

import msgspec
from starlette.requests import Request

from grok2api.dialects.json_body import find_unknown
from grok2api.dialects.openai_chat_media import fit_images
from grok2api.dialects.prompt_size import count_text_tokens
from grok2api.domain.answer import Answer, Usage
from grok2api.domain.chat import ChatRequest, EventBatch
from grok2api.domain.client_key import ANONYMOUS, ClientKey
from grok2api.domain.model import Capability, Route
from grok2api.domain.usage import AttemptFact
from grok2api.domain.video_lengths import most_parts
from grok2api.services.affinity import find_affinity
from grok2api.services.attempt import AttemptRecord
from grok2api.services.dispatch import TurnRecord
from grok2api.telemetry.tokens import estimate_tokens
from grok2api.web.api.auth import take
from grok2api.web.facts import RequestFacts, facts_of
from grok2api.web.presence import client_present
from grok2api.web.public_url import public_url
from grok2api.web.state import AppState, state_of
from grok2api.web.streaming import MODE_HEADER, StreamContext, StreamPace, Write

JSON: Final = "application/json"
OPENAI: Final = "openai"
MS_PER_S: Final = 1000
IGNORED_HEADER: Final = "x-ignored-parameters"
WARNING_HEADER: Final = "x-grok2api-warning"
"""Says in one line what was served otherwise than asked."""


class TurnRenderer(Protocol):
    """Makes bytes of an answer, and counts its tokens."""

    def render(self, batch: EventBatch, /) -> bytes: ...

    def usage(self) -> Usage: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A call that can be answered. `ignored` are the parameters without effect."""

    state: AppState
    facts: RequestFacts
    request: ChatRequest
    caller: ClientKey | None
    ignored: tuple[str, ...]

    @property
    def headers(self) -> dict[str, str]:
        """Tell which parameters had no effect, and what was served otherwise than asked."""
        warning = self.request.images.warning
        lines = {IGNORED_HEADER: ", ".join(self.ignored), WARNING_HEADER: warning}
        return {name: line for name, line in lines.items() if line}

    @property
    def answer_headers(self) -> dict[str, str]:
        """Tell also which mode answered; known when the whole answer is there."""
        mode = {MODE_HEADER: self.facts.mode} if self.facts.mode else {}
        return self.headers | mode

    @property
    def context(self) -> StreamContext:
        """Return what a stream needs to know of this call."""
        return StreamContext(self.facts, self.state.drain, self.state.clock)

    def pace(self, keep_alive: bytes) -> StreamPace:
        """Return the pace of a stream whose silence `keep_alive` breaks."""
        stream = self.state.settings.stream
        return StreamPace(stream.commit_after_s, stream.keep_alive_s, keep_alive)

    async def run(self, renderer: TurnRenderer, write: Write) -> None:
        """Have the answer made, and write what `renderer` makes of it as it comes.

        One that breaks off, or whose client leaves, has cost what came of it until then.
        """
        record = TurnRecord()
        try:
            async with self.state.chat.stream(self.request, self.caller) as answer:
                record = answer.record
                async for batch in answer:
                    note_mode(self.facts, record)
                    await write(renderer.render(batch))
        except BaseException:
            self.facts.output_tokens = renderer.usage().completion
            raise
        finally:
            note_record(self.facts, record)

    async def complete(self, request: Request) -> Answer:
        """Have the whole answer made while the client waits."""
        record = TurnRecord()
        try:
            async with client_present(request.receive, self.state.drain):
                _, answer = await self.state.chat.complete(self.request, record, self.caller)
        finally:
            note_record(self.facts, record)
        return answer


def note_record(facts: RequestFacts, record: TurnRecord) -> None:
    """Remember how an answer came about."""
    facts.attempts = len(record.attempts)
    facts.attempts_made = tuple(_fact_of(attempt, facts) for attempt in record.attempts)
    facts.units = sum(attempt.units for attempt in record.attempts)
    facts.waited_s = record.waited_s
    note_mode(facts, record)
    for attempt in record.attempts:
        facts.account = attempt.account


def _fact_of(attempt: AttemptRecord, facts: RequestFacts) -> AttemptFact:
    return AttemptFact(
        account=attempt.account,
        outcome=attempt.outcome.value,
        error=attempt.error_kind,
        code=attempt.code,
        status=attempt.status,
        started_ms=max(0, round((attempt.started_s - facts.started_s) * MS_PER_S)),
        duration_ms=round(attempt.duration_s * MS_PER_S),
        exit=attempt.exit,
    )


def note_mode(facts: RequestFacts, record: TurnRecord) -> None:
    """Remember which mode answers."""
    facts.mode = record.mode.value if record.mode else ""


def count_text(text: str) -> int:
    """Estimate the tokens of a text in a chat."""
    return count_text_tokens(text, estimate_tokens)


async def list_ignored(
    request: Request, wire: msgspec.Struct, named: tuple[str, ...]
) -> tuple[str, ...]:
    """Return all parameters without effect: those `named`, and those that nobody knows yet."""
    return (*named, *find_unknown(await request.body(), type(wire)))


def note_request(request: Request, parsed: ChatRequest, caller: ClientKey | None) -> ChatRequest:
    """Find out which model and conversation a request is for, and whether it is streamed.

    Returns it with all of that.

    Raises:
        ModelNotFoundError: there is no such model.
    """
    state, facts = state_of(request), facts_of(request)
    affinity = find_affinity(request.headers, parsed, salt=caller.id if caller else ANONYMOUS)
    facts.affinity = affinity.rule.value
    facts.is_stream = state.settings.features.stream if parsed.stream is None else parsed.stream
    route = note_model(request, parsed.model)
    return msgspec.structs.replace(
        parsed,
        affinity=affinity,
        stream=facts.is_stream,
        images=fit_images(parsed.images, route.model.way),
        public_url=public_url(request),
    )


async def take_for_chat(request: Request, chat: ChatRequest, caller: ClientKey | None) -> None:
    """Take what a chat needs out of the limits of its key; its input is counted by now.

    Raises:
        GatewayError: as `take`.
    """
    model = state_of(request).models.resolve(chat.model).model
    count = {
        Capability.IMAGE: chat.images.n,
        Capability.IMAGE_EDIT: chat.images.n,
        Capability.VIDEO: most_parts(chat.video.seconds),
    }
    await take(
        request,
        caller,
        max_output_tokens=chat.max_output_tokens,
        units=model.cost * count.get(model.capability, 1),
    )


def note_model(request: Request, name: str) -> Route:
    """Remember which model a request is for; return how it is served.

    Raises:
        ModelNotFoundError: there is no such model.
    """
    facts = facts_of(request)
    facts.requested_model = name
    route = state_of(request).models.resolve(name)
    facts.model = route.model.name
    return route
