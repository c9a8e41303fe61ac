"""The gateway socket: sessions, answers, pace and framing."""

import asyncio
import uuid

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed

from tests.simulator.client import (
    Site,
    item_create,
    response_create,
    session_create,
    text_of,
    upload,
)

TRANSCRIPT = (
    '[[sim: reasoning="Let me check."; search=tides; sources=https://example.org/tides Tides;'
    ' text="Twice a month{cite:1}."; split=whole]]'
)


async def test_recorded_transcript_is_played_frame_by_frame(site: Site) -> None:
    async with site.socket() as socket:
        opening = session_create()
        await socket.send(opening)
        created, attached = await socket.receive(), await socket.receive()
        session_id = created["session_id"]
        await socket.ask(session_id, f"When? {TRANSCRIPT}")
        events = await socket.events()

    assert created["event"] == {
        "type": "session.created",
        "client_event_id": opening["event"]["event_id"],
    }
    assert attached == {
        "session_id": session_id,
        "event": {"type": "conversation.attached", "conversation": {"id": session_id}},
    }
    card = events[1]["chunk"]["tool_usage_card"]["tool_usage_card_id"]
    page = {"url": "https://example.org/tides", "title": "Tides", "snippet": "…"}
    assert [event.get("chunk") for event in events[:-1]] == [
        {"text": {"text": "Let me check.", "channel": "CHANNEL_ANALYSIS"}},
        {
            "tool_usage_card": {
                "tool_usage_card_id": card,
                "web_search": {"args": {"query": "tides"}},
            }
        },
        {"tool_result": {"tool_call_id": card, "web_search": {"webpages": [page]}}},
        {"text": {"text": "Twice a month", "channel": "CHANNEL_ASSISTANT_RESPONSE"}},
        {
            "render_citation": {
                "id": "c1",
                "kind": "CITATION_KIND_WEB_PAGE",
                "url": "https://example.org/tides",
                "citation_id": 0,
            }
        },
        {"text": {"text": ".", "channel": "CHANNEL_ASSISTANT_RESPONSE"}},
    ]
    assert events[-1]["response"]["status"] == "completed"
    assert uuid.UUID(events[-1]["response"]["id"]).version == 4


async def test_default_answer_is_friendly_prose_with_reasoning_first(site: Site) -> None:
    events = await site.answer("[user]\nWhy is the sea salty?")

    channels = [e["chunk"]["text"]["channel"] for e in events if "chunk" in e]
    assert channels.index("CHANNEL_ASSISTANT_RESPONSE") == channels.count("CHANNEL_ANALYSIS") > 0
    assert "Why is the sea salty?" in text_of(events)
    assert "simulator" in text_of(events)


async def test_directive_of_an_earlier_turn_is_history(site: Site) -> None:
    events = await site.answer("[user]\n[[sim: text=old]]\n\n[assistant]\nold\n\n[user]\nAgain?")

    assert "Again?" in text_of(events)


async def test_conversation_continues_with_its_parent(site: Site) -> None:
    async with site.socket() as socket:
        conversation = await socket.open()
        await socket.ask(conversation, "One [[sim: text=1]]")
        parent = (await socket.events())[-1]["response"]["id"]
    async with site.socket() as socket:
        again = await socket.open(conversation=conversation)
        await socket.ask(again, "Two [[sim: text=2]]", parent=parent)
        second = await socket.events()

    assert again == conversation
    assert text_of(second) == "2"
    assert second[-1]["response"]["id"] != parent


async def test_conversation_of_another_account_is_not_found(site: Site) -> None:
    async with site.socket("s1") as socket:
        conversation = await socket.open()
        await socket.ask(conversation, "One")
        await socket.events()
    async with site.socket("s2") as socket:
        await socket.send(session_create(conversation=conversation))
        reply = await socket.receive()

    assert reply["event"]["error"]["code"] == 5


async def test_unknown_parent_is_not_found(site: Site) -> None:
    async with site.socket() as socket:
        conversation = await socket.open()
        await socket.ask(conversation, "One")
        await socket.events()
    async with site.socket() as socket:
        await socket.ask(await socket.open(conversation=conversation), "Two", parent="nobody")
        events = await socket.events()

    assert events == [{"type": "error", "error": {"code": 5, "message": "Conversation not found."}}]


