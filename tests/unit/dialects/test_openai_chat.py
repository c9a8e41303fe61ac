from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ParsedChatCompletion

from grok2api.dialects.openai_chat import StreamRenderer, measure_usage, render_completion
from grok2api.domain.answer import AnswerFold
from grok2api.domain.chat import (
    ChatEvent,
    Citation,
    ConversationOpened,
    EventBatch,
    Finished,
    FinishReason,
    ImageProgress,
    ImageReady,
    ParentKnown,
    ReasoningDelta,
    SearchCall,
    SearchKind,
    SearchStatus,
    Source,
    SourceKind,
    TextDelta,
)
from grok2api.errors import UpstreamTimeoutError
from grok2api.telemetry.tokens import estimate_tokens
from grok2api.wire.sse import SSEParser

HEAD = (
    '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":5,"model":"grok-4","choices":['
)
OPENING = (
    f'data: {HEAD}{{"index":0,"delta":{{"role":"assistant","content":""}},"finish_reason":null}}]}}'
    "\n\n"
)
LAST = f'data: {HEAD}{{"index":0,"delta":{{}},"finish_reason":"stop"}}]}}\n\ndata: [DONE]\n\n'

MARK = Citation(1, "https://example.org/w", "Water", 21, 50)
WEB = Source("https://example.org/w", "Water")
POST = Source("https://x.com/a/status/1", "a: hello", SourceKind.X_POST)
FULL_ANSWER: EventBatch = [
    ConversationOpened("conv"),
    ReasoningDelta("Recall the "),
    ReasoningDelta("sea-level value"),
    SearchCall("s1", SearchKind.WEB, "water", SearchStatus.IN_PROGRESS),
    SearchCall("s1", SearchKind.WEB, "water", SearchStatus.COMPLETED, (WEB,)),
    Source(WEB.url, "the same again"),
    POST,
    TextDelta("Water boils at 100 °C [[1]](https://example.org/w)"),
    MARK,
    ImageProgress("i1", 50),
    ImageReady("i1", "https://assets.example/a (1).png"),
    ParentKnown("p"),
    Finished(),
]


def text_chunk(text: str) -> str:
    delta = msgspec.json.encode({"content": text}).decode()
    return f'data: {HEAD}{{"index":0,"delta":{delta},"finish_reason":null}}]}}\n\n'


def make(**options: Any) -> StreamRenderer:
    defaults: dict[str, Any] = {
        "include_usage": False,
        "show_reasoning": True,
        "prompt_tokens": 7,
        "count_tokens": len,
    }
    return StreamRenderer("chatcmpl-1", 5, "grok-4", **(defaults | options))


def stream(batches: Iterable[EventBatch], **options: Any) -> bytes:
    renderer = make(**options)
    return b"".join([renderer.render(batch) for batch in batches]) + renderer.finish()


def chunks_of(data: bytes) -> list[ChatCompletionChunk]:
    *events, done = SSEParser().feed(data)
    assert done.data == "[DONE]"
    return [ChatCompletionChunk.model_validate_json(e.data, strict=True) for e in events]


def accumulate(data: bytes) -> ParsedChatCompletion[None]:
    """What the official SDK's own accumulator makes of a stream."""
    state = ChatCompletionStreamState()
    for chunk in chunks_of(data):
        state.handle_chunk(chunk)
    return state.get_final_completion()


def complete(events: EventBatch, **options: Any) -> ChatCompletion:
    fold = AnswerFold()
    fold.add(events)
    answer = fold.answer()
    body = render_completion(
        answer,
        completion_id="chatcmpl-1",
        created_s=5,
        model="grok-4",
        show_reasoning=options.pop("show_reasoning", True),
        usage=measure_usage(answer, prompt_tokens=7, count_tokens=len),
        **options,
    )
    return ChatCompletion.model_validate_json(body, strict=True)


def content_of(data: bytes) -> str:
    return "".join(c.delta.content or "" for chunk in chunks_of(data) for c in chunk.choices)


