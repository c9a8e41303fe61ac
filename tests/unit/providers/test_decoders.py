"""What the decoders do with odd, late, oversized and missing frames."""

import msgspec
import pytest
from hypothesis import given, strategies as st

from grok2api.domain.chat import (
    EventBatch,
    Finished,
    ImageProgress,
    ImageReady,
    ReasoningDelta,
    SearchCall,
    Source,
    TextDelta,
)
from grok2api.errors import (
    AccountForbiddenError,
    AntiBotError,
    ContentRejectedError,
    CredentialRejectedError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRateLimitError,
    UpstreamUnavailableError,
)
from grok2api.providers.grok_web.codec.gateway_decoder import MAX_MESSAGE_BYTES, GatewayDecoder
from grok2api.providers.grok_web.codec.http_decoder import HttpDecoder
from grok2api.providers.grok_web.codec.searches import MAX_RUNS, MAX_SOURCES

Json = dict[str, object]


def event(kind: str, **members: object) -> bytes:
    return msgspec.json.encode({"session_id": "c", "event": {"type": kind, **members}})


def chunk(**members: object) -> bytes:
    return event("response.chunk", chunk=members)


def text(piece: object, channel: object = "CHANNEL_ASSISTANT_RESPONSE") -> bytes:
    return chunk(text={"text": piece, "channel": channel})


def done(**members: object) -> bytes:
    return event("response.done", response={"id": "r", "status": "completed", **members})


def frame(**members: object) -> bytes:
    return msgspec.json.encode({"result": {"response": members}}) + b"\n"


def token(piece: object, **members: object) -> bytes:
    return frame(**{"token": piece, "isThinking": False, "messageTag": "final", **members})


def feed_gateway(*messages: bytes) -> tuple[EventBatch, GatewayDecoder]:
    decoder, events = GatewayDecoder(), EventBatch()
    for message in messages:
        decoder.feed_into(message, events)
    return events, decoder


def feed_stream(*pieces: bytes) -> tuple[EventBatch, HttpDecoder]:
    decoder = HttpDecoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + decoder.close(), decoder


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        ("CHANNEL_ASSISTANT_RESPONSE", [TextDelta("x")]),
        (" channel_assistant_response ", [TextDelta("x")]),
        ("", [TextDelta("x")]),
        (None, [TextDelta("x")]),
        ("CHANNEL_ANALYSIS", [ReasoningDelta("x")]),
        ("channel_reasoning_2", [ReasoningDelta("x")]),
        ("CHANNEL_COMMENTARY", []),
    ],
)
def test_channel_tells_answer_from_thinking(channel: object, expected: EventBatch) -> None:
    events, decoder = feed_gateway(text("x", channel))

    assert events == expected
    assert decoder.unknown_frames == (0 if expected else 1)


def test_thinking_is_not_cleaned() -> None:
    events, _ = feed_gateway(text("a <xaiartifact>b", "CHANNEL_ANALYSIS"))

    assert events == [ReasoningDelta("a <xaiartifact>b")]


def test_thinking_after_the_first_text_is_left_out() -> None:
    gateway, _ = feed_gateway(text("a"), text("late", "CHANNEL_ANALYSIS"))
    stream, _ = feed_stream(token("a"), token("late", isThinking=True))

    assert gateway == [TextDelta("a")]
    assert stream == [TextDelta("a"), Finished()]


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"not json",
        b"[]",
        b"{}",
        b'"x"',
        b'{"event":null}',
        b'{"event":{"type":"response.chunk"}}',
        b'{"event":{"type":"response.chunk","chunk":{}}}',
        b'{"event":{"type":"response.chunk","chunk":{"text":{"text":5}}}}',
        b'{"event":{"type":"something.new","data":1}}',
        b'{"event":{"type":"response.output_text.delta","delta":{}}}',
        b'{"event":{"type":"response.grok.output","output":7}}',
        b'{"event":{"error":' * 5000,
        b"\xff\xfe",
    ],
)
def test_message_we_do_not_understand_is_counted_and_left_out(message: bytes) -> None:
    events, decoder = feed_gateway(message, text("x"), done())

    assert TextDelta("x") in events
    assert events[-1] == Finished()
    assert decoder.unknown_frames == 1


