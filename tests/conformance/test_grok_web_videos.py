"""Videos in front of the simulator: both protocols, every step, and every way to fail."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec import structs

from grok2api.clock import SystemClock
from grok2api.domain.files import InputFile
from grok2api.domain.video import (
    SEGMENTS,
    Preset,
    Resolution,
    VideoMade,
    VideoPart,
    VideoPlan,
    VideoRequest,
    VideoStep,
)
from grok2api.errors import (
    AntiBotError,
    ContentRejectedError,
    EgressBlockedError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRateLimitError,
    UpstreamUnavailableError,
)
from grok2api.providers.grok_web.assets import GrokWebAssets
from grok2api.providers.grok_web.files import GrokWebFiles
from grok2api.providers.grok_web.videos import GrokWebVideos
from grok2api.providers.session import UpstreamSession
from grok2api.upstream.transport import Timeouts
from tests.conformance.conftest import Counterpart, upstream_session

PROMPT = "a paper boat on a rainy street"
REQUEST = VideoRequest(model="grok-imagine-video", prompt=PROMPT)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
WAIT_S = 10.0


class Maker:
    """Makes videos with one account of a site."""

    def __init__(self, counterpart: Counterpart, **changes: object) -> None:
        self.site = counterpart.site
        options = structs.replace(counterpart.options(), **changes)
        transport, clock = counterpart.transport, SystemClock()
        self.videos = GrokWebVideos(transport, options, clock)
        self.files = GrokWebFiles(transport, options, clock)
        self.assets = GrokWebAssets(transport, options, clock)
        self.session = upstream_session()

    async def identify(self) -> None:
        """Know whose videos these are, as the store would."""
        known: list[str] = []

        async def remember(user_id: str) -> None:
            known.append(user_id)

        asking = UpstreamSession(self.session.credentials, "", remember)
        await self.videos.prepare(REQUEST, asking)
        self.session = structs.replace(self.session, user_id=known[0])

    async def make(
        self, request: VideoRequest = REQUEST
    ) -> tuple[tuple[VideoPart, ...], list[VideoStep]]:
        """Make all parts of a video; return them, and what was told meanwhile."""
        plan = await self.videos.prepare(request, self.session)
        parts: tuple[VideoPart, ...] = ()
        steps: list[VideoStep] = []
        for _ in request.segments:
            async with self.videos.render(request, plan, parts, self.session) as batches:
                events = [event async for batch in batches for event in batch]
            made = events.pop()
            assert isinstance(made, VideoMade)
            steps += [event for event in events if isinstance(event, VideoStep)]
            parts = (*parts, made.part)
        return parts, steps

    async def fetch(self, url: str) -> bytes:
        async with self.assets.download(url, self.session, is_video=True) as opened:
            return b"".join([chunk async for chunk in opened.chunks()])

    async def page(self) -> dict[str, Any]:
        return await self.site.page("one")

    async def submissions(self) -> list[tuple[str, bool]]:
        return [(s["kind"], s["is_accepted"]) for s in (await self.page())["submissions"]]


@pytest.fixture
async def maker(counterpart: Counterpart) -> AsyncIterator[Maker]:
    made = Maker(counterpart)
    yield made
    assert (await made.page())["violations"] == []


def with_references(count: int) -> VideoRequest:
    files = tuple(InputFile(f"r{n}", f"{n}.png", "image/png", PNG) for n in range(count))
    return structs.replace(REQUEST, references=files)


@pytest.mark.parametrize("resolution", list(Resolution))
@pytest.mark.parametrize("seconds", [1, 6, 15])
async def test_video_from_text(maker: Maker, resolution: Resolution, seconds: int) -> None:
    request = structs.replace(REQUEST, resolution=resolution, segments=(seconds,))

    (part,), steps = await maker.make(request)

    assert (await maker.fetch(part.url))[4:8] == b"ftyp"
    assert [step.percent for step in steps] == sorted({step.percent for step in steps})
    assert steps[0].part.video_id == part.video_id
    assert part.post_id
    page = await maker.page()
    assert await maker.submissions() == [("video", True)]
    assert (page["posts"], page["submissions"][0]["prompt"]) == (0, PROMPT)


@pytest.mark.parametrize("preset", list(Preset))
async def test_older_protocol_says_presets(counterpart: Counterpart, preset: Preset) -> None:
    maker = Maker(counterpart, video_protocol="older")

    (part,), _ = await maker.make(structs.replace(REQUEST, preset=preset))

    assert await maker.fetch(part.url)
    page = await maker.page()
    assert (page["violations"], page["posts"]) == ([], 1)


@pytest.mark.parametrize("form", ["direct", "json"])
@pytest.mark.parametrize("count", [1, 7])
async def test_video_from_references(counterpart: Counterpart, form: str, count: int) -> None:
    maker = Maker(counterpart, upload_form=form)
    await maker.identify()
    request = with_references(count)
    uploaded = [
        await maker.files.upload(file, maker.session, for_media=True) for file in request.references
    ]
    maker.session = structs.replace(maker.session, attachments=tuple(uploaded))

    (part,), _ = await maker.make(request)

    assert await maker.fetch(part.url)
    page = await maker.page()
    assert (page["violations"], page["posts"]) == ([], count)


@pytest.mark.parametrize("seconds", list(SEGMENTS))
async def test_long_video_is_extended(maker: Maker, seconds: int) -> None:
    parts, steps = await maker.make(structs.replace(REQUEST, segments=SEGMENTS[seconds]))

    assert len(parts) == 2
    assert await maker.submissions() == [("video", True), ("extension", True)]
    assert await maker.fetch(parts[1].url) != await maker.fetch(parts[0].url)
    assert steps


async def test_finished_video_is_made_larger(maker: Maker) -> None:
    (part,), _ = await maker.make(structs.replace(REQUEST, resolution=Resolution.P480))

    url = await maker.videos.upscale(part, maker.session)

    assert url != part.url
    assert await maker.fetch(url)
    assert (await maker.page())["upscales"] == 1


async def test_upscaling_that_fails_is_an_error(maker: Maker) -> None:
    (part,), _ = await maker.make()
    await maker.site.script("fault=server_error", target="upscale")

    with pytest.raises(UpstreamUnavailableError):
        await maker.videos.upscale(part, maker.session)


@pytest.mark.parametrize(
    "directive",
    [
        "result=stream",
        "result=model_response",
        "result=attachments",
        *(f"url_key={name}; result=stream" for name in ("contentURL", "assetUrl", "fileUri")),
        "framing=sse",
        "framing=concat",
        "framing=mixed",
        "chunk=7",
        "unknown; garbage",
    ],
)
async def test_video_is_found_however_it_is_told(maker: Maker, directive: str) -> None:
    await maker.site.script(directive, target="video")

    (part,), _ = await maker.make()

    assert await maker.fetch(part.url)


async def test_place_is_known_before_the_video_is(maker: Maker) -> None:
    await maker.identify()
    (part,), steps = await maker.make()

    guess = maker.videos.guess_url(steps[0].part, maker.session)

    assert guess == part.url
    assert await maker.fetch(guess)


@pytest.mark.parametrize(
    ("directive", "expected", "may_be_running"),
    [
        ("fault=rate_limited", UpstreamRateLimitError, False),
        ("fault=moderated", ContentRejectedError, False),
        ("fault=challenge", EgressBlockedError, False),
        ("fault=server_error", UpstreamUnavailableError, True),
        ("fault=reset", UpstreamUnavailableError, True),
        ("fault=hang", UpstreamError, True),
        ("moderated=1", ContentRejectedError, False),
        ("error=rate_limited; after=2", UpstreamRateLimitError, False),
        ("error=anti_bot; after=2; error_form=response", AntiBotError, False),
        ("result=none", UpstreamProtocolError, True),
        ("close_after=2", UpstreamProtocolError, True),
        ("reset_after=2", UpstreamUnavailableError, True),
        ("silence_after=2", UpstreamError, True),
    ],
)
async def test_failure_tells_whether_the_video_may_be_made_all_the_same(
    counterpart: Counterpart,
    directive: str,
    expected: type[UpstreamError],
    *,
    may_be_running: bool,
) -> None:
    counterpart.timeouts = Timeouts(5.0, 5.0, 5.0)
    maker = Maker(counterpart, video_idle_timeout_s=1.0)
    await maker.identify()
    await maker.site.script(directive, target="video")

    with pytest.raises(expected) as caught:
        await maker.make()

    assert caught.value.may_be_running is may_be_running
    assert len(await maker.submissions()) == 1


async def test_end_without_a_video_has_a_name(maker: Maker) -> None:
    await maker.site.script("result=none", target="video")

    with pytest.raises(UpstreamProtocolError) as caught:
        await maker.make()

    assert caught.value.code == "video_incomplete"


@pytest.mark.parametrize("fault", ["server_error", "rate_limited", "reset"])
async def test_post_that_fails_leaves_nothing_running(counterpart: Counterpart, fault: str) -> None:
    maker = Maker(counterpart, video_protocol="older")
    await maker.site.script(f"fault={fault}", target="post", times=0)

    with pytest.raises(UpstreamError) as caught:
        await maker.videos.prepare(REQUEST, maker.session)

    assert (caught.value.was_sent, caught.value.may_be_running) == (False, False)
    assert await maker.submissions() == []


async def test_leaving_stops_the_transfer(maker: Maker) -> None:
    await maker.site.script("silence_after=2", target="video")
    plan = VideoPlan(prompt=PROMPT)

    async with maker.videos.render(REQUEST, plan, (), maker.session) as batches:
        assert await anext(batches)
        assert (await maker.page())["open"] == 1

    async with asyncio.timeout(WAIT_S):
        while (await maker.page())["open"]:  # noqa: ASYNC110 - the site has no event for it
            await asyncio.sleep(0.01)
    assert (await maker.page())["cancelled"] == 1
