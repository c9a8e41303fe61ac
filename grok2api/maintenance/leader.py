"""Campaign, renew, resign: how a process comes to lead, and learns that it no longer does."""

import asyncio
import secrets
import socket

import structlog

from grok2api.errors import StoreUnavailableError
from grok2api.services.cleanup import end_if_cancelled
from grok2api.store.leader import Elected, LeaderStore

log = structlog.get_logger(__name__)

_RENEWALS_IN_A_LIFE = 3
_AFTER_EXPIRY_S = 0.05


class LeadershipLostError(Exception):
    """This process no longer leads, or cannot know; its message says why."""


class Leader:
    """One candidate. It leads between `win` and the end of `keep`, for an epoch of its own."""

    __slots__ = ("_owner", "_store", "_ttl_s")

    def __init__(self, store: LeaderStore, *, ttl_s: float) -> None:
        self._store = store
        self._ttl_s = ttl_s
        self._owner = f"{socket.gethostname()}-{secrets.token_hex(8)}"

    async def win(self) -> int:
        """Wait until this process leads; return the epoch that its scripts carry.

        A store that does not answer is asked again.
        """
        seen = ""
        while True:
            try:
                reply = await self._store.campaign(self._owner, ttl_s=self._ttl_s)
            except StoreUnavailableError as error:
                if seen != "trouble":
                    log.warning("campaign_failed", detail=error.detail)
                seen, pause_s = "trouble", self._renewal_s
            else:
                if isinstance(reply, Elected):
                    log.info("leadership_taken", epoch=reply.epoch)
                    return reply.epoch
                if seen != "other":
                    log.info("leadership_followed", other_may_lead_s=reply.ttl_ms / 1000)
                # Not longer: the other may resign.
                left_s = reply.ttl_ms / 1000 + _AFTER_EXPIRY_S
                seen, pause_s = "other", min(left_s, self._renewal_s)
            end_if_cancelled()
            await asyncio.sleep(pause_s)

    async def keep(self, epoch: int) -> None:
        """Renew at a third of the lease's life, until that fails or is refused.

        A renewal gets a third of the life too: this ends before the lease does, unless the whole
        process was halted; then its epoch keeps it from writing.

        Raises:
            LeadershipLostError: always, at the first renewal that is not granted.
        """
        while True:
            await asyncio.sleep(self._renewal_s)
            try:
                async with asyncio.timeout(self._renewal_s):
                    reply = await self._store.campaign(self._owner, ttl_s=self._ttl_s)
            except StoreUnavailableError as error:
                raise LeadershipLostError(f"no renewal: {error.detail}") from error
            except TimeoutError:
                raise LeadershipLostError("no renewal: it took too long") from None
            end_if_cancelled()
            if reply != Elected(epoch):
                raise LeadershipLostError("the lease had ended before its renewal")

    async def resign(self) -> None:
        """Let another lead at once, if this process leads.

        Without a store the lease ends by itself.
        """
        try:
            async with asyncio.timeout(self._renewal_s):
                is_resigned = await self._store.resign(self._owner)
        except (StoreUnavailableError, TimeoutError):
            log.warning("leadership_not_resigned")
            return
        if is_resigned:
            log.info("leadership_resigned")

    @property
    def _renewal_s(self) -> float:
        return self._ttl_s / _RENEWALS_IN_A_LIFE
