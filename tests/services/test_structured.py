"""Answers that have to be something in particular: asked for again once, then refused."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from grok2api.domain.chat import (
    ChatRequest,
    Citation,
    ConversationOpened,
    EventBatch,
    Finished,
    FinishReason,
    ReasoningDelta,
    Role,
    TextDelta,
    TextPart,
    ToolArguments,
    ToolCallEnded,
    ToolCallStarted,
)
from grok2api.domain.tools import AnswerFormat, ChoiceKind, FormatKind, Tool, ToolChoice
from grok2api.errors import InvalidRequestError, UpstreamRateLimitError, UpstreamRejectedError
from grok2api.providers.session import UpstreamSession
from grok2api.services.dispatch import TurnRecord
from tests.services.conftest import Bench, Play, ask

CALL: EventBatch = [
    ToolCallStarted(0, "c", "f"),
    ToolArguments(0, "{}"),
    ToolCallEnded(0),
    Finished(FinishReason.TOOL_CALLS),
]
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
FORCED: dict[str, Any] = {
    "tools": (Tool("f"),),
    "tool_choice": ToolChoice(ChoiceKind.REQUIRED, ("f",)),
}
JSON: dict[str, Any] = {"answer_format": AnswerFormat(FormatKind.JSON_SCHEMA, schema=SCHEMA)}


def plays(*events: Any) -> Play:
    async def play(session: UpstreamSession) -> AsyncIterator[EventBatch]:
        for event in events:
            yield [event]

    return play


def says(text: str) -> Play:
    return plays(TextDelta(text), Finished())


async def stream(bench: Bench, request: ChatRequest, record: TurnRecord) -> list[EventBatch]:
    async with bench.chat.stream(request) as turn:
        batches = [batch async for batch in turn]
        record.attempts += turn.record.attempts
    return batches


@pytest.fixture
def heard(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> list[ChatRequest]:
    """What the upstream is asked, request by request."""
    requests: list[ChatRequest] = []
    real: Callable[..., Any] = bench.script.stream_chat

    def listen(request: ChatRequest, *rest: Any) -> Any:
        requests.append(request)
        return real(request, *rest)

    monkeypatch.setattr(bench.script, "stream_chat", listen)
    return requests


async def test_required_call_is_asked_for_again(bench: Bench, heard: list[ChatRequest]) -> None:
    await bench.add("one")
    bench.script.plays += [says("I could call f."), plays(*CALL)]
    record = TurnRecord()

    batches = await stream(bench, ask(**FORCED), record)

    assert [event for batch in batches for event in batch] == CALL
    assert len(record.attempts) == 2
    assert await bench.open_leases() == 0
    *_, said, reminder = heard[1].messages
    assert (said.role, said.parts) == (Role.ASSISTANT, (TextPart("I could call f."),))
    assert isinstance(reminder.parts[0], TextPart)
    assert "the function f" in reminder.parts[0].text


async def test_text_before_a_required_call_is_kept(bench: Bench) -> None:
    await bench.add("one")
    bench.script.plays.append(plays(TextDelta("Let me."), *CALL[:3], TextDelta(" So."), CALL[3]))

    _, answer = await bench.chat.complete(ask(**FORCED), TurnRecord())

    assert answer.text == "Let me. So."
    assert [call.name for call in answer.tool_calls] == ["f"]
    assert answer.finish_reason is FinishReason.TOOL_CALLS


async def test_second_answer_without_the_required_call_is_refused(bench: Bench) -> None:
    await bench.add("one")
    bench.script.plays += [says("No."), says("Never.")]

    with pytest.raises(UpstreamRejectedError) as refused:
        await bench.chat.complete(ask(**FORCED), TurnRecord())

    assert refused.value.code == "tool_call_required_failed"
    assert "the function f" in refused.value.message
    assert await bench.open_leases() == 0
    assert await bench.statuses() == {"acc_one": "active"}


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ('{"n": 1}', '{"n": 1}'),
        ('```json\n{"n": 1}\n```', '{"n": 1}'),
        ('Sure: {"n": "1",}', '{"n":1}'),
    ],
)
async def test_json_is_sent_when_it_is_right(bench: Bench, said: str, sent: str) -> None:
    await bench.add("one")
    bench.script.plays.append(plays(ReasoningDelta("hm"), *map(TextDelta, said), Finished()))
    record = TurnRecord()

    batches = await stream(bench, ask(**JSON), record)

    assert batches == [[ReasoningDelta("hm")], [TextDelta(sent)], [Finished()]]
    assert len(record.attempts) == 1


async def test_long_json_is_sent_in_pieces(bench: Bench) -> None:
    await bench.add("one")
    said = msgspec.json.encode({"n": 1, "text": "x" * 5000}).decode()
    bench.script.plays.append(says(said))

    batches = await stream(bench, ask(**JSON), TurnRecord())

    texts = [event.text for batch in batches for event in batch if isinstance(event, TextDelta)]
    assert len(texts) == 3
    assert "".join(texts) == said


async def test_citation_marks_are_no_part_of_json(bench: Bench) -> None:
    await bench.add("one")
    mark = "[[1]](https://e.org)"
    cited = Citation(1, "https://e.org", "e", 6, 6 + len(mark))
    bench.script.plays.append(
        plays(TextDelta('{"n": '), TextDelta(mark), cited, TextDelta("7}"), Finished())
    )

    _, answer = await bench.chat.complete(ask(**JSON), TurnRecord())

    assert (answer.text, answer.citations) == ('{"n": 7}', [])


async def test_wrong_json_is_asked_for_again_with_the_reason(
    bench: Bench, heard: list[ChatRequest]
) -> None:
    await bench.add("one", "two")
    bench.script.plays += [says('{"m": 1}'), says('{"n": 2}')]

    _, answer = await bench.chat.complete(ask(**JSON), TurnRecord())

    assert answer.text == '{"n": 2}'
    reminder = heard[1].messages[-1].parts[0]
    assert isinstance(reminder, TextPart)
    assert '"n" is a required property' in reminder.text


async def test_second_answer_that_is_no_json_is_refused(bench: Bench) -> None:
    await bench.add("one")
    bench.script.plays += [says("Once"), says("upon a time")]

    with pytest.raises(UpstreamRejectedError) as refused:
        await stream(bench, ask(**JSON), TurnRecord())

    assert refused.value.code == "structured_output_failed"


async def test_answer_that_calls_a_tool_need_not_be_json(bench: Bench) -> None:
    await bench.add("one")
    bench.script.plays.append(plays(TextDelta("Let me."), *CALL))

    _, answer = await bench.chat.complete(ask(**JSON, tools=(Tool("f"),)), TurnRecord())

    assert (answer.text, len(answer.tool_calls)) == ("Let me.", 1)


async def test_schema_that_is_none_is_the_clients_fault(bench: Bench) -> None:
    wrong = AnswerFormat(FormatKind.JSON_SCHEMA, schema={"type": "thing"})

    with pytest.raises(InvalidRequestError, match="schema of the answer"):
        await bench.chat.complete(ask(answer_format=wrong), TurnRecord())


async def test_second_turn_may_still_change_accounts(bench: Bench) -> None:
    await bench.add("one", "two")

    async def fail(session: UpstreamSession) -> AsyncIterator[EventBatch]:
        raise_rate_limit()
        yield []

    bench.script.plays += [says("No."), fail, plays(*CALL)]

    _, answer = await bench.chat.complete(ask(**FORCED), TurnRecord())

    assert len(answer.tool_calls) == 1
    assert len(bench.script.asked) == 3


def raise_rate_limit() -> None:
    raise UpstreamRateLimitError("Slow down.", status=429)


@pytest.mark.parametrize(
    ("wanted", "code"),
    [(JSON, "structured_output_failed"), (FORCED, "tool_call_required_failed")],
)
async def test_answer_that_fails_twice_has_shown_nothing(
    bench: Bench, wanted: dict[str, Any], code: str
) -> None:
    await bench.add("one")
    fails = plays(ConversationOpened("c"), TextDelta("No."), Finished())
    bench.script.plays += [fails, fails]
    shown: list[EventBatch] = []

    with pytest.raises(UpstreamRejectedError) as refused:
        async with bench.chat.stream(ask(**wanted)) as turn:
            shown += [batch async for batch in turn]

    assert refused.value.code == code
    assert shown == [], "a status of its own can still be sent"


async def test_what_no_client_sees_comes_before_the_answer_all_the_same(bench: Bench) -> None:
    await bench.add("one")
    bench.script.plays.append(plays(ConversationOpened("c"), *CALL))

    batches = await stream(bench, ask(**FORCED), TurnRecord())

    assert [event for batch in batches for event in batch] == [ConversationOpened("c"), *CALL]