def reasoning_of(data: bytes) -> str:
    deltas = [c.delta.model_extra or {} for chunk in chunks_of(data) for c in chunk.choices]
    return "".join(delta.get("reasoning_content", "") for delta in deltas)


# -- streaming


def test_golden_stream() -> None:
    renderer = make()

    assert renderer.render([TextDelta("Hé\n")]).decode() == OPENING + text_chunk("Hé\n")
    assert renderer.render([TextDelta('"lo"')]).decode() == text_chunk('"lo"')
    assert renderer.render([Finished()]) == b""
    assert renderer.finish().decode() == LAST


def test_golden_stream_with_usage() -> None:
    usage = (
        '{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12,'
        '"prompt_tokens_details":{"cached_tokens":0,"text_tokens":7,"audio_tokens":0,"image_tokens":0},'
        '"completion_tokens_details":{"text_tokens":2,"audio_tokens":0,"reasoning_tokens":3}}'
    )

    data = stream([[ReasoningDelta("hmm")], [TextDelta("Hi")], [Finished()]], include_usage=True)

    *_, finish, last, done = data.decode().removesuffix("\n\n").split("\n\n")
    assert done == "data: [DONE]"
    assert (
        finish == f'data: {HEAD}{{"index":0,"delta":{{}},"finish_reason":"stop"}}],"usage":null}}'
    )
    assert last == f'data: {HEAD}],"usage":{usage}}}'
    assert all(c.model_fields_set >= {"usage"} for c in chunks_of(data))
    assert [c.usage for c in chunks_of(data)[:-1]] == [None] * 4


def test_usage_is_absent_when_not_asked_for() -> None:
    assert not any("usage" in c.model_fields_set for c in chunks_of(stream([[TextDelta("Hi")]])))


def test_answer_without_text_is_still_a_message() -> None:
    assert stream([[Finished()]]).decode() == OPENING + LAST


def test_ten_tokens_that_arrive_together_are_one_chunk() -> None:
    renderer = make()
    renderer.render([TextDelta("a")])

    assert renderer.render([TextDelta("b")] * 10).decode() == text_chunk("b" * 10)


def test_reasoning_then_text_of_one_batch_are_two_chunks() -> None:
    data = stream([[ReasoningDelta("a"), ReasoningDelta("b"), TextDelta("c"), TextDelta("d")]])

    deltas = [c.choices[0].delta.model_dump(exclude_unset=True) for c in chunks_of(data)]
    assert deltas == [
        {"role": "assistant", "content": ""},
        {"reasoning_content": "ab"},
        {"content": "cd"},
        {},
    ]


def test_nothing_is_sent_while_there_is_nothing_to_show() -> None:
    renderer = make(show_reasoning=False)

    hidden: EventBatch = [
        ReasoningDelta("hidden"),
        ConversationOpened("c"),
        ImageProgress("i", 1),
        POST,
        TextDelta(""),
    ]
    assert renderer.render(hidden) == b""


def test_hidden_reasoning_is_not_sent_but_counted() -> None:
    renderer = make(show_reasoning=False)

    data = renderer.render([ReasoningDelta("secret"), TextDelta("Hi")]) + renderer.finish()

    assert b"secret" not in data
    assert (renderer.usage().reasoning, renderer.usage().completion) == (6, 8)


def test_reasoning_after_text_is_not_sent() -> None:
    batches: list[EventBatch] = [
        [TextDelta("Hi"), ReasoningDelta("late")],
        [ReasoningDelta("later")],
    ]

    assert reasoning_of(stream(batches)) == ""


def test_usage_grows_with_the_stream() -> None:
    renderer = make()

    renderer.render([TextDelta("ab")])
    early = renderer.usage()
    renderer.render([TextDelta("cd")])

    assert (early.completion, renderer.usage().completion) == (2, 4)


@pytest.mark.parametrize("reason", FinishReason)
def test_finish_reason_is_told(reason: FinishReason) -> None:
    last = chunks_of(stream([[TextDelta("x"), Finished(reason)]]))[-1]

    assert last.choices[0].finish_reason == reason.value


