"""Chat with grok.com: which protocol, who the account is, and what a refusal means."""

import secrets
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog

from grok2api.clock import Clock
from grok2api.dialects.tools.sift import build_sieve
from grok2api.domain.account import Mode
from grok2api.domain.chat import ChatRequest, EventBatch
from grok2api.domain.model import Route
from grok2api.domain.upstream import UpstreamStatus
from grok2api.errors import Scope, UpstreamError, UpstreamRejectedError
from grok2api.providers.grok_web.caller import Caller
from grok2api.providers.grok_web.calls import check_answer
from grok2api.providers.grok_web.codec.gateway_decoder import GatewayDecoder
from grok2api.providers.grok_web.codec.http_decoder import HttpDecoder
from grok2api.providers.grok_web.codec.identity import canonical_uuid
from grok2api.providers.grok_web.codec.modes import word_of
from grok2api.providers.grok_web.codec.prompt import build_prompt, put_instruction_first
from grok2api.providers.grok_web.codec.refusal import name_long_prompt
from grok2api.providers.grok_web.codec.requests import ask
from grok2api.providers.grok_web.codec.status import classify_status
from grok2api.providers.grok_web.deadline import Deadline
from grok2api.providers.grok_web.gateway import GatewayBatches, Heartbeat, open_conversation
from grok2api.providers.grok_web.http_stream import HttpBatches
from grok2api.providers.grok_web.options import GrokWebOptions
from grok2api.providers.grok_web.sifted import SiftedBatches
from grok2api.providers.grok_web.whoami import Whoami
from grok2api.providers.session import UpstreamSession
from grok2api.upstream.transport import HandshakeRefusedError, Transport

log = structlog.get_logger(__name__)

TOKEN_BYTES: Final = 6
CALL_ID_BYTES: Final = 12
# A mode that the gateway does not know goes over HTTP, whatever the settings say.
_GATEWAY_MODES: Final = frozenset({Mode.AUTO, Mode.FAST, Mode.EXPERT, Mode.HEAVY})
_MS_PER_S: Final = 1000


class GrokWebChat:
    """Streams chat turns from grok.com. Keeps nothing between turns."""

    __slots__ = ("_caller", "_clock", "_options", "_transport", "_whoami")

    def __init__(self, transport: Transport, options: GrokWebOptions, clock: Clock) -> None:
        self._transport = transport
        self._options = options
        self._clock = clock
        self._caller = Caller(options)
        self._whoami = Whoami(transport, self._caller, clock, options.timeouts.connect_s)

    @asynccontextmanager
    async def stream_chat(
        self, request: ChatRequest, route: Route, session: UpstreamSession
    ) -> AsyncIterator[AsyncIterator[EventBatch]]:
        """Open one turn; see `ChatBackend.stream_chat`."""
        token = secrets.token_hex(TOKEN_BYTES) if request.tools else ""
        prompt = build_prompt(request, token)
        sieve = build_sieve(request, token, _make_call_id)
        async with self.open_turn(prompt, route.mode, session) as batches:
            yield batches if sieve is None else SiftedBatches(batches, sieve)

    @asynccontextmanager
    async def open_turn(
        self, prompt: str, mode: Mode, session: UpstreamSession
    ) -> AsyncIterator[GatewayBatches | HttpBatches]:
        """Open a turn that says `prompt` as it stands.

        Raises:
            UpstreamError: before or while streaming; nothing is retried here.
        """
        deadline = Deadline(self._clock, self._options.total_timeout_s)
        user_id = await self._find_user_id(session) if mode in _GATEWAY_MODES else ""
        opened = (
            self._over_gateway(prompt, word_of(mode), session, user_id, deadline)
            if user_id
            else self._over_http(prompt, word_of(mode), session, deadline)
        )
        async with opened as batches:
            yield batches

    @asynccontextmanager
    async def _over_gateway(
        self, prompt: str, mode: str, session: UpstreamSession, user_id: str, deadline: Deadline
    ) -> AsyncIterator[GatewayBatches]:
        options, caller = self._options, self._caller
        decoder = GatewayDecoder(assets_url=options.assets_url)
        is_sent = False
        prompt = put_instruction_first(prompt, caller.turn.instruction)
        handshake = caller.gateway_handshake(session, user_id)
        try:
            async with (
                self._transport.connect(handshake, caller.exit, options.timeouts) as socket,
                Heartbeat(socket, self._clock, options.heartbeat_s),
            ):
                conversation_id, first = await open_conversation(
                    socket, decoder, mode, caller.turn, f"evt_init_{uuid.uuid4()}"
                )
                is_sent = True
                for message in ask(
                    prompt,
                    conversation_id=conversation_id,
                    message_id=str(uuid.uuid4()),
                    at_ms=int(self._clock.now_s() * _MS_PER_S),
                    attachments=tuple(file.id for file in session.attachments),
                ):
                    await socket.send(message)
                yield GatewayBatches(socket, decoder, first, deadline)
        except HandshakeRefusedError as refused:
            raise self._refusal(refused.answer) from None
        except UpstreamError as error:
            error.was_sent &= is_sent
            raise
        finally:
            _note_unknown(decoder.unknown_frames, "gateway")

    @asynccontextmanager
    async def _over_http(
        self, prompt: str, mode: str, session: UpstreamSession, deadline: Deadline
    ) -> AsyncIterator[HttpBatches]:
        options, caller = self._options, self._caller
        decoder = HttpDecoder(assets_url=options.assets_url)
        request = caller.http_turn(session, prompt, mode)
        try:
            async with self._transport.open(request, caller.exit, options.timeouts) as stream:
                try:
                    await check_answer(stream, now_s=self._clock.now_s())
                except UpstreamRejectedError as error:
                    raise name_long_prompt(error) from None
                yield HttpBatches(stream, decoder, deadline)
        finally:
            _note_unknown(decoder.unknown_frames, "http")

    async def _find_user_id(self, session: UpstreamSession) -> str:
        """Return the account's user id, or "" where the turn shall go over HTTP.

        Raises:
            UpstreamError: it cannot be had and is needed; or asking showed that the account or the
                way out is at fault.
        """
        if self._options.chat_transport == "http":
            return ""
        known = canonical_uuid(session.user_id)
        if known:
            return known
        try:
            return await self._whoami.ask(session)
        except UpstreamError as error:
            if self._options.chat_transport == "auto" and error.scope is Scope.UPSTREAM:
                log.info("user_id_not_found", error=error.kind, detail=error.detail)
                return ""
            raise

    def _refusal(self, answer: UpstreamStatus) -> UpstreamError:
        return classify_status(answer, now_s=self._clock.now_s())


def _make_call_id() -> str:
    return f"call_{secrets.token_hex(CALL_ID_BYTES)}"


def _note_unknown(count: int, protocol: str) -> None:
    if count:
        log.info("upstream_frames_left_out", count=count, protocol=protocol)
