"""Pictures from the request to the picture, with the simulator as the site."""

import asyncio
import struct
from collections.abc import Sequence

import pytest
from msgspec import structs

from grok2api.clock import SystemClock
from grok2api.domain.files import InputFile
from grok2api.domain.images import (
    ImageEvent,
    ImageMade,
    ImagePreview,
    ImageRequest,
    ImagesDone,
    ImageStep,
    ImageWay,
    ImageWithheld,
)
from grok2api.errors import (
    AntiBotError,
    ContentRejectedError,
    CredentialRejectedError,
    EgressBlockedError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRateLimitError,
    UpstreamRejectedError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from grok2api.providers.grok_web.files import GrokWebFiles
from grok2api.providers.grok_web.options import ChatTransport, EditForm, GrokWebOptions
from grok2api.providers.grok_web.provider import build_grok_web
from grok2api.providers.session import UpstreamSession
from grok2api.upstream.transport import Timeouts
from tests.conformance.conftest import Counterpart, upstream_session

PHOTO = b"\x89PNG\r\n\x1a\n" + b"a photo"
WAIT_S = 10.0
WAYS = [ImageWay.LITE, ImageWay.SPEED, ImageWay.QUALITY, ImageWay.EDIT]
SOCKET = [ImageWay.SPEED, ImageWay.QUALITY]

both_forms = pytest.mark.parametrize("form", ["current", "older"])
every_way = pytest.mark.parametrize("way", WAYS)


class Studio:
    """Backends in front of the site, which is called by two names to tell its hosts apart."""

    def __init__(self, counterpart: Counterpart) -> None:
        self.own_url = counterpart.site.url
        self.site = counterpart.site
        self.transport = counterpart.transport
        # The site names its public host as it was called itself.
        public = self.site.url.replace("127.0.0.1", "localhost")
        self.options: GrokWebOptions = structs.replace(
            counterpart.options(),
            grok_url=public,
            public_url=public,
            image_timeouts=Timeouts(5.0, 5.0, 5.0),
        )

    def set(self, **changes: object) -> None:
        self.options = structs.replace(self.options, **changes)

    def set_edit_form(self, form: EditForm) -> None:
        # References must lie on the host that is called.
        self.set(edit_form=form, grok_url=self.own_url)

    async def session(self, way: ImageWay, files: Sequence[bytes] = (PHOTO,)) -> UpstreamSession:
        """An account, with what it shall edit."""
        session = upstream_session()
        if way is not ImageWay.EDIT:
            return session
        uploads = GrokWebFiles(self.transport, self.options, SystemClock())
        taken = [
            await uploads.upload(
                InputFile(str(at), f"{at}.png", "image/png", content), session, for_media=True
            )
            for at, content in enumerate(files)
        ]
        return structs.replace(session, attachments=tuple(taken))

    async def make_into(
        self, out: list[ImageEvent], way: ImageWay, prompt: str, **asked: object
    ) -> None:
        request = structs.replace(ImageRequest(model="m", way=way, prompt=prompt), **asked)
        provider = build_grok_web(self.transport, self.options, SystemClock())
        assert provider.images is not None
        async with provider.images.make_images(request, await self.session(way)) as batches:
            async for batch in batches:
                out += batch

    async def make(self, way: ImageWay, prompt: str = "a lighthouse", **asked: object) -> "Made":
        out: list[ImageEvent] = []
        await self.make_into(out, way, prompt, **asked)
        assert out.count(ImagesDone()) == 1
        assert out[-1] == ImagesDone()
        return Made(out)

    async def fail(self, way: ImageWay, directive: str, **asked: object) -> UpstreamError:
        with pytest.raises(UpstreamError) as caught:
            await self.make_into([], way, f"x [[sim: {directive}]]", **asked)
        return caught.value

    async def wait_for_calls(self, count: int) -> None:
        """Wait until the site is at work on so many calls."""
        async with asyncio.timeout(WAIT_S):
            while (await self.site.page("one"))["open"] != count:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def check_rules(self) -> None:
        """Fail if the site found anything wrong."""
        assert (await self.site.page("one"))["violations"] == []


class Made:
    """The events of a request, sorted."""

    def __init__(self, events: list[ImageEvent]) -> None:
        self.events = events
        self.pictures = [event for event in events if isinstance(event, ImageMade)]
        self.previews = [event for event in events if isinstance(event, ImagePreview)]
        self.steps = [event for event in events if isinstance(event, ImageStep)]


@pytest.fixture
async def studio(counterpart: Counterpart) -> Studio:
    return Studio(counterpart)


def is_picture(content: bytes) -> bool:
    return content.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"))


def width_of(content: bytes) -> tuple[int, int]:
    """Return width and height of a JPEG."""
    at = 2
    while content[at + 1] != 0xC0:
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    height, width = struct.unpack(">HH", content[at + 5 : at + 9])
    return width, height


@every_way
async def test_every_way_makes_a_picture_and_breaks_no_rule(studio: Studio, way: ImageWay) -> None:
    made = await studio.make(way)

    assert [picture.slot for picture in made.pictures] == [0]
    assert is_picture(made.pictures[0].content)
    assert made.pictures[0].url.startswith("http://")
    assert made.previews == []
    percents = [step.percent for step in made.steps]
    assert percents == sorted(set(percents))
    assert all(0 <= percent < 100 for percent in percents)
    await studio.check_rules()


@pytest.mark.parametrize("way", SOCKET)
async def test_many_pictures_come_in_their_slots(studio: Studio, way: ImageWay) -> None:
    made = await studio.make(way, n=10)

    assert sorted(picture.slot for picture in made.pictures) == list(range(10))
    assert len({picture.content for picture in made.pictures}) == 10
    await studio.check_rules()


async def test_ratio_reaches_the_site(studio: Studio) -> None:
    wide = await studio.make(ImageWay.SPEED, aspect_ratio="16:9")
    edited = await studio.make(ImageWay.EDIT, aspect_ratio="9:16")

    for made, is_wide in ((wide, True), (edited, False)):
        width, height = width_of(made.pictures[0].content)
        assert (width > height) is is_wide
    await studio.check_rules()


@pytest.mark.parametrize("way", [ImageWay.SPEED, ImageWay.EDIT])
@pytest.mark.parametrize(("wanted", "shown"), [(1, 1), (3, 2)])
async def test_pictures_so_far_are_shown(
    studio: Studio, way: ImageWay, wanted: int, shown: int
) -> None:
    made = await studio.make(way, previews=wanted)

    assert len(made.previews) == shown
    assert all(is_picture(preview.content) for preview in made.previews)
    await studio.check_rules()


@pytest.mark.parametrize(
    "directive",
    [
        "completed_first",
        "final_in=completed",
        "ids=url",
        "blob=unpadded",
        "blob=data_uri",
        "blob=none",
        "image_url=false",
        "final_percent=false",
        "extra=2",
        "unknown; binary; garbage",
        "previews=0",
        "image_bytes=6000000",
        "completed_first; blob=none; ids=url",
    ],
)
@pytest.mark.parametrize("n", [1, 3])
async def test_every_turn_of_the_socket_is_understood(
    studio: Studio, directive: str, n: int
) -> None:
    made = await studio.make(ImageWay.SPEED, f"x [[sim: {directive}]]", n=n)

    assert sorted(picture.slot for picture in made.pictures) == list(range(n))
    assert all(is_picture(picture.content) for picture in made.pictures)
    assert len({picture.content for picture in made.pictures}) == n
    await studio.check_rules()


async def test_message_may_hold_a_large_picture_but_not_any(studio: Studio) -> None:
    made = await studio.make(ImageWay.SPEED, "x [[sim: previews=0; image_bytes=20000000]]")
    error = await studio.fail(ImageWay.SPEED, "huge")

    assert len(made.pictures[0].content) >= 20_000_000
    assert (error.code, error.is_final) == ("upstream_frame_too_large", True)


async def test_site_that_tells_no_states_is_understood(studio: Studio) -> None:
    studio.set(image_final_timeout_s=0.3)

    made = await studio.make(ImageWay.SPEED, "x [[sim: states=false]]", n=2)

    assert len(made.pictures) == 2
    await studio.check_rules()


async def test_blocked_picture_may_be_tried_elsewhere(studio: Studio) -> None:
    studio.set(image_final_timeout_s=0.3)

    error = await studio.fail(ImageWay.SPEED, "states=false; silence_after=2")

    assert (type(error), error.code) == (UpstreamUnavailableError, "image_blocked")
    assert not error.is_final


async def test_public_host_never_sees_a_cookie(studio: Studio) -> None:
    """The site notes a violation for every cookie that comes to that host."""
    made = await studio.make(ImageWay.SPEED, "x [[sim: blob=none]]", n=2)

    assert all("//localhost:" in picture.url for picture in made.pictures)
    page = await studio.site.page("one")
    assert (page["downloads"], page["violations"]) == (2, [])


@pytest.mark.parametrize("way", [ImageWay.SPEED, ImageWay.EDIT])
async def test_withheld_picture_is_the_content_rules_answer(studio: Studio, way: ImageWay) -> None:
    error = await studio.fail(way, "moderated=2")

    assert (type(error), error.code) == (ContentRejectedError, "content_policy_violation")


async def test_lite_picture_that_is_withheld_is_the_content_rules_answer(studio: Studio) -> None:
    error = await studio.fail(ImageWay.LITE, "images=2; moderated=2")

    assert (type(error), error.code) == (ContentRejectedError, "content_policy_violation")


async def test_some_withheld_are_too_few(studio: Studio) -> None:
    out: list[ImageEvent] = []

    with pytest.raises(UpstreamProtocolError) as caught:
        await studio.make_into(out, ImageWay.SPEED, "x [[sim: moderated_slots=1]]", n=3)

    assert (caught.value.code, caught.value.is_final) == ("image_generation_incomplete", True)
    assert "2 of 3" in caught.value.message
    assert ImageWithheld(1) in out


FAULTS = [
    ("bad_credentials", CredentialRejectedError),
    ("moderated", ContentRejectedError),
    ("anti_bot", AntiBotError),
    ("rate_limited", UpstreamRateLimitError),
    ("challenge", EgressBlockedError),
    ("empty_403", EgressBlockedError),
    ("server_error", UpstreamUnavailableError),
    ("bad_request", UpstreamRejectedError),
    ("reset", UpstreamUnavailableError),
]


@pytest.mark.parametrize(("fault", "expected"), FAULTS)
@pytest.mark.parametrize("way", [ImageWay.SPEED, ImageWay.EDIT])
async def test_refusal_has_its_meaning(
    studio: Studio, way: ImageWay, fault: str, expected: type[UpstreamError]
) -> None:
    target = "imagine" if way is ImageWay.SPEED else "edit"
    await studio.site.script(f"fault={fault}", target=target)

    with pytest.raises(UpstreamError) as caught:
        await studio.make_into([], way, "x")

    assert type(caught.value) is expected


@pytest.mark.parametrize(
    ("directive", "expected"),
    [
        ("error=rate_limited", UpstreamRateLimitError),
        ("error=moderated", ContentRejectedError),
        ("error=server_error", UpstreamUnavailableError),
    ],
)
@every_way
async def test_error_within_has_its_meaning(
    studio: Studio, way: ImageWay, directive: str, expected: type[UpstreamError]
) -> None:
    assert type(await studio.fail(way, directive)) is expected


async def test_silence_of_the_socket_is_a_timeout(studio: Studio) -> None:
    studio.set(image_timeouts=Timeouts(5.0, 0.2, 5.0))

    assert isinstance(
        await studio.fail(ImageWay.SPEED, "stall_first_ms=60000"), UpstreamTimeoutError
    )


@both_forms
@pytest.mark.parametrize("result", ["all", "stream", "model_response", "markdown"])
async def test_results_of_edits_are_found(studio: Studio, form: EditForm, result: str) -> None:
    studio.set_edit_form(form)

    made = await studio.make(ImageWay.EDIT, f"x [[sim: result={result}]]")

    assert is_picture(made.pictures[0].content)
    await studio.check_rules()


@both_forms
async def test_two_edits_are_two_pictures(studio: Studio, form: EditForm) -> None:
    studio.set_edit_form(form)

    made = await studio.make(ImageWay.EDIT, n=2)

    assert [picture.slot for picture in made.pictures] == [0, 1]
    assert len({picture.content for picture in made.pictures}) == 2
    await studio.check_rules()


async def test_older_edits_work_with_older_uploads(studio: Studio) -> None:
    studio.set_edit_form("older")
    studio.set(upload_form="json")

    made = await studio.make(ImageWay.EDIT, "make @IMAGE1 green")

    assert is_picture(made.pictures[0].content)
    page = await studio.site.page("one")
    (file_id,) = page["files"]
    assert page["submissions"][0]["prompt"] == f"make @{file_id} green"
    assert page["violations"] == []


@both_forms
async def test_edit_without_a_result_says_so(studio: Studio, form: EditForm) -> None:
    studio.set_edit_form(form)

    error = await studio.fail(ImageWay.EDIT, "result=none; previews=0")

    assert error.code == "image_edit_incomplete"


@pytest.mark.parametrize("protocol", ["http", "websocket"])
async def test_lite_pictures_come_over_both_protocols(
    studio: Studio, protocol: ChatTransport
) -> None:
    studio.set(chat_transport=protocol)

    made = await studio.make(ImageWay.LITE)

    assert is_picture(made.pictures[0].content)
    await studio.check_rules()


@pytest.mark.parametrize("way", [ImageWay.SPEED, ImageWay.LITE, ImageWay.EDIT])
async def test_client_that_leaves_stops_the_site(studio: Studio, way: ImageWay) -> None:
    async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as group:
        seen: list[ImageEvent] = []
        slow = "x [[sim: delay_ms=30000; images=1]]"
        task = group.create_task(studio.make_into(seen, way, slow))
        await studio.wait_for_calls(1)
        task.cancel()

    assert studio.transport.sessions.active == 0
    await studio.wait_for_calls(0)


async def test_what_an_account_keeps_is_listed_fetched_and_deleted(studio: Studio) -> None:
    session = await studio.session(ImageWay.EDIT, [PHOTO, PHOTO + b"2"])
    assets = build_grok_web(studio.transport, studio.options, SystemClock()).assets
    assert assets is not None

    page = await assets.list_page(session)
    async with assets.download(session.attachments[0].url, session) as opened:
        content = b"".join([chunk async for chunk in opened.chunks()])
    for asset in page.assets:
        await assets.delete(asset.id, session)
    await assets.delete(page.assets[0].id, session)

    assert (len(page.assets), content, opened.media_type) == (2, PHOTO, "image/png")
    assert (await assets.list_page(session)).assets == ()
    await studio.check_rules()