@pytest.mark.parametrize(
    "piece",
    [
        b"{}\n",
        b'{"result":{}}\n',
        b'{"result":5}\n',
        b'{"result":{"response":{}}}\n',
        b'{"result":{"response":{"token":5}}}\n',
        b'{"event":{"type":"response.chunk"}}\n',
        token("x", messageTag="mystery"),
    ],
)
def test_frame_we_do_not_understand_is_counted_and_left_out(piece: bytes) -> None:
    events, decoder = feed_stream(piece, token("ok"))

    assert events == [TextDelta("ok"), Finished()]
    assert decoder.unknown_frames == 1


def test_odd_types_in_rare_members_harm_nothing() -> None:
    events, decoder = feed_stream(
        token("a", rolloutId=5, messageStepId="x", cardAttachment=[1, {"jsonData": "{"}, "x"]),
        token("b", userResponse=[], webSearchResults="x", xposts={"results": 5}),
        token("c", modelResponse=7, streamingImageGenerationResponse="x", llmInfo=None),
        token("d", cardAttachments=[{"jsonData": {"id": 1, "image_chunk": {"progress": "x"}}}]),
        frame(toolUsageCard="x", messageTag="tool_usage_card"),
    )

    assert [e for e in events if isinstance(e, TextDelta)] == [TextDelta(c) for c in "abcd"]
    assert events[-1] == Finished()
    assert decoder.error is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
NAMES = st.sampled_from(
    [
        "token",
        "isThinking",
        "messageTag",
        "rolloutId",
        "toolUsageCardId",
        "toolUsageCard",
        "cardAttachment",
        "userResponse",
        "webSearchResults",
        "xSearchResults",
        "modelResponse",
        "streamingImageGenerationResponse",
        "finalMetadata",
        "isSoftStop",
        "image_chunk",
        "imageChunk",
        "toolName",
        "xposts",
        "cardAttachments",
    ]
)
KINDS = st.sampled_from(
    [
        "response.chunk",
        "response.output_text.delta",
        "response.output_text.done",
        "response.search.result",
        "response.grok.output",
        "response.done",
        "session.ended",
        "conversation.attached",
        "error",
    ]
)
PARTS = st.sampled_from(
    [
        "text",
        "chunk",
        "delta",
        "result",
        "output",
        "response",
        "error",
        "tool_usage_card",
        "tool_result",
        "card_attachment",
        "stream_error",
        "render_citation",
        "conversation",
        "web_search",
        "x_post",
        "webpages",
        "posts",
    ]
)


@given(members=st.dictionaries(NAMES, JSON, max_size=5))
def test_no_frame_of_any_shape_breaks_the_stream_decoder(members: Json) -> None:
    _, decoder = feed_stream(frame(**members), token("x"))

    assert decoder.error is None or isinstance(decoder.error, UpstreamError)


@given(kind=KINDS, members=st.dictionaries(PARTS, JSON | st.dictionaries(PARTS, JSON), max_size=4))
def test_no_message_of_any_shape_breaks_the_gateway_decoder(kind: str, members: Json) -> None:
    decoder = GatewayDecoder()

    decoder.feed(event(kind, **members))
    decoder.close()

    assert decoder.is_over


@pytest.mark.parametrize(
    ("failure", "expected", "code"),
    [
        ({"code": 7, "message": "x"}, AntiBotError, "anti_bot_rejected"),
        ({"code": "anti_bot", "message": "anti-bot rejected"}, AntiBotError, "anti_bot_rejected"),
        ({"message": "Rejected by ANTI-BOT rules"}, AntiBotError, "anti_bot_rejected"),
        (
            {"code": 8, "message": "You've reached your usage limit."},
            UpstreamRateLimitError,
            "usage_limit_reached",
        ),
        ({"message": "usage quota"}, UpstreamRateLimitError, "usage_limit_reached"),
        ({"code": 8, "message": "x"}, UpstreamRateLimitError, "rate_limit_exceeded"),
        ({"code": "8"}, UpstreamRateLimitError, "rate_limit_exceeded"),
        ({"message": "Too Many Requests"}, UpstreamRateLimitError, "rate_limit_exceeded"),
        ("rate limit hit", UpstreamRateLimitError, "rate_limit_exceeded"),
        (
            {"code": 16, "message": "x [WKE=unauthenticated:bad-credentials]"},
            CredentialRejectedError,
            "upstream_unauthorized",
        ),
        (
            {"code": 7, "message": "User is blocked [WKE=unauthorized:blocked-user]"},
            AccountForbiddenError,
            "upstream_forbidden",
        ),
        (
            {"code": 16, "message": "Unauthenticated"},
            CredentialRejectedError,
            "upstream_unauthorized",
        ),
        ({"code": "content-moderated"}, ContentRejectedError, "content_policy_violation"),
        ({"code": 13, "message": "boom"}, UpstreamUnavailableError, "upstream_error"),
        ({"error": {"code": 8}}, UpstreamRateLimitError, "rate_limit_exceeded"),
        (5, UpstreamUnavailableError, "upstream_error"),
    ],
)
def test_error_in_the_stream_is_classified_in_both_protocols(
    failure: object, expected: type[UpstreamError], code: str
) -> None:
    root = msgspec.json.encode({"error": failure}) + b"\n"
    stream_error = event("response.grok.output", output={"stream_error": failure})
    told: list[tuple[EventBatch, GatewayDecoder | HttpDecoder]] = [
        feed_stream(token("a"), root, token("b")),
        feed_stream(token("a"), frame(error=failure, token="b")),
        feed_stream(token("a"), frame(modelResponse={"streamErrors": [{}, failure]}))
        if failure != 5
        else feed_stream(token("a"), root),
        feed_gateway(text("a"), event("error", error=failure), text("b")),
        feed_gateway(text("a"), stream_error, text("b")),
    ]

    for events, decoder in told:
        assert events == [TextDelta("a")]
        assert type(decoder.error) is expected
        assert decoder.error.code == code
        assert decoder.is_over


