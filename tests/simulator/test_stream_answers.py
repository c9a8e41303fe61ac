"""The HTTP stream: frames, framings, endings."""

import uuid

import httpx2
import msgspec
import pytest

from tests.simulator.client import (
    Json,
    Site,
    chat_body,
    frames_of,
    post_headers,
    stream_text,
)

TRANSCRIPT = (
    '[[sim: reasoning="Thinking about your request"; search="spring tide";'
    ' sources=https://example.org/tides Tides; text="Twice a month{cite:1}."; split=whole]]'
)


def responses(frames: list[Json]) -> list[Json]:
    return [f["result"]["response"] for f in frames if "response" in f.get("result", {})]


async def test_recorded_transcript_is_played_frame_by_frame(site: Site) -> None:
    prompt = f"[user]\nWhen? {TRANSCRIPT}"

    reply = await site.post(prompt)

    frames = frames_of(reply.content)
    bags = responses(frames)
    assert list(frames[0]["result"]) == ["conversation"]
    assert uuid.UUID(frames[0]["result"]["conversation"]["conversationId"]).version == 4
    assert bags[0]["userResponse"]["message"] == prompt
    assert bags[1]["llmInfo"]["modelHash"]
    assert (bags[2]["messageTag"], bags[2]["isThinking"]) == ("header", True)
    card = bags[3]["toolUsageCardId"]
    assert bags[3]["messageTag"] == "tool_usage_card"
    assert bags[3]["toolUsageCard"]["webSearch"] == {"args": {"query": "spring tide"}}
    assert bags[4]["messageTag"] == "raw_function_result"
    assert bags[4]["toolUsageCardId"] == card
    assert bags[4]["webSearchResults"]["results"][0]["url"] == "https://example.org/tides"
    assert bags[5]["token"] == "Twice a month"
    assert msgspec.json.decode(bags[6]["cardAttachment"]["jsonData"]) == {
        "id": "c1",
        "type": "render_inline_citation",
        "cardType": "citation_card",
        "url": "https://example.org/tides",
    }
    tag = (
        '<grok:render card_id="c1" card_type="citation_card" type="render_inline_citation">'
        '<argument name="citation_id">0</argument></grok:render>'
    )
    assert [bag["token"] for bag in bags[7:9]] == [tag, "."]
    assert bags[9]["isSoftStop"] is True
    assert bags[10]["modelResponse"]["message"] == f"Twice a month{tag}."
    assert bags[10]["modelResponse"]["parentResponseId"] == bags[0]["userResponse"]["responseId"]
    assert "finalMetadata" in bags[11]
    assert list(frames[-1]["result"]) == ["title"]
    assert {bag["responseId"] for bag in bags} == {bags[0]["responseId"]}


@pytest.mark.parametrize("framing", ["sse", "concat", "mixed"])
@pytest.mark.parametrize("chunk", [0, 1, 5])
async def test_framings_carry_the_same_frames(site: Site, framing: str, chunk: int) -> None:
    said = 'text="Ünïcode {brace} \\"quoted\\" 潮汐 🌊"'
    plain = frames_of((await site.post(f"[[sim: {said}]]")).content)

    reply = await site.post(f"[[sim: {said}; framing={framing}; chunk={chunk}]]")

    frames = _scan(reply.text)
    assert stream_text(frames) == stream_text(plain) == 'Ünïcode {brace} "quoted" 潮汐 🌊'
    assert [sorted(frame) for frame in frames] == [sorted(frame) for frame in plain]
    assert ("data: [DONE]" in reply.text) == (framing == "sse")


async def test_pieces_split_characters(site: Site) -> None:
    body = msgspec.json.encode(chat_body('[[sim: text="潮汐潮汐潮汐"; chunk=1; split=whole]]'))
    pieces = []
    async with site.http.stream(
        "POST",
        "/rest/app-chat/conversations/new",
        content=body,
        headers=post_headers("s1") | {"accept-encoding": "gzip, deflate, br, zstd"},
    ) as reply:
        pieces = [piece async for piece in reply.aiter_raw()]

    assert len(pieces) > 10
    assert stream_text(frames_of(b"".join(pieces))) == "潮汐潮汐潮汐"


async def test_render_tag_can_be_cut_in_two(site: Site) -> None:
    reply = await site.post('[[sim: search=a; text="x{cite:1}"; split_tags]]')

    tokens = [b["token"] for b in responses(frames_of(reply.content)) if "token" in b]
    assert any(t.startswith("<grok:render") and "</grok:render>" not in t for t in tokens)


