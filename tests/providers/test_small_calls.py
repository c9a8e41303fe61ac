"""Small calls to grok.com: an answer counts only if it is whole, and not for ever."""

import pytest

from grok2api.clock import SystemClock
from grok2api.errors import UpstreamProtocolError, UpstreamTimeoutError, UpstreamUnavailableError
from grok2api.providers.grok_web.settings import GrokWebSettings
from grok2api.providers.registry import build_providers
from tests.providers.conftest import Desk, PlayedStream, Step

SWITCH = "/auth_mgmt.AuthManagement/UpdateUserFeatureControls"
TRAILER = b"\x80\x00\x00\x00\x0fgrpc-status:0\r\n"


async def turn(desk: Desk, *steps: Step) -> PlayedStream:
    stream = PlayedStream(list(steps))
    desk.site.answers[SWITCH] = stream
    try:
        settings = GrokWebSettings(desk.site, desk.options, SystemClock())
        await settings.set_sensitive_content(desk.session(), is_on=True)
    finally:
        assert stream.is_closed
    return stream


async def test_an_answer_in_pieces_is_put_together(desk: Desk) -> None:
    await turn(desk, *(TRAILER[at : at + 1] for at in range(len(TRAILER))))

    assert len(desk.site.requests) == 1


async def test_an_answer_that_breaks_off_is_no_success(desk: Desk) -> None:
    broken = UpstreamUnavailableError("broken", code="upstream_stream_truncated")

    with pytest.raises(UpstreamUnavailableError):
        await turn(desk, bytes(5), broken)


async def test_an_answer_larger_than_it_can_be_is_an_error(desk: Desk) -> None:
    with pytest.raises(UpstreamProtocolError):
        await turn(desk, *([bytes(5)] * 20_000))


async def test_an_answer_that_drips_is_a_timeout(desk: Desk) -> None:
    desk.set(settings_timeout_s=0.05)

    with pytest.raises(UpstreamTimeoutError) as caught:
        await turn(desk, bytes(5), None)

    assert caught.value.code == "upstream_total_timeout"


def test_the_kind_knows_how_to_ask_and_to_turn(desk: Desk) -> None:
    (provider,) = build_providers(desk.site, desk.options, desk.clock).values()

    assert provider.quota is not None
    assert provider.settings is not None