def test_annotation_follows_the_text_that_holds_its_mark() -> None:
    chunks = chunks_of(stream([FULL_ANSWER]))

    deltas = [c.choices[0].delta.model_dump(exclude_unset=True) for c in chunks]
    at = deltas.index({"content": "Water boils at 100 °C [[1]](https://example.org/w)"})
    citation = {"url": MARK.url, "title": "Water", "start_index": 21, "end_index": 50}
    assert deltas[at + 1] == {
        "annotations": [{"index": 0, "type": "url_citation", "url_citation": citation}]
    }


def test_image_is_a_paragraph_after_the_text() -> None:
    batches: list[EventBatch] = [
        [ImageReady("1", "https://a/1 (x).png")],
        [TextDelta("Here.")],
        [ImageReady("2", "https://a/2.png")],
    ]

    assert content_of(stream(batches)) == (
        "Here.\n\n![image](https://a/1%20%28x%29.png)\n\n![image](https://a/2.png)"
    )


def test_image_alone_has_no_empty_paragraph_before_it() -> None:
    assert content_of(stream([[ImageReady("1", "https://a/1.png")]])) == "![image](https://a/1.png)"


def test_last_chunk_names_sources_and_searches() -> None:
    last = chunks_of(stream([FULL_ANSWER]))[-1]

    assert last.model_extra == {
        "citations": [WEB.url, POST.url],
        "search_sources": [
            {"url": WEB.url, "title": "the same again", "type": "web"},
            {"url": POST.url, "title": POST.title, "type": "x_post"},
        ],
        "server_side_tool_usage": {"SERVER_SIDE_TOOL_WEB_SEARCH": 1},
    }


def test_list_of_sources_is_written_when_wanted() -> None:
    odd = Source("https://a/(x)", "[a]\\b\nc")

    data = stream([[TextDelta("Yes."), odd, Source("https://b", "")]], show_sources=True)

    assert content_of(data) == (
        "Yes.\n\n## Sources\n[grok2api-sources]: #\n\n"
        "- [\\[a\\]\\\\b c](https://a/%28x%29)\n- [https://b](https://b)"
    )


def test_failure_is_an_error_line_then_the_end() -> None:
    error = UpstreamTimeoutError("Too slow.", code="upstream_stream_idle_timeout")

    assert make().fail(error, "req-1") == (
        b'data: {"error":{"message":"Too slow.","type":"server_error","param":null,'
        b'"code":"upstream_stream_idle_timeout"}}\n\ndata: [DONE]\n\n'
    )


def test_keep_alive_is_a_comment() -> None:
    assert SSEParser().feed(StreamRenderer.KEEP_ALIVE) == []
    assert StreamRenderer.KEEP_ALIVE.startswith(b":")


def test_names_that_need_escaping_do_no_harm() -> None:
    renderer = StreamRenderer(
        'a"b',
        5,
        'm"\N{OBJECT REPLACEMENT CHARACTER}here"',
        include_usage=False,
        show_reasoning=True,
        prompt_tokens=0,
        count_tokens=len,
    )

    chunks = chunks_of(renderer.render([TextDelta("x")]) + renderer.finish())

    assert {c.id for c in chunks} == {'a"b'}
    assert {c.model for c in chunks} == {'m"\N{OBJECT REPLACEMENT CHARACTER}here"'}
    assert chunks[1].choices[0].delta.content == "x"


# -- the SDK's accumulator, and any split


def test_sdk_accumulates_a_full_answer() -> None:
    second = Citation(2, "https://example.org/z", "", 51, 60)
    batches: list[EventBatch] = [[event] for event in FULL_ANSWER[:-1]] + [[second], [Finished()]]

    answer = accumulate(stream(batches, include_usage=True))

    message = answer.choices[0].message
    assert message.role == "assistant"
    assert message.content is not None
    assert message.content.startswith("Water boils at 100 °C [[1]]")
    assert message.annotations is not None
    assert [a.url_citation.url for a in message.annotations] == [MARK.url, second.url]
    assert (message.model_extra or {})["reasoning_content"] == "Recall the sea-level value"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 26 + 50


