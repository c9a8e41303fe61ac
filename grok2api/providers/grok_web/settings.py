"""Switches of the account itself at grok.com, turned only when its operator says so."""

from functools import partial

from grok2api.clock import Clock
from grok2api.providers.grok_web.caller import Caller
from grok2api.providers.grok_web.calls import CallAnswer, Calls
from grok2api.providers.grok_web.codec.grpc_web import expect_message
from grok2api.providers.grok_web.options import GrokWebOptions
from grok2api.providers.session import UpstreamSession
from grok2api.upstream.transport import Transport


class GrokWebSettings:
    """Changes an account's settings at grok.com."""

    __slots__ = ("_caller", "_calls", "_clock")

    def __init__(self, transport: Transport, options: GrokWebOptions, clock: Clock) -> None:
        self._clock = clock
        self._caller = Caller(options)
        self._calls = Calls(
            transport,
            self._caller.exit,
            clock,
            connect_s=options.timeouts.connect_s,
            timeout_s=options.settings_timeout_s,
        )

    async def set_sensitive_content(self, session: UpstreamSession, *, is_on: bool) -> None:
        """Turn the switch; see `SettingsBackend.set_sensitive_content`."""
        build = partial(self._caller.preference_change, session, is_on=is_on)
        await self._calls.ask(build, self._confirm)

    def _confirm(self, answer: CallAnswer) -> None:
        expect_message(answer.body, answer.headers, now_s=self._clock.now_s())
