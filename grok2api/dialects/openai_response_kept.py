"""Kept responses as clients see them: whole, as items, and where they broke off."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from grok2api.dialects.openai_response_log import CANCELLED, FAILED
from grok2api.domain.response import KeptResponse, ResponseState
from grok2api.errors import InvalidRequestError
from grok2api.wire.openai.response_object import DeletedBody, ItemList, ResponseFault
from grok2api.wire.sse import format_event

MAX_PAGE: Final = 100

_FAILED_EVENT: Final = "response.failed"
_ITEM_ID = re.compile(r"^[a-z]+_([0-9a-f]{24})_i?\d+$")
_FAULTS: dict[ResponseState, dict[str, str] | None] = {
    ResponseState.CANCELLED: None,
    ResponseState.LOST: {
        "code": "server_error",
        "message": "The server that made this response has stopped. Please send it again.",
    },
}


class _Output(Struct, frozen=True):
    """What is read of a response."""

    output: list[Raw] = []


class _Identity(Struct, frozen=True):
    """What is read of an item."""

    id: str = ""
    type: str = ""


_encode = msgspec.json.Encoder().encode
_OUTPUT = msgspec.json.Decoder(_Output)
_IDENTITY = msgspec.json.Decoder(_Identity)
_ANY = msgspec.json.Decoder(dict[str, Any])


def response_of_item(item_id: str) -> str | None:
    """Return the id of the response that an item belongs to; None for an item that is not ours."""
    found = _ITEM_ID.match(item_id)
    return None if found is None else f"resp_{found[1]}"


def conversation_of(chain: Iterable[KeptResponse]) -> list[Raw]:
    """Return the items of responses that continue each other, the oldest first.

    A summary takes the place of all that was before it.
    """
    items: list[Raw] = []
    for kept in chain:
        items += [Raw(item) for item in kept.items]
        for item in _OUTPUT.decode(kept.body).output:
            if _IDENTITY.decode(item).type == "compaction":
                items.clear()
            items.append(item)
    return items


def items_by_id(responses: Iterable[KeptResponse]) -> dict[str, Raw]:
    """Return all items of some responses."""
    found: dict[str, Raw] = {}
    for kept in responses:
        for item in (*map(Raw, kept.items), *_OUTPUT.decode(kept.body).output):
            found[_IDENTITY.decode(item).id] = item
    return found


def render_kept(kept: KeptResponse) -> bytes:
    """Return a response as it is now."""
    if kept.state not in _FAULTS:
        return kept.body
    fault = _FAULTS[kept.state]
    body = _ANY.decode(kept.body) | {"status": FAILED if fault else CANCELLED, "error": fault}
    return _encode(body)


def render_end(kept: KeptResponse, number: int, fault: ResponseFault | None = None) -> bytes:
    """Return the last event of a response whose worker could not tell it, or not to us."""
    body = Raw(render_kept(kept))
    if fault is not None:
        body = Raw(_encode(_ANY.decode(body) | {"status": FAILED, "error": fault}))
    event = {"type": _FAILED_EVENT, "sequence_number": number, "response": body}
    return format_event(_encode(event), _FAILED_EVENT)


def render_deleted(response_id: str) -> bytes:
    """Return what a deletion answers."""
    return _encode(DeletedBody(id=response_id))


def render_input_items(
    items: Sequence[bytes], *, after: str, limit: int, is_ascending: bool
) -> bytes:
    """Return a page of the input of a response, behind the item `after`.

    Raises:
        InvalidRequestError: `after` is none of its items.
    """
    ordered = [Raw(item) for item in (items if is_ascending else items[::-1])]
    ids = [_IDENTITY.decode(item).id for item in ordered]
    if after and after not in ids:
        raise InvalidRequestError(
            "'after' is no input item of this response.", param="after", code="invalid_value"
        )
    first = ids.index(after) + 1 if after else 0
    page, shown = ordered[first : first + limit], ids[first : first + limit]
    return _encode(
        ItemList(
            data=page,
            first_id=shown[0] if shown else None,
            last_id=shown[-1] if shown else None,
            has_more=len(ids) > first + limit,
        )
    )