async def test_tokens_come_in_the_wanted_number(site: Site) -> None:
    events = await site.answer("[[sim: tokens=500; reasoning=3]]")

    channels = [e["chunk"]["text"]["channel"] for e in events if "chunk" in e]
    assert channels == ["CHANNEL_ANALYSIS"] * 3 + ["CHANNEL_ASSISTANT_RESPONSE"] * 500


@pytest.mark.parametrize("form", ["burst=7", "chunk=3", "fragment=5", "burst=4; chunk=11"])
async def test_form_of_the_writes_does_not_change_the_messages(site: Site, form: str) -> None:
    plain = await site.answer('[[sim: text="Ünïcode 潮汐 🌊 and more words"]]')

    formed = await site.answer(f'[[sim: text="Ünïcode 潮汐 🌊 and more words"; {form}]]')

    assert text_of(formed) == text_of(plain) == "Ünïcode 潮汐 🌊 and more words"


async def test_burst_of_frames_arrives_as_one_piece(site: Site) -> None:
    async with site.socket() as socket:
        await socket.ask(await socket.open(), "[[sim: tokens=50; burst=50; delay_ms=60000]]")
        first = await socket.receive()
        rest = [await asyncio.wait_for(socket.receive(), 5) for _ in range(49)]

    assert first["event"]["type"] == "response.chunk"
    assert len(rest) == 49


async def test_searches_posts_and_loose_sources_have_their_frames(site: Site) -> None:
    events = await site.answer("[[sim: x_search=tides; loose_source; text=x]]")

    kinds = [key for event in events if "chunk" in event for key in event["chunk"]]
    assert kinds == ["tool_usage_card", "tool_result", "text"]
    posts = events[1]["chunk"]["tool_result"]["x_post"]["posts"]
    assert posts[0].keys() == {"userhandle", "name", "text", "post_id"}
    assert events[2] == {
        "type": "response.search.result",
        "result": {"url": "https://example.org/loose", "title": "A loose source"},
    }


async def test_orphan_result_names_no_call(site: Site) -> None:
    events = await site.answer("[[sim: search=a; orphan_result; text=x]]")

    assert events[0]["chunk"]["tool_result"].keys() == {"web_search"}


async def test_images_progress_and_some_are_withheld(site: Site) -> None:
    events = await site.answer("[[sim: images=2; moderated=1; text=Here.]]")

    cards = [
        msgspec.json.decode(e["output"]["card_attachment"]["jsonData"])["image_chunk"]
        for e in events
        if e["type"] == "response.grok.output"
    ]
    assert [(c["progress"], c["moderated"]) for c in cards] == [
        *((0, False), (50, False), (100, True)),
        *((0, False), (50, False), (100, False)),
    ]
    assert cards[-1]["imageUrl"].startswith("users/")


async def test_drawing_prompt_gets_two_images(site: Site) -> None:
    events = await site.answer("Drawing: a lighthouse")

    assert sum(event["type"] == "response.grok.output" for event in events) == 6


@pytest.mark.parametrize(
    ("style", "kinds"),
    [
        ("delta", ["response.output_text.delta", "response.output_text.delta", "response.done"]),
        ("done", ["response.output_text.done", "response.done"]),
    ],
)
async def test_older_text_events_can_be_chosen(site: Site, style: str, kinds: list[str]) -> None:
    events = await site.answer(f'[[sim: text="two words"; style={style}]]')

    assert [event["type"] for event in events] == kinds


async def test_late_reasoning_follows_the_text(site: Site) -> None:
    events = await site.answer("[[sim: text=Yes.; late_reasoning=Hm.]]")

    assert [e["chunk"]["text"]["text"] for e in events[:-1]] == ["Yes.", "Hm."]