@pytest.mark.parametrize(
    ("messages", "expected", "code"),
    [
        ([], UpstreamProtocolError, "upstream_stream_empty"),
        ([text("x")], UpstreamUnavailableError, "upstream_stream_truncated"),
        ([done()], UpstreamProtocolError, "upstream_stream_empty"),
        ([text("x"), done(status="failed")], UpstreamUnavailableError, "upstream_error"),
        ([text("x"), event("session.ended")], UpstreamUnavailableError, "upstream_session_ended"),
        ([b" " * (MAX_MESSAGE_BYTES + 1)], UpstreamProtocolError, "upstream_frame_too_large"),
    ],
)
def test_gateway_answer_without_good_end_is_an_error(
    messages: list[bytes], expected: type[UpstreamError], code: str
) -> None:
    events, decoder = feed_gateway(*messages)

    events += decoder.close()

    assert Finished() not in events
    assert type(decoder.error) is expected
    assert decoder.error.code == code


@pytest.mark.parametrize(
    ("pieces", "expected", "code"),
    [
        ([], UpstreamProtocolError, "upstream_stream_empty"),
        ([token("t", isThinking=True)], UpstreamProtocolError, "upstream_stream_empty"),
        ([token("x"), b'{"result":'], UpstreamUnavailableError, "upstream_stream_truncated"),
        ([b'{"result":'], UpstreamProtocolError, "upstream_stream_empty"),
    ],
)
def test_stream_without_good_end_is_an_error(
    pieces: list[bytes], expected: type[UpstreamError], code: str
) -> None:
    events, decoder = feed_stream(*pieces)

    assert Finished() not in events
    assert type(decoder.error) is expected
    assert decoder.error.code == code


def test_frame_beyond_the_limit_is_an_error_after_what_came_before() -> None:
    decoder = HttpDecoder(limit_bytes=200)

    events = decoder.feed(token("x") + token("y" * 300))

    assert events == [TextDelta("x")]
    assert isinstance(decoder.error, UpstreamProtocolError)
    assert decoder.error.code == "upstream_frame_too_large"


def test_what_was_held_back_comes_before_the_end() -> None:
    gateway, _ = feed_gateway(text("a <gro"), done())
    stream, _ = feed_stream(token("a <gro"))

    assert gateway[:2] == [TextDelta("a "), TextDelta("<gro")]
    assert stream == [TextDelta("a "), TextDelta("<gro"), Finished()]


def test_soft_stop_says_that_little_follows_and_hides_a_cut_frame() -> None:
    decoder = HttpDecoder()

    decoder.feed(token("a", isSoftStop=True) + b'{"result":{"resp')

    assert decoder.is_ending
    assert not decoder.is_over
    assert decoder.close() == [Finished()]


@pytest.mark.parametrize("message", ["Hello", "Hel", "Other text", ""])
def test_envelope_that_adds_nothing_changes_nothing(message: str) -> None:
    events, _ = feed_stream(token("Hello"), frame(modelResponse={"message": message}))

    assert events == [TextDelta("Hello"), Finished()]


