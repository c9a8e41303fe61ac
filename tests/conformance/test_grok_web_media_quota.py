"""Windows of pictures and videos, asked beside those of chat: what fails alone, what does not."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from grok2api.clock import SystemClock
from grok2api.domain.account import CHAT_MODES, MEDIA_MODES, Mode, Tier
from grok2api.domain.quota import DAY_S, PLANS, QuotaReport, Reading
from grok2api.domain.upstream import UpstreamRequest
from grok2api.errors import AccountForbiddenError, CredentialRejectedError
from grok2api.providers.grok_web.quota import GrokWebQuota
from grok2api.upstream.frames import MAX_MESSAGE_BYTES
from grok2api.upstream.transport import (
    Exit,
    Timeouts,
    Transport,
    UpstreamSocket,
    UpstreamStream,
)
from tests.conformance.conftest import Counterpart, upstream_session

PATH = "/rest/media/imagine/quota_info"
TWO_LEFT = {"available": True, "remainingQueries": 2, "windowSizeSeconds": 86400}
GONE = {"available": False}
TOLD = {
    "image": None,
    "imagePro": TWO_LEFT,
    "imageEdit": GONE,
    "video": TWO_LEFT,
    "video720p": None,
}


@dataclass
class Answer:
    """What is read of an answer."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})

    async def read(self) -> bytes:
        body, self.body = self.body, b""
        return body

    async def read_head(self, limit_bytes: int) -> bytes:
        return (await self.read())[:limit_bytes]


class MediaSite:
    """The real transport, but for one path, whose answers stand here; the last one stays."""

    def __init__(self, transport: Transport, *answers: tuple[int, object]) -> None:
        self._transport = transport
        self._answers = list(answers)
        self.asked: list[UpstreamRequest] = []

    @asynccontextmanager
    async def open(
        self, request: UpstreamRequest, exit_: Exit, timeouts: Timeouts
    ) -> AsyncIterator[UpstreamStream]:
        if not request.url.endswith(PATH):
            async with self._transport.open(request, exit_, timeouts) as stream:
                yield stream
            return
        self.asked.append(request)
        status, told = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        yield Answer(status, told if isinstance(told, bytes) else msgspec.json.encode(told))

    def connect(
        self,
        request: UpstreamRequest,
        exit_: Exit,
        timeouts: Timeouts,
        *,
        limit_bytes: int = MAX_MESSAGE_BYTES,
    ) -> AbstractAsyncContextManager[UpstreamSocket]:
        return self._transport.connect(request, exit_, timeouts, limit_bytes=limit_bytes)


async def read(counterpart: Counterpart, site: MediaSite, tier: Tier) -> QuotaReport:
    reply = await counterpart.site.http.patch("/_sim/accounts/one", json={"tier": tier.value})
    assert reply.status_code == 200, reply.text
    quota = GrokWebQuota(site, counterpart.options(), SystemClock())
    return await quota.read_quota(upstream_session(), tier)


def media_of(report: QuotaReport) -> dict[Mode, Reading]:
    return {r.mode: r for r in report.readings if r.mode in MEDIA_MODES}


def chat_of(report: QuotaReport) -> set[Mode]:
    return {r.mode for r in report.readings} - MEDIA_MODES


def served(tier: Tier, *, is_media: bool) -> set[Mode]:
    return {mode for mode in PLANS[tier] if (mode in MEDIA_MODES) == is_media}


async def test_one_signed_question_from_the_page_that_makes_pictures(
    counterpart: Counterpart,
) -> None:
    site = MediaSite(counterpart.transport, (200, TOLD))

    await read(counterpart, site, Tier.HEAVY)

    (request,) = site.asked
    headers = dict(request.headers)
    assert (request.method, request.body) == ("POST", b"{}")
    assert request.url == f"{counterpart.site.url}{PATH}"
    assert headers["Referer"] == "https://grok.com/imagine"
    assert headers["Content-Type"] == "application/json"
    assert headers["x-statsig-id"]
    assert headers["x-xai-request-id"]


