"""Videos of grok.com: which protocol is spoken, and what is known of the job when a step fails."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from grok2api.domain.upstream import UpstreamRequest
from grok2api.domain.video import (
    Preset,
    VideoEvent,
    VideoMade,
    VideoPart,
    VideoPlan,
    VideoRequest,
    VideoStep,
)
from grok2api.errors import (
    CredentialRejectedError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRejectedError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from grok2api.providers.grok_web.videos import GrokWebVideos
from grok2api.providers.session import UploadedFile, UpstreamSession
from grok2api.upstream.faults import connect_timeout, header_timeout, no_connection
from tests.providers.conftest import USER_ID, Desk, PlayedStream

ASK = "/rest/app-chat/conversations/new"
POST = "/rest/media/post/create"
WHOAMI = "/api/auth/session"
UPSCALE = "/rest/media/video/upscale"
REQUEST = VideoRequest(model="grok-imagine-video", prompt="a boat")
PLAN = VideoPlan(prompt="a boat", owner=USER_ID)
PATH = "users/u-1/generated/vid-1/generated_video.mp4"


def progress(percent: int, **members: object) -> bytes:
    said = {"videoId": "vid-1", "progress": percent, **members}
    return msgspec.json.encode({"result": {"response": {"streamingVideoGenerationResponse": said}}})


DONE = progress(100, videoUrl=PATH)


def videos_of(desk: Desk) -> GrokWebVideos:
    return GrokWebVideos(desk.site, desk.options, desk.clock)


def with_files(session: UpstreamSession, *files: UploadedFile) -> UpstreamSession:
    return msgspec.structs.replace(session, attachments=files)


def answer(value: object) -> PlayedStream:
    return PlayedStream([msgspec.json.encode(value)])


@asynccontextmanager
async def rendering(desk: Desk) -> AsyncIterator[AsyncIterator[list[VideoEvent]]]:
    async with videos_of(desk).render(REQUEST, PLAN, (), desk.session()) as batches:
        yield batches


async def render(desk: Desk) -> list[VideoEvent]:
    async with rendering(desk) as batches:
        return [event async for batch in batches for event in batch]


def asked(desk: Desk) -> list[UpstreamRequest]:
    return [request for request in desk.site.requests if "/media/post/" in request.url]


async def test_plain_video_needs_no_post(desk: Desk) -> None:
    assert await videos_of(desk).prepare(REQUEST, desk.session()) == PLAN
    assert desk.site.requests == []


async def test_owner_is_found_out_before_the_first_video(desk: Desk) -> None:
    desk.user_id = ""
    desk.site.answers[WHOAMI] = answer({"session": {"userId": USER_ID}})

    assert await videos_of(desk).prepare(REQUEST, desk.session()) == PLAN
    assert desk.remembered == [USER_ID]


async def test_owner_that_is_not_told_is_done_without(desk: Desk) -> None:
    desk.user_id = ""
    desk.site.answers[WHOAMI] = answer({})

    plan = await videos_of(desk).prepare(REQUEST, desk.session())

    assert plan == VideoPlan(prompt="a boat")


async def test_dead_session_is_seen_before_anything_is_asked_for(desk: Desk) -> None:
    desk.user_id = ""
    desk.site.answers[WHOAMI] = answer({"status": "unauthenticated"})

    with pytest.raises(CredentialRejectedError) as caught:
        await videos_of(desk).prepare(REQUEST, desk.session())

    assert not caught.value.was_sent


@pytest.mark.parametrize("changes", [{"segments": (6, 6)}, {"preset": Preset.FUN}])
async def test_older_protocol_is_spoken_where_only_that_will_do(
    desk: Desk, changes: dict[str, object]
) -> None:
    desk.site.answers[POST] = answer({"post": {"id": "post-1"}})
    request = msgspec.structs.replace(REQUEST, **changes)

    plan = await videos_of(desk).prepare(request, desk.session())

    assert plan == VideoPlan(prompt="a boat", owner=USER_ID, parent_post="post-1")
    assert dict(asked(desk)[0].headers)["Referer"] == "https://grok.com/imagine"


async def test_operator_can_have_the_older_protocol_for_all(desk: Desk) -> None:
    desk.set(video_protocol="older")
    desk.site.answers[POST] = answer({"post": {"id": "post-1"}})

    plan = await videos_of(desk).prepare(REQUEST, desk.session())

    assert plan.parent_post == "post-1"


async def test_every_reference_has_a_post_and_the_first_is_the_parent(desk: Desk) -> None:
    files = UploadedFile("f-1", "https://assets.grok.com/x/content"), UploadedFile("f-2")
    # Each read is one answer here, and an end.
    posts = [step for n in (1, 2) for step in (b'{"post":{"id":"post-%d"}}' % n, b"")]
    desk.site.answers[POST] = PlayedStream(list(posts))

    plan = await videos_of(desk).prepare(REQUEST, with_files(desk.session(), *files))

    urls = (
        "https://assets.grok.com/x/content",
        f"https://assets.grok.com/users/{USER_ID}/f-2/content",
    )
    assert plan == VideoPlan(prompt="a boat", owner=USER_ID, parent_post="post-1", references=urls)
    assert [msgspec.json.decode(request.body) for request in asked(desk)] == [
        {"mediaType": "MEDIA_POST_TYPE_IMAGE", "mediaUrl": url} for url in urls
    ]


async def test_file_without_an_address_cannot_be_a_reference(desk: Desk) -> None:
    desk.user_id = ""
    desk.site.answers[WHOAMI] = answer({})

    with pytest.raises(UpstreamProtocolError) as caught:
        await videos_of(desk).prepare(REQUEST, with_files(desk.session(), UploadedFile("f-1")))

    assert not caught.value.was_sent


async def test_references_are_refused_where_only_the_current_protocol_is_wanted(
    desk: Desk,
) -> None:
    desk.set(video_protocol="current")

    with pytest.raises(UpstreamRejectedError) as caught:
        await videos_of(desk).prepare(REQUEST, with_files(desk.session(), UploadedFile("f-1")))

    assert caught.value.code == "video_not_supported"
    assert asked(desk) == []


@pytest.mark.parametrize(
    ("protocol", "changes"),
    [
        ("current", {"segments": (6, 6)}),
        ("current", {"preset": Preset.SPICY}),
        ("auto", {"segments": (16,)}),
        ("auto", {"segments": (0,)}),
    ],
)
async def test_what_no_protocol_can_do_is_refused_before_anything_is_sent(
    desk: Desk, protocol: str, changes: dict[str, object]
) -> None:
    desk.set(video_protocol=protocol)

    with pytest.raises(UpstreamRejectedError) as caught:
        await videos_of(desk).prepare(msgspec.structs.replace(REQUEST, **changes), desk.session())

    assert not caught.value.was_sent
    assert desk.site.requests == []


async def test_failed_post_leaves_nothing_running(desk: Desk) -> None:
    desk.set(video_protocol="older")
    desk.site.answers[POST] = PlayedStream([b"{}"], status=500)

    with pytest.raises(UpstreamUnavailableError) as caught:
        await videos_of(desk).prepare(REQUEST, desk.session())

    assert not caught.value.was_sent
    assert not caught.value.may_be_running


async def test_stream_is_left_as_soon_as_the_video_is_known(desk: Desk) -> None:
    stream = desk.site.answers[ASK] = PlayedStream([progress(5), DONE, None])

    assert [type(event) for event in await render(desk)] == [VideoStep, VideoMade]
    assert stream.is_closed


async def test_leaving_early_stops_the_transfer(desk: Desk) -> None:
    stream = desk.site.answers[ASK] = PlayedStream([progress(5), None])

    async with rendering(desk) as batches:
        assert await anext(batches)
        assert not stream.is_closed

    assert stream.is_closed


REFUSED = b'{"error":{"code":3,"message":"no"}}'


@pytest.mark.parametrize(
    ("given", "may_be_running"),
    [
        (no_connection("reset"), True),
        (header_timeout(1.0), True),
        (connect_timeout(1.0), False),
        (PlayedStream([REFUSED], status=400), False),
        (PlayedStream([REFUSED], status=401), False),
        (PlayedStream([b""], status=403), False),
        (PlayedStream([no_connection("broke")], status=403), False),
        (PlayedStream([b""], status=404), False),
        (PlayedStream([b"{}"], status=429), False),
        (PlayedStream([b""], status=302, headers={"location": "/sign-in"}), False),
        (PlayedStream([b"{}"], status=500), True),
        (PlayedStream([b"{}"], status=503), True),
        (PlayedStream([b"<html>Just a moment"], status=503), False),
        (PlayedStream([b"<html>cf-chl-"], headers={"content-type": "text/html"}), False),
        (PlayedStream([b"<html>"], headers={"content-type": "text/html"}), True),
    ],
)
async def test_only_a_plain_refusal_means_that_nothing_runs(
    desk: Desk, given: PlayedStream | UpstreamError, *, may_be_running: bool
) -> None:
    desk.site.answers[ASK] = given

    with pytest.raises(UpstreamError) as caught:
        await render(desk)

    assert caught.value.may_be_running is may_be_running


BROKEN = UpstreamUnavailableError("broke", code="upstream_stream_truncated")


@pytest.mark.parametrize(
    ("steps", "code", "may_be_running"),
    [
        ([], "video_incomplete", True),
        ([progress(40)], "video_incomplete", True),
        ([progress(40), BROKEN], "upstream_stream_truncated", True),
        ([progress(40), b'{"error":{"code":8}}'], "rate_limit_exceeded", False),
        ([progress(100, moderated=True)], "content_policy_violation", False),
    ],
)
async def test_what_was_taken_on_may_be_running_unless_the_site_gave_it_up(
    desk: Desk, steps: list[bytes | Exception | None], code: str, *, may_be_running: bool
) -> None:
    desk.site.answers[ASK] = PlayedStream(list(steps))

    with pytest.raises(UpstreamError) as caught:
        await render(desk)

    assert caught.value.code == code
    assert (caught.value.was_sent, caught.value.may_be_running) == (True, may_be_running)


async def test_making_has_an_end_however_lively_it_is(desk: Desk) -> None:
    desk.set(video_timeout_s=10.0)
    desk.site.answers[ASK] = PlayedStream([progress(1), progress(2), None])

    async with rendering(desk) as batches:
        await anext(batches)
        desk.clock.monotonic += 11.0
        with pytest.raises(UpstreamTimeoutError) as caught:
            await anext(batches)

    assert caught.value.may_be_running


async def test_video_that_came_late_is_taken_all_the_same(desk: Desk) -> None:
    desk.set(video_timeout_s=10.0)
    desk.site.answers[ASK] = PlayedStream([progress(1), DONE])

    async with rendering(desk) as batches:
        await anext(batches)
        desk.clock.monotonic += 11.0
        assert isinstance((await anext(batches))[-1], VideoMade)


async def test_asset_lies_with_its_owner(desk: Desk) -> None:
    desk.site.answers[ASK] = PlayedStream([progress(100, assetId="a-1")])

    made = (await render(desk))[-1]

    assert isinstance(made, VideoMade)
    assert made.part.url == f"https://assets.grok.com/users/{USER_ID}/a-1/content"


async def test_errors_of_the_reader_are_not_about_the_video(desk: Desk) -> None:
    desk.site.answers[ASK] = PlayedStream([progress(1)])

    with pytest.raises(UpstreamTimeoutError) as caught:
        async with rendering(desk):
            raise UpstreamTimeoutError("of something else")

    assert not caught.value.may_be_running


async def test_larger_video_is_asked_for_by_its_id(desk: Desk) -> None:
    video_id = "0f0e0d0c-0000-4000-8000-000000000001"
    desk.site.answers[UPSCALE] = answer({"hdMediaUrl": "users/u/hd.mp4"})
    part = VideoPart(url=f"https://assets.grok.com/users/u/generated/{video_id}/x.mp4")

    url = await videos_of(desk).upscale(part, desk.session())

    assert url == "https://assets.grok.com/users/u/hd.mp4"
    assert msgspec.json.decode(desk.site.requests[0].body) == {"videoId": video_id}


async def test_nameless_video_cannot_be_made_larger(desk: Desk) -> None:
    with pytest.raises(UpstreamProtocolError):
        await videos_of(desk).upscale(VideoPart(), desk.session())

    assert desk.site.requests == []


async def test_place_of_a_lost_video_is_known_from_its_ids(desk: Desk) -> None:
    videos, session = videos_of(desk), desk.session()
    desk.user_id = ""
    nameless = desk.session()
    url = f"https://assets.grok.com/users/{USER_ID}/generated/v/generated_video.mp4"

    assert videos.guess_url(VideoPart(video_id="v"), session) == url
    assert videos.guess_url(VideoPart(video_id="v", owner=USER_ID), nameless) == url
    assert videos.guess_url(VideoPart(video_id="v"), nameless) == ""
    assert videos.guess_url(VideoPart(), session) == ""
