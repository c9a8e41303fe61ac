"""What a client of the socket has said, in the right order and form or not at all."""

import asyncio

import msgspec
from starlette.types import Message, Receive

from grok2api.simulator.frames.socket_payloads import (
    ENVELOPE_DECODER,
    Envelope,
    ItemCreate,
    Ping,
    ResponseCreate,
    SessionCreate,
    check_ping,
    check_session,
    check_turn,
)
from grok2api.simulator.ledger import Entry


class Inbox:
    """Reads a socket until its client leaves or breaks a rule."""

    def __init__(self, entry: Entry) -> None:
        self._entry = entry
        self._opening: asyncio.Future[tuple[Envelope, SessionCreate]] = asyncio.Future()
        self._turn: asyncio.Future[ItemCreate] = asyncio.Future()
        self._item: ItemCreate | None = None
        self._is_follow_up = False
        self._session_id = ""

    async def opening(self) -> tuple[Envelope, SessionCreate]:
        """Wait for `session.create`."""
        return await self._opening

    def expect_turn(self, session_id: str) -> None:
        """Allow the messages of the turn from now on; they must carry `session_id`."""
        self._session_id = session_id

    async def turn(self) -> ItemCreate:
        """Wait for both messages of the turn."""
        return await self._turn

    async def pump(self, receive: Receive) -> list[str]:
        """Read until the client leaves (then nothing is returned) or something is wrong."""
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return []
            problems = self._take(message)
            if problems:
                return problems

    def _take(self, message: Message) -> list[str]:
        text = message.get("text")
        if text is None:
            return ["a binary message"]
        try:
            envelope = ENVELOPE_DECODER.decode(text)
        except msgspec.DecodeError as error:
            return [str(error)]
        match envelope.event:
            case Ping() as ping:
                self._entry.pings += 1
                return check_ping(envelope, ping)
            case SessionCreate() as opening:
                return self._take_opening(envelope, opening)
            case ItemCreate() as item:
                return self._take_item(envelope, item)
            case ResponseCreate() as response:
                return self._take_response(envelope, response)

    def _take_opening(self, envelope: Envelope, opening: SessionCreate) -> list[str]:
        if self._opening.done():
            return ["session.create stands first, and once"]
        problems = check_session(envelope, opening)
        if not problems:
            self._is_follow_up = isinstance(envelope.session_id, str)
            self._opening.set_result((envelope, opening))
        return problems

    def _take_item(self, envelope: Envelope, item: ItemCreate) -> list[str]:
        if not self._session_id or self._item is not None:
            return ["conversation.item.create stands after both confirmations, and once"]
        if envelope.session_id != self._session_id:
            return ["session_id of the turn is not the one of the confirmations"]
        self._item = item
        return []

    def _take_response(self, envelope: Envelope, response: ResponseCreate) -> list[str]:
        if self._item is None or self._turn.done():
            return ["response.create stands after conversation.item.create, and once"]
        if envelope.session_id != self._session_id:
            return ["session_id of the turn is not the one of the confirmations"]
        problems = check_turn(self._item, response, is_follow_up=self._is_follow_up)
        if not problems:
            self._turn.set_result(self._item)
        return problems
