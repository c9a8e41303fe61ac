"""Asking grok.com who an account is."""

from contextlib import suppress
from typing import Final

from grok2api.clock import Clock
from grok2api.errors import StoreUnavailableError, UpstreamError
from grok2api.providers.grok_web.caller import Caller
from grok2api.providers.grok_web.calls import check_answer
from grok2api.providers.grok_web.codec.whoami import MAX_SESSION_BYTES, parse_user_id
from grok2api.providers.session import UpstreamSession
from grok2api.upstream.transport import Timeouts, Transport

IDENTITY_TIMEOUT_S: Final = 15.0


class Whoami:
    """Finds user ids. Nothing is kept here: the account's record remembers."""

    __slots__ = ("_caller", "_clock", "_timeouts", "_transport")

    def __init__(
        self, transport: Transport, caller: Caller, clock: Clock, connect_s: float
    ) -> None:
        self._transport = transport
        self._caller = caller
        self._clock = clock
        self._timeouts = Timeouts(connect_s, IDENTITY_TIMEOUT_S, IDENTITY_TIMEOUT_S)

    async def ask(self, session: UpstreamSession) -> str:
        """Return the account's user id, and have it remembered.

        Raises:
            UpstreamError: it cannot be had; `was_sent` is False, for it is never the request itself
                that was asked.
        """
        try:
            user_id = await self._ask(session)
        except UpstreamError as error:
            error.was_sent = False
            raise
        with suppress(StoreUnavailableError):  # it only saves the question next time
            await session.remember_user_id(user_id)
        return user_id

    async def _ask(self, session: UpstreamSession) -> str:
        request = self._caller.session_query(session)
        async with self._transport.open(request, self._caller.exit, self._timeouts) as stream:
            await check_answer(stream, now_s=self._clock.now_s())
            return parse_user_id(await stream.read_head(MAX_SESSION_BYTES))