async def test_readings_have_no_total_and_what_is_not_metered_is_named(
    counterpart: Counterpart,
) -> None:
    site = MediaSite(counterpart.transport, (200, TOLD))

    report = await read(counterpart, site, Tier.SUPER)

    assert media_of(report) == {
        Mode.IMAGE_PRO: Reading(Mode.IMAGE_PRO, 2, None, DAY_S, float(DAY_S)),
        Mode.IMAGE_EDIT: Reading(Mode.IMAGE_EDIT, 0, None, DAY_S, float(DAY_S)),
        Mode.VIDEO: Reading(Mode.VIDEO, 2, None, DAY_S, float(DAY_S)),
    }
    assert report.unmetered == (Mode.VIDEO_720P,)
    assert (report.failed, report.tier, report.is_unanimous) == ({}, Tier.SUPER, True)
    assert not report.votes.keys() & MEDIA_MODES
    assert report.credits is not None


async def test_mode_that_the_tier_has_not_is_left_out(counterpart: Counterpart) -> None:
    site = MediaSite(counterpart.transport, (200, TOLD | {"imagePro": None}))

    report = await read(counterpart, site, Tier.BASIC)

    assert media_of(report).keys() == {Mode.IMAGE_EDIT}
    assert report.unmetered == (Mode.IMAGE_PRO, Mode.VIDEO_720P)
    site = MediaSite(counterpart.transport, (200, TOLD | {"video": None}))
    assert Mode.VIDEO not in (await read(counterpart, site, Tier.BASIC)).unmetered


@pytest.mark.parametrize(
    ("answer", "word", "attempts"),
    [
        ((500, b"{}"), "upstream_error", 1),
        ((429, b"{}"), "rate_limit_exceeded", 1),
        ((403, b""), "upstream_challenge", 2),
        ((200, {"image": None}), "upstream_odd_quota", 1),
        ((200, b"<html>"), "upstream_odd_quota", 1),
        ((200, TOLD | {"imageEdit": {"available": True}}), "upstream_odd_quota", 1),
    ],
)
@pytest.mark.parametrize("tier", [Tier.BASIC, Tier.SUPER])
async def test_failure_costs_the_media_windows_only(
    counterpart: Counterpart, answer: tuple[int, Any], word: str, attempts: int, tier: Tier
) -> None:
    site = MediaSite(counterpart.transport, answer)

    report = await read(counterpart, site, tier)

    assert report.failed == dict.fromkeys(served(tier, is_media=True), word)
    assert chat_of(report) == served(tier, is_media=False)
    assert (media_of(report), report.unmetered, report.tier) == ({}, (), tier)
    assert len(site.asked) == attempts


async def test_refused_exit_is_tried_once_more_with_another_signature(
    counterpart: Counterpart,
) -> None:
    site = MediaSite(counterpart.transport, (403, b""), (200, TOLD))

    report = await read(counterpart, site, Tier.HEAVY)

    assert report.failed == {}
    first, second = (dict(request.headers) for request in site.asked)
    assert first["x-statsig-id"] != second["x-statsig-id"]
    assert first["x-xai-request-id"] != second["x-xai-request-id"]


async def test_site_that_has_no_such_question_is_no_failure(counterpart: Counterpart) -> None:
    report = await read(counterpart, MediaSite(counterpart.transport, (404, b"")), Tier.SUPER)

    assert (report.failed, report.unmetered, media_of(report)) == ({}, (), {})
    assert chat_of(report) == set(CHAT_MODES) - {Mode.HEAVY}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((401, {"code": "unauthorized"}), CredentialRejectedError),
        ((403, {"code": 7, "message": "bad-credentials"}), CredentialRejectedError),
        ((403, {"code": 7, "message": "User is blocked"}), AccountForbiddenError),
    ],
)
async def test_dead_session_or_a_block_is_the_end_of_it(
    counterpart: Counterpart, answer: tuple[int, Any], expected: type[Exception]
) -> None:
    with pytest.raises(expected):
        await read(counterpart, MediaSite(counterpart.transport, answer), Tier.SUPER)


async def test_nothing_more_is_asked_where_no_chat_window_was_told(
    counterpart: Counterpart,
) -> None:
    await counterpart.site.script("fault=server_error", target="quota", times=0)
    site = MediaSite(counterpart.transport, (200, TOLD))

    with pytest.raises(Exception, match="upstream"):
        await read(counterpart, site, Tier.BASIC)

    assert site.asked == []