@pytest.mark.parametrize(
    ("kind", "message"),
    [("extend", "said And one thing more."), ("differ", "Something else: said")],
)
async def test_model_response_can_disagree(site: Site, kind: str, message: str) -> None:
    reply = await site.post(f"[[sim: text=said; model_response={kind}]]")

    last = [b["modelResponse"] for b in responses(frames_of(reply.content)) if "modelResponse" in b]
    assert last[0]["message"] == message


async def test_answer_can_be_a_model_response_only(site: Site) -> None:
    reply = await site.post("[[sim: text=said; model_response=only]]")

    frames = frames_of(reply.content)
    assert stream_text(frames) == ""
    assert [b["modelResponse"]["message"] for b in responses(frames) if "modelResponse" in b] == [
        "said"
    ]


async def test_closing_frames_can_be_left_out(site: Site) -> None:
    reply = await site.post(
        "[[sim: text=x; soft_stop=false; final_metadata=false; model_response=none]]"
    )

    bags = responses(frames_of(reply.content))
    assert bags[-1]["token"] == "x"


async def test_noise_and_posts_and_pictures_have_their_frames(site: Site) -> None:
    reply = await site.post(
        "[[sim: unknown; garbage; x_search=a; loose_source; images=1; text=x; artifact]]"
    )

    bags = responses(frames_of(reply.content))
    assert any("weather" in bag for bag in bags)
    assert b"this is no JSON\n" in reply.content
    assert [b["messageTag"] for b in bags if b.get("token") == "not for the user"] == ["preview"]
    assert any("xSearchResults" in bag for bag in bags)
    assert any("citedWebSearchResults" in bag for bag in bags)
    cards = [
        msgspec.json.decode(b["cardAttachment"]["jsonData"]) for b in bags if "cardAttachment" in b
    ]
    assert [c["image_chunk"] and c["image_chunk"]["progress"] for c in cards] == [None, 50, 100]
    assert "<xaiartifact" in stream_text(frames_of(reply.content))


@pytest.mark.parametrize("field", ["parentResponseId", "responseId"])
async def test_follow_up_takes_either_parent_field(site: Site, field: str) -> None:
    frames = frames_of((await site.post("One")).content)
    conversation = frames[0]["result"]["conversation"]["conversationId"]
    first = responses(frames)[0]
    own, mine = first["responseId"], first["userResponse"]["responseId"]
    parent = own if field == "parentResponseId" else mine

    reply = await site.http.post(
        f"/rest/app-chat/conversations/{conversation}/responses",
        content=msgspec.json.encode(chat_body("Two [[sim: text=2]]", **{field: parent})),
        headers=post_headers("s1"),
    )

    assert stream_text(frames_of(reply.content)) == "2"


async def test_follow_up_in_a_strange_conversation_is_not_found(site: Site) -> None:
    reply = await site.http.post(
        "/rest/app-chat/conversations/strange/responses",
        content=msgspec.json.encode(chat_body("Two", responseId="r")),
        headers=post_headers("s1"),
    )

    assert (reply.status_code, reply.json()["code"]) == (404, 5)


async def test_body_can_end_early_in_good_order(site: Site) -> None:
    reply = await site.post('[[sim: text="a b c"; end=close; after=1]]')

    frames = frames_of(reply.content)
    assert stream_text(frames) == "a "
    assert not any("isSoftStop" in b and b["isSoftStop"] for b in responses(frames))


async def test_body_can_end_inside_an_object(site: Site) -> None:
    reply = await site.post("[[sim: text=abc; end=truncate]]")

    last = reply.content.splitlines()[-1]
    assert last.startswith(b"{")
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(last)


async def test_body_can_be_reset(site: Site) -> None:
    with pytest.raises(httpx2.TransportError):
        await site.post('[[sim: text="a b c"; reset_after=1]]')

    assert (await site.page("s1"))["errors"] == 1


async def test_mistaken_directive_is_answered_with_its_reason(site: Site) -> None:
    reply = await site.post("[[sim: tokens=many]]")

    assert reply.status_code == 400
    assert "tokens" in reply.json()["message"]


def _scan(text: str) -> list[Json]:
    """Return all JSON objects of a text, whatever stands between them."""
    frames: list[Json] = []
    depth, start, in_string, is_escaped = 0, 0, False, False
    for at, char in enumerate(text):
        if in_string:
            in_string = is_escaped or char != '"'
            is_escaped = char == "\\" and not is_escaped
        elif depth and char == '"':
            in_string = True
        elif char == "{":
            start = start if depth else at
            depth += 1
        elif char == "}":
            depth -= 1
            if not depth:
                frames.append(msgspec.json.decode(text[start : at + 1]))
    return frames
