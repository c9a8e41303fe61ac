"""What grok.com tells of an account's quota: windows per mode, the plan they prove, credits."""

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Final

import structlog

from grok2api.clock import Clock
from grok2api.domain.account import CHAT_MODES, MEDIA_MODES, Mode, Tier
from grok2api.domain.quota import PLANS, Credits, QuotaReport, Reading
from grok2api.domain.tier_votes import VOTES, infer_tier, read_votes
from grok2api.errors import AccountForbiddenError, CredentialRejectedError, UpstreamError
from grok2api.providers.grok_web.caller import Caller
from grok2api.providers.grok_web.calls import CallAnswer, Calls
from grok2api.providers.grok_web.codec.credits import parse_credits
from grok2api.providers.grok_web.codec.grpc_web import expect_message
from grok2api.providers.grok_web.codec.media_quota import parse_media_windows
from grok2api.providers.grok_web.codec.quota import NOT_AVAILABLE, parse_window
from grok2api.providers.grok_web.options import GrokWebOptions
from grok2api.providers.session import UpstreamSession
from grok2api.upstream.transport import Transport

log = structlog.get_logger(__name__)

CALLS_AT_ONCE: Final = 2
_NOT_FOUND: Final = 404
_Answers = dict[Mode, Reading | UpstreamError]
_MediaAnswers = Mapping[Mode, Reading | UpstreamError | None]


class GrokWebQuota:
    """Asks grok.com for quota. Keeps nothing between questions."""

    __slots__ = ("_caller", "_calls", "_clock")

    def __init__(self, transport: Transport, options: GrokWebOptions, clock: Clock) -> None:
        self._clock = clock
        self._caller = Caller(options)
        self._calls = Calls(
            transport,
            self._caller.exit,
            clock,
            connect_s=options.timeouts.connect_s,
            timeout_s=options.quota_timeout_s,
        )

    async def read_quota(self, session: UpstreamSession, tier: Tier) -> QuotaReport:
        """Ask for every mode of the account; see `QuotaBackend.read_quota`.

        Pictures and videos do not decide whether there is a report, nor what tier it proves.
        """
        wanted = VOTES.keys() | PLANS[tier].keys()
        chat = await self._ask_modes(session, wanted - MEDIA_MODES)
        proven = _prove(chat)
        served = PLANS[proven or tier]
        chat |= await self._ask_modes(session, served.keys() - MEDIA_MODES - chat.keys())
        errors = _errors(chat)
        if len(errors) == len(chat):
            raise list(errors.values())[-1]
        media = {m: a for m, a in (await self._ask_media(session)).items() if m in served}
        is_paid = (proven or tier) is not Tier.BASIC
        return QuotaReport(
            readings=tuple(r for r in (*_readings(chat), *_readings(media)) if r.mode in served),
            failed={mode: _word_for(e) for mode, e in (errors | _errors(media)).items()},
            tier=proven,
            credits=await self._ask_credits(session) if is_paid else None,
            votes=read_votes(_totals(chat)),
            unmetered=tuple(mode for mode, answer in media.items() if answer is None),
        )

    async def _ask_media(self, session: UpstreamSession) -> _MediaAnswers:
        """Return what is said of each mode of pictures and videos; None: it is not metered.

        Nothing where the upstream tells nothing of the kind.

        Raises:
            UpstreamError: the session or the account is at fault.
        """
        build = partial(self._caller.media_quota_query, session)
        try:
            return await self._calls.ask(build, self._read_media)
        except UpstreamError as error:
            if _is_fatal(error):
                raise
            if error.status == _NOT_FOUND:
                log.info("media_quota_not_told", detail=error.detail)
                return {}
            return dict.fromkeys((mode for mode in Mode if mode in MEDIA_MODES), error)

    def _read_media(self, answer: CallAnswer) -> Mapping[Mode, Reading | None]:
        return parse_media_windows(answer.body, now_s=self._clock.now_s())

    async def _ask_modes(self, session: UpstreamSession, modes: Iterable[Mode]) -> _Answers:
        """Ask for several modes of chat, few at a time; the answers are in the order of `Mode`.

        Raises:
            UpstreamError: the session or the account is at fault, whatever the mode.
        """
        slots = asyncio.Semaphore(CALLS_AT_ONCE)
        wanted = set(modes)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = {
                    mode: group.create_task(self._ask_mode(session, mode, slots))
                    for mode in CHAT_MODES
                    if mode in wanted
                }
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return {mode: task.result() for mode, task in tasks.items()}

    async def _ask_mode(
        self, session: UpstreamSession, mode: Mode, slots: asyncio.Semaphore
    ) -> Reading | UpstreamError:
        build = partial(self._caller.quota_query, session, mode)
        async with slots:
            try:
                return await self._calls.ask(build, lambda reply: parse_window(mode, reply.body))
            except UpstreamError as error:
                if _is_fatal(error):
                    raise
                return error

    async def _ask_credits(self, session: UpstreamSession) -> Credits | None:
        """Return the weekly allowance, or None where there is none or it cannot be had.

        Raises:
            UpstreamError: the session or the account is at fault.
        """
        try:
            return await self._calls.ask(
                partial(self._caller.credits_query, session), self._read_credits
            )
        except UpstreamError as error:
            if _is_fatal(error):
                raise
            log.info("credits_not_read", error=error.kind, detail=error.detail)
            return None

    def _read_credits(self, answer: CallAnswer) -> Credits | None:
        now_s = self._clock.now_s()
        message = expect_message(answer.body, answer.headers, now_s=now_s)
        return parse_credits(message, now_s=now_s)


def _is_fatal(error: UpstreamError) -> bool:
    """Whether every other question would be answered the same."""
    is_blocked = isinstance(error, AccountForbiddenError) and error.is_blocked
    return is_blocked or isinstance(error, CredentialRejectedError)


def _readings(answers: _MediaAnswers) -> list[Reading]:
    return [answer for answer in answers.values() if isinstance(answer, Reading)]


def _errors(answers: _MediaAnswers) -> dict[Mode, UpstreamError]:
    return {mode: answer for mode, answer in answers.items() if isinstance(answer, UpstreamError)}


def _prove(answers: _Answers) -> Tier | None:
    return infer_tier(_totals(answers))


def _totals(answers: _Answers) -> dict[Mode, int]:
    return {r.mode: r.total for r in _readings(answers) if r.total is not None}


def _word_for(error: UpstreamError) -> str:
    if isinstance(error, AccountForbiddenError):
        return NOT_AVAILABLE
    return error.code or error.kind