visible = st.lists(
    st.builds(TextDelta, st.text(max_size=8)) | st.builds(ReasoningDelta, st.text(max_size=8)),
    max_size=12,
)


@given(visible, st.data(), st.booleans())
def test_any_split_into_batches_gives_the_same_answer(
    events: list[ChatEvent],
    data: st.DataObject,
    show_reasoning: bool,  # noqa: FBT001
) -> None:
    cut = data.draw(st.integers(min_value=0, max_value=len(events)))
    options: dict[str, Any] = {"include_usage": True, "show_reasoning": show_reasoning}

    apart = stream([[event] for event in events], **options)
    together = stream([events], **options)
    in_two = stream([events[:cut], events[cut:]], **options)

    text = "".join(e.text for e in events if isinstance(e, TextDelta))
    assert content_of(apart) == content_of(together) == content_of(in_two) == text
    assert reasoning_of(apart) == reasoning_of(together) == reasoning_of(in_two)
    usages = [chunks_of(data)[-1].usage for data in (apart, together, in_two)]
    assert usages[0] == usages[1] == usages[2] == complete(events).usage
    assert accumulate(apart).choices[0].message.content == text


@given(visible)
def test_opening_comes_once_and_first(events: list[ChatEvent]) -> None:
    chunks = chunks_of(stream([[event] for event in events]))

    roles = [c.choices[0].delta.role for c in chunks]
    assert roles == ["assistant"] + [None] * (len(chunks) - 1)
    assert [c.choices[0].finish_reason for c in chunks] == [None] * (len(chunks) - 1) + ["stop"]


# -- whole answers


def test_golden_completion() -> None:
    fold = AnswerFold()
    fold.add([TextDelta("Hi"), Finished(FinishReason.LENGTH)])
    answer = fold.answer()

    body = render_completion(
        answer,
        completion_id="chatcmpl-1",
        created_s=5,
        model="grok-4",
        show_reasoning=True,
        usage=measure_usage(answer, prompt_tokens=7, count_tokens=estimate_tokens),
    )

    assert body == (
        b'{"id":"chatcmpl-1","object":"chat.completion","created":5,"model":"grok-4",'
        b'"choices":[{"index":0,"message":{"role":"assistant","content":"Hi","refusal":null},'
        b'"logprobs":null,"finish_reason":"length"}],"usage":{"prompt_tokens":7,'
        b'"completion_tokens":1,"total_tokens":8,"prompt_tokens_details":{"cached_tokens":0,'
        b'"text_tokens":7,"audio_tokens":0,"image_tokens":0},"completion_tokens_details":'
        b'{"text_tokens":1,"audio_tokens":0,"reasoning_tokens":0}}}'
    )


def test_completion_says_what_the_stream_says() -> None:
    streamed = accumulate(stream([FULL_ANSWER], include_usage=True, show_sources=True))

    whole = complete(FULL_ANSWER, show_sources=True)

    ours, theirs = whole.choices[0].message, streamed.choices[0].message
    assert ours.content == theirs.content
    assert ours.model_extra == {"reasoning_content": "Recall the sea-level value"}
    assert whole.usage == streamed.usage
    assert whole.model_extra == chunks_of(stream([FULL_ANSWER]))[-1].model_extra
    assert ours.annotations is not None
    assert theirs.annotations is not None
    assert [a.url_citation for a in ours.annotations] == [
        a.url_citation for a in theirs.annotations
    ]


def test_hidden_reasoning_is_not_in_the_completion() -> None:
    message = complete([ReasoningDelta("secret"), TextDelta("Hi")], show_reasoning=False)

    assert message.choices[0].message.model_extra == {}


def test_plain_completion_has_no_empty_extras() -> None:
    whole = complete([TextDelta("Hi")])

    assert whole.model_extra == {}
    assert "annotations" not in whole.choices[0].message.model_fields_set