async def test_noise_is_there_and_means_nothing(site: Site) -> None:
    async with site.socket() as socket:
        await socket.ask(await socket.open(), "[[sim: unknown; binary; garbage; text=x]]")
        seen: list[str | bytes] = []
        while not seen or b"response.done" not in _bytes(seen[-1]):
            seen.append(await socket.connection.recv())

    assert any(isinstance(message, bytes) for message in seen)
    assert "this is no JSON" in seen
    assert any("conversation.weather.changed" in str(message) for message in seen)


async def test_tool_call_is_written_as_the_prompt_asks_for_it(site: Site) -> None:
    events = await site.answer('[[sim: tool_call="get_weather {\\"city\\":\\"Kiel\\"}"]]')

    assert "<tool_name>get_weather</tool_name>" in text_of(events)
    assert '<parameters>{"city": "Kiel"}</parameters>' in text_of(events)


async def test_opening_can_come_in_the_other_order_and_with_a_stranger(site: Site) -> None:
    await site.script("foreign_first; attach_first")

    async with site.socket() as socket:
        opening = session_create()
        await socket.send(opening)
        replies = [await socket.receive() for _ in range(3)]

    kinds = [reply["event"]["type"] for reply in replies]
    assert kinds == ["session.created", "conversation.attached", "session.created"]
    assert replies[0]["event"]["client_event_id"] != opening["event"]["event_id"]
    assert replies[0]["session_id"] != replies[1]["session_id"]
    assert replies[2]["event"]["client_event_id"] == opening["event"]["event_id"]


@pytest.mark.parametrize("form", ["wrong", "empty"])
async def test_wrong_conversation_is_attached_on_demand(site: Site, form: str) -> None:
    await site.script(f"{form}_conversation")

    async with site.socket() as socket:
        await socket.send(session_create())
        created, attached = await socket.receive(), await socket.receive()

    attached_id = attached["event"]["conversation"]["id"]
    assert attached_id != created["session_id"]
    assert (attached_id == "") == (form == "empty")


async def test_attachments_are_taken_when_they_are_mentioned(site: Site) -> None:
    file_id = await upload(site)

    async with site.socket() as socket:
        session_id = await socket.open()
        turn = item_create(session_id, "What is this? [[sim: text=A cat.]]", files=[file_id])
        await socket.send(turn, response_create(session_id))
        events = await socket.events()

    assert text_of(events) == "A cat."


async def test_heartbeats_are_counted_and_unanswered(site: Site) -> None:
    async with site.socket() as socket:
        ping = {"event": {"type": "ping", "event_id": "evt_hb_1767225600000"}}
        await socket.send(ping)
        await socket.ask(await socket.open(), "[[sim: text=x]]")
        await socket.send(ping)
        events = await socket.events()

    assert [event["type"] for event in events] == ["response.chunk", "response.done"]
    assert (await site.page("s1"))["pings"] == 2
    assert (await site.page("s1"))["violations"] == []


async def test_mistaken_directive_is_answered_with_its_reason(site: Site) -> None:
    events = await site.answer("[[sim: colour=red]]")

    assert events[-1]["error"]["code"] == "invalid_directive"
    assert "colour" in events[-1]["error"]["message"]


@pytest.mark.parametrize(
    "end", ["end=close", "end=reset", "end=truncate", "reset_after=2", "close_after=0"]
)
async def test_socket_breaks_without_response_done(site: Site, end: str) -> None:
    async with site.socket() as socket:
        await socket.ask(await socket.open(), f'[[sim: text="a b c d"; {end}]]')
        with pytest.raises(ConnectionClosed) as broken:
            await socket.events()

    clean = "close" in end
    assert (broken.value.rcvd is not None) == clean
    assert (await site.page("s1"))["errors"] == 1


async def test_session_can_end_early(site: Site) -> None:
    events = await site.answer('[[sim: text="a b c d"; end=session_ended; after=2]]')

    assert [event["type"] for event in events] == ["response.chunk"] * 2 + ["session.ended"]


async def test_status_of_the_response_can_be_bad(site: Site) -> None:
    events = await site.answer("[[sim: text=x; done=failed]]")

    assert events[-1]["response"]["status"] == "failed"
    assert (await site.page("s1"))["errors"] == 1


def _bytes(message: str | bytes) -> bytes:
    return message if isinstance(message, bytes) else message.encode()
