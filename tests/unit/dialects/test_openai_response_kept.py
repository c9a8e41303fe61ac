from typing import Any

import msgspec
import pytest

from grok2api.dialects.openai_response_kept import (
    conversation_of,
    items_by_id,
    render_end,
    render_input_items,
    render_kept,
    response_of_item,
)
from grok2api.domain.ids import ClientKeyId, ResponseId
from grok2api.domain.response import KeptResponse, ResponseState
from grok2api.errors import InvalidRequestError
from grok2api.wire.openai.response_object import ResponseFault
from grok2api.wire.sse import format_event, skip_events

KEY = "0123456789abcdef01234567"


def kept(*output: dict[str, Any], items: tuple[bytes, ...] = (), **facts: Any) -> KeptResponse:
    body = msgspec.json.encode({"id": "resp_1", "status": "in_progress", "output": output})
    return KeptResponse(
        id=ResponseId("resp_1"), owner=ClientKeyId("k"), body=body, items=items, **facts
    )


def item(name: str, kind: str = "message") -> dict[str, str]:
    return {"id": name, "type": kind}


def names(items: list[msgspec.Raw]) -> list[str]:
    return [msgspec.json.decode(one)["id"] for one in items]


@pytest.mark.parametrize(
    ("name", "response"),
    [
        (f"msg_{KEY}_1", f"resp_{KEY}"),
        (f"item_{KEY}_i12", f"resp_{KEY}"),
        ("msg_0190-aaaa", None),
        (f"msg_{KEY}", None),
        ("", None),
    ],
)
def test_items_say_which_response_they_belong_to(name: str, response: str | None) -> None:
    assert response_of_item(name) == response


def test_a_conversation_is_what_was_asked_and_answered_in_turn() -> None:
    chain = [kept(item("a1"), items=(b'{"id":"q1"}',)), kept(item("a2"), items=(b'{"id":"q2"}',))]

    assert names(conversation_of(chain)) == ["q1", "a1", "q2", "a2"]
    assert set(items_by_id(chain)) == {"q1", "a1", "q2", "a2"}


def test_a_summary_stands_for_all_before_it() -> None:
    chain = [
        kept(item("a1"), items=(b'{"id":"q1"}',)),
        kept(item("c", "compaction"), items=(b'{"id":"q2"}',)),
        kept(item("a3"), items=(b'{"id":"q3"}',)),
    ]

    assert names(conversation_of(chain)) == ["c", "q3", "a3"]
    assert set(items_by_id(chain)) == {"q1", "a1", "q2", "c", "q3", "a3"}


@pytest.mark.parametrize(
    ("state", "status", "code"),
    [
        (ResponseState.CANCELLED, "cancelled", None),
        (ResponseState.LOST, "failed", "server_error"),
        (ResponseState.IN_PROGRESS, "in_progress", None),
    ],
)
def test_a_response_is_shown_as_it_is_now(
    state: ResponseState, status: str, code: str | None
) -> None:
    shown = msgspec.json.decode(render_kept(kept(state=state)))

    assert shown["status"] == status
    assert (shown.get("error") or {}).get("code") == code


def test_the_end_that_nobody_could_tell_is_told() -> None:
    end = render_end(kept(state=ResponseState.LOST), 7)
    broken = render_end(kept(), 8, ResponseFault("code", "why"))

    assert end.startswith(b"event: response.failed\ndata: ")
    assert b'"sequence_number":7' in end
    assert b'"status":"failed","output":[],"error":{"code":"code","message":"why"}' in broken


def page(**options: Any) -> dict[str, Any]:
    items = [b'{"id":"%d"}' % number for number in range(5)]
    defaults: dict[str, Any] = {"after": "", "limit": 2, "is_ascending": True}
    found: dict[str, Any] = msgspec.json.decode(render_input_items(items, **(defaults | options)))
    return found


def test_items_are_paged_in_both_directions() -> None:
    assert page() == {
        "object": "list",
        "data": [{"id": "0"}, {"id": "1"}],
        "first_id": "0",
        "last_id": "1",
        "has_more": True,
    }
    assert [i["id"] for i in page(after="1", limit=9)["data"]] == ["2", "3", "4"]
    assert [i["id"] for i in page(is_ascending=False)["data"]] == ["4", "3"]
    assert page(after="4")["first_id"] is None
    assert page(after="2")["has_more"] is False
    with pytest.raises(InvalidRequestError):
        page(after="9")


def test_events_can_be_left_out_at_the_beginning() -> None:
    first, second = format_event(b'"a"', "x"), format_event(b'"b"', "y")

    assert skip_events(first + second, 0) == first + second
    assert skip_events(first + second, 1) == second
    assert skip_events(first + second, 2) == b""