def test_pictures_that_are_all_withheld_are_a_content_refusal() -> None:
    withheld = {"imageUuid": "i", "imageUrl": "users/x.jpg", "progress": 100, "moderated": True}
    card = {"card_attachment": {"jsonData": {"id": "c", "image_chunk": withheld}}}

    events, decoder = feed_gateway(event("response.grok.output", output=card), done())

    assert not any(isinstance(e, ImageProgress | ImageReady) for e in events)
    assert isinstance(decoder.error, ContentRejectedError)


def test_card_that_reports_a_rate_limit_is_an_error() -> None:
    card = {"id": "c", "image_chunk": {"progress": 100, "systemErrCode": "rate_limit"}}

    events, decoder = feed_stream(frame(cardAttachment={"jsonData": card}, token="x"))

    assert events == []
    assert isinstance(decoder.error, UpstreamRateLimitError)
    assert decoder.error.code == "usage_limit_reached"


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("users/a.jpg", "https://assets.sim/users/a.jpg"),
        ("/users/a.jpg", "https://assets.sim/users/a.jpg"),
        ("https://Imgen.example/a.jpg", "https://imgen.example/a.jpg"),
        ("users/../../a.jpg", None),
        ("ftp://x/a.jpg", None),
        ("a b.jpg", None),
    ],
)
def test_picture_lies_below_the_assets_address_or_where_it_says(path: str, url: str | None) -> None:
    decoder = HttpDecoder(assets_url="https://assets.sim/")
    report = {"imageId": "i", "imageUrl": path, "progress": 100}

    events = decoder.feed(frame(streamingImageGenerationResponse=report))

    assert [e.url for e in events if isinstance(e, ImageReady)] == ([url] if url else [])


def test_result_without_id_belongs_to_the_only_open_search_of_its_kind() -> None:
    def start(call_id: str, kind: str) -> bytes:
        return chunk(tool_usage_card={"id": call_id, kind: {"query": call_id}})

    result = chunk(tool_result={"web_search": {"webpages": []}})

    events, _ = feed_gateway(start("w1", "web_search"), start("x1", "x_search"), result, result)

    ids = [e.id for e in events if isinstance(e, SearchCall)]
    assert ids == ["w1", "x1", "w1", "card:1"]


def test_answer_of_nothing_but_a_tool_run_is_complete() -> None:
    events, decoder = feed_gateway(chunk(tool_usage_card={"id": "t", "browse": {}}), done())

    assert events[-1] == Finished()
    assert decoder.error is None


def test_sources_and_runs_are_limited() -> None:
    pages = [{"url": f"https://a.example/{n}"} for n in range(MAX_SOURCES + 9)]
    many = chunk(tool_result={"id": "t", "web_search": {"webpages": pages}})
    cards = [chunk(tool_usage_card={"id": f"n{n}", "web_search": {}}) for n in range(MAX_RUNS + 9)]

    events, _ = feed_gateway(many, *cards)

    calls = {e.id: e for e in events if isinstance(e, SearchCall)}
    assert sum(isinstance(e, Source) for e in events) == MAX_SOURCES
    assert len(calls["t"].sources) == MAX_SOURCES
    assert len(calls) == MAX_RUNS


def test_titles_are_one_short_line() -> None:
    page = {"url": "https://a.example/", "title": " a\x00\tb\n" + "c" * 600}

    events, _ = feed_gateway(event("response.search.result", result=page))

    assert events == [Source("https://a.example/", "a b " + "c" * 508)]


def test_final_text_after_pieces_of_text_is_not_repeated() -> None:
    whole = event("response.output_text.done", text="ab")

    assert feed_gateway(text("a"), text("b"), whole)[0] == [TextDelta("a"), TextDelta("b")]
    assert feed_gateway(whole)[0] == [TextDelta("ab")]


def test_empty_text_is_nothing_at_all() -> None:
    events, decoder = feed_gateway(text(""), text("", "CHANNEL_ANALYSIS"), chunk(text={}))

    assert events == []
    assert decoder.unknown_frames == 0


def test_picture_chunk_may_stand_in_the_frame_itself() -> None:
    report = {"imageUuid": "i", "imageUrl": "i.jpg", "progress": 100}

    events, _ = feed_stream(msgspec.json.encode({"result": {"response": {"imageChunk": report}}}))

    assert ImageReady("i", "https://assets.grok.com/i.jpg") in events


def test_second_error_does_not_replace_the_first() -> None:
    card = {"id": "c", "image_chunk": {"systemErrCode": "rate_limit"}}
    _, decoder = feed_stream(frame(cardAttachments=[{"jsonData": card}, {"jsonData": card}]))

    assert isinstance(decoder.error, UpstreamRateLimitError)
