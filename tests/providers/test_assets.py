"""Files from grok.com: tried again while that helps, bounded, and checked before they count."""

import msgspec
import pytest

from grok2api.errors import CredentialRejectedError, UpstreamError, UpstreamUnavailableError
from grok2api.providers.grok_web import assets as assets_module
from grok2api.providers.grok_web.assets import GrokWebAssets
from tests.providers.conftest import TOKEN, Desk, PlayedSite, PlayedStream

URL = "https://assets.grok.com/users/u/x/content"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets_module, "PAUSES_S", (0.0, 0.0))


class Answers(dict[str, PlayedStream | Exception]):
    """Answers of one address, one after the other; the last one stays."""

    def __init__(self, *answers: PlayedStream | Exception) -> None:
        super().__init__()
        self._left = list(answers)

    def __getitem__(self, url: str) -> PlayedStream | Exception:
        assert url == URL
        return self._left.pop(0) if len(self._left) > 1 else self._left[0]


def file(*pieces: bytes, **headers: str) -> PlayedStream:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return PlayedStream(list(pieces), headers={"content-type": "image/png", **named})


def status(code: int, body: bytes = b"") -> PlayedStream:
    return PlayedStream([body], status=code)


async def fetch(desk: Desk, *answers: PlayedStream | Exception) -> bytes:
    desk.site.answers = Answers(*answers)
    assets = GrokWebAssets(desk.site, desk.options, desk.clock)
    return await assets.fetch_image("users/u/x/content", desk.session())


async def fail(desk: Desk, *answers: PlayedStream | Exception) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await fetch(desk, *answers)
    assert caught.value.is_final
    assert TOKEN not in repr(caught.value.__dict__)
    return caught.value


@pytest.mark.parametrize("code", [403, 408, 425, 429, 500, 503])
async def test_what_passes_is_tried_three_times(desk: Desk, code: int) -> None:
    assert await fetch(desk, status(code), status(code), file(PNG)) == PNG
    assert len(desk.site.requests) == 3


async def test_lost_connection_is_tried_again(desk: Desk) -> None:
    lost = UpstreamUnavailableError("lost", code="upstream_network_error")

    assert await fetch(desk, lost, file(PNG)) == PNG


async def test_three_times_is_enough(desk: Desk) -> None:
    error = await fail(desk, status(503))

    assert (error.code, error.status) == ("asset_unavailable", 503)
    assert len(desk.site.requests) == 3


@pytest.mark.parametrize(
    "answer",
    [
        status(404),
        status(302),
        file(b"<html>"),
        file(b'{"error":1}'),
        file(b""),
        file(PNG, content_type="text/plain"),
    ],
)
async def test_what_stays_is_not_tried_again(desk: Desk, answer: PlayedStream) -> None:
    error = await fail(desk, answer)

    assert error.code == "asset_unavailable"
    assert len(desk.site.requests) == 1
    assert answer.is_closed


async def test_dead_session_is_told_as_such(desk: Desk) -> None:
    error = await fail(desk, status(401))

    assert isinstance(error, CredentialRejectedError)
    assert len(desk.site.requests) == 1


async def test_file_in_pieces_is_put_together(desk: Desk) -> None:
    assert await fetch(desk, file(PNG, b"more", b"and more")) == PNG + b"moreand more"


@pytest.mark.parametrize(
    "answer", [file(PNG, content_length="1000"), file(PNG, bytes(100)), file(bytes(101))]
)
async def test_no_file_is_larger_than_allowed(desk: Desk, answer: PlayedStream) -> None:
    desk.set(image_max_bytes=100)

    assert (await fail(desk, answer)).code == "asset_unavailable"
    assert answer.is_closed


async def test_file_that_breaks_off_is_no_file(desk: Desk) -> None:
    stream = file(PNG)
    stream.steps.append(UpstreamUnavailableError("lost", code="upstream_stream_truncated"))

    await fail(desk, stream)

    assert len(desk.site.requests) == 1


async def test_file_that_hangs_is_given_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets_module, "FETCH_TIMEOUT_S", 0.02)
    stream = file(PNG)
    stream.steps.append(None)

    assert (await fail(desk, stream)).code == "asset_unavailable"
    assert stream.is_closed


async def test_foreign_host_is_not_even_asked(desk: Desk) -> None:
    assets = GrokWebAssets(desk.site, desk.options, desk.clock)

    with pytest.raises(UpstreamUnavailableError):
        await assets.fetch_image("https://evil.example/x.png", desk.session())

    assert desk.site.requests == []


async def test_videos_have_a_limit_of_their_own(desk: Desk) -> None:
    desk.set(image_max_bytes=1, video_max_bytes=100)
    desk.site.answers = Answers(file(bytes(50), bytes(50), content_type="video/mp4"))
    assets = GrokWebAssets(desk.site, desk.options, desk.clock)

    async with assets.download(URL, desk.session(), is_video=True) as opened:
        sizes = [len(chunk) async for chunk in opened.chunks()]

    assert (opened.media_type, sizes) == ("video/mp4", [50, 50])


async def test_list_may_be_long(desk: Desk) -> None:
    entries = [{"assetId": f"a-{at}", "note": "x" * 4000} for at in range(50)]
    body = msgspec.json.encode({"assets": entries, "nextPageToken": "next"})
    desk.site = AnyAddress(PlayedStream([body]))
    assets = GrokWebAssets(desk.site, desk.options, desk.clock)

    page = await assets.list_page(desk.session(), "token")

    assert (len(page.assets), page.next_token) == (50, "next")
    assert dict(desk.site.requests[0].headers)["Referer"] == "https://grok.com/files"


class AnyAddress(PlayedSite):
    """A site that has one answer for whatever is asked."""

    def __init__(self, answer: PlayedStream) -> None:
        super().__init__()

        class Always(dict[str, PlayedStream | Exception]):
            def __getitem__(self, url: str) -> PlayedStream | Exception:
                return answer

        self.answers = Always()
