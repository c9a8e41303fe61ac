"""What the stream of a video says, in whatever pieces and by whatever names it says so."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, strategies as st

from grok2api.domain.video import VideoEvent, VideoMade, VideoPart, VideoStep
from grok2api.errors import (
    AntiBotError,
    ContentRejectedError,
    CredentialRejectedError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRateLimitError,
    UpstreamUnavailableError,
)
from grok2api.providers.grok_web.codec.video_decoder import VideoDecoder

ASSETS = "https://assets.grok.com"
USER = "00000000-0000-4000-8000-000000000001"
PATH = "users/u-1/generated/vid-1/generated_video.mp4"
URL = f"{ASSETS}/{PATH}"


def frame(**members: object) -> bytes:
    return msgspec.json.encode({"result": {"response": members}}) + b"\n"


def progress(percent: object, **members: object) -> bytes:
    known = {"videoId": "vid-1", "progress": percent, "videoPostId": "post-9", **members}
    return frame(streamingVideoGenerationResponse=known)


def part(asset_id: str = "", url: str = "", owner: str = "") -> VideoPart:
    return VideoPart(owner=owner, video_id="vid-1", post_id="post-9", asset_id=asset_id, url=url)


def read(*pieces: bytes, owner: str = "") -> tuple[list[VideoEvent], VideoDecoder]:
    decoder = VideoDecoder(assets_url=ASSETS, owner=owner)
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + decoder.close(), decoder


def error_of(*pieces: bytes, owner: str = "") -> UpstreamError:
    events, decoder = read(*pieces, owner=owner)
    assert not any(isinstance(event, VideoMade) for event in events)
    assert decoder.error is not None
    return decoder.error


TRANSCRIPT = b"".join(
    (
        b'{"result":{"conversation":{"conversationId":"conv-1"}}}\n',
        progress(1, resolutionName="720p"),
        progress(95),
        progress(
            100,
            assetId="vid-1",
            videoUrl=PATH,
            thumbnailImageUrl="users/u-1/generated/vid-1/preview_image.jpg",
            moderated=False,
        ),
        frame(token="I generated a video", isSoftStop=True),
    )
)
SAID: list[VideoEvent] = [
    VideoStep(1, part()),
    VideoStep(95, part()),
    VideoMade(part("vid-1", URL)),
]


def test_transcript_is_progress_and_then_the_video() -> None:
    events, decoder = read(TRANSCRIPT)

    assert events == SAID
    assert decoder.is_over
    assert decoder.error is None
    assert decoder.unknown_frames == 0


@given(st.lists(st.integers(0, len(TRANSCRIPT))))
def test_any_split_gives_the_same_events(cuts: list[int]) -> None:
    bounds = [0, *sorted(cuts), len(TRANSCRIPT)]

    pieces = [TRANSCRIPT[a:b] for a, b in pairwise(bounds)]

    assert read(*pieces)[0] == SAID


@pytest.mark.parametrize(
    "text",
    [
        TRANSCRIPT.replace(b"\n", b""),
        b"".join(b"data: " + line + b"\n\n" for line in TRANSCRIPT.splitlines()),
        TRANSCRIPT.replace(b"\n", b"\r\n") + b"data: [DONE]\n",
    ],
)
def test_any_framing_gives_the_same_events(text: bytes) -> None:
    assert read(text)[0] == SAID


@pytest.mark.parametrize(
    "name",
    ["videoUrl", "contentUrl", "contentURL", "assetUrl", "assetURL", "fileUri", "fileURL"],
)
@pytest.mark.parametrize("value", [PATH, URL, f"{PATH}?x=1", "a/B.MP4", "users/u/f/content"])
def test_video_is_found_under_any_of_its_names(name: str, value: str) -> None:
    made = read(progress(40, **{name: value}))[0][-1]

    assert isinstance(made, VideoMade)
    assert made.part.url.startswith(f"{ASSETS}/")


@pytest.mark.parametrize(
    "value",
    ["users/u/preview_image.jpg", "", None, 5, "../x.mp4", "http://a b/x.mp4", "ftp://x.mp4"],
)
def test_other_addresses_are_no_video(value: object) -> None:
    assert error_of(progress(100, videoUrl=value)).code == "video_incomplete"


@pytest.mark.parametrize("files", [[PATH], ["thumb.jpg", PATH], [None, PATH]])
def test_attachments_may_be_all_that_names_the_video(files: list[object]) -> None:
    events, _ = read(progress(50), frame(modelResponse={"fileAttachments": files}))

    assert events == [VideoStep(50, part()), VideoMade(part(url=URL))]


def test_first_attachment_is_an_asset_where_none_is_an_address() -> None:
    stream = frame(modelResponse={"fileAttachments": ["file-1", "file-2"]})

    assert read(stream, owner=USER)[0] == [
        VideoMade(
            VideoPart(owner=USER, asset_id="file-1", url=f"{ASSETS}/users/{USER}/file-1/content")
        )
    ]


def test_asset_of_a_known_owner_is_enough() -> None:
    events, _ = read(progress(100, assetId="asset-1"), owner=USER)

    assert events == [
        VideoStep(100, part("asset-1", owner=USER)),
        VideoMade(part("asset-1", f"{ASSETS}/users/{USER}/asset-1/content", USER)),
    ]


def test_asset_of_an_unknown_owner_is_no_video() -> None:
    assert error_of(progress(100, assetId="asset-1")).code == "video_incomplete"


@pytest.mark.parametrize(
    "stream",
    [
        progress(99, assetId="asset-1"),
        progress(100),
        progress(100, assetId="asset-1", moderated=True),
        progress(100, assetId="asset-1") + b'{"result"',
    ],
)
def test_asset_that_may_not_be_finished_is_no_video(stream: bytes) -> None:
    error_of(stream, owner=USER)


def test_withheld_video_is_refused_content() -> None:
    error = error_of(
        progress(99),
        progress(100, assetId="vid-1", videoUrl=PATH, moderated=True),
        frame(modelResponse={"fileAttachments": [PATH]}),
        owner=USER,
    )

    assert type(error) is ContentRejectedError


def test_verdict_stands_until_another_one() -> None:
    bad = progress(100, videoUrl=PATH, moderated=True)

    assert type(error_of(bad, progress(100))) is ContentRejectedError
    assert error_of(bad, progress(100, moderated=False)).code == "video_incomplete"
    assert read(bad, progress(100, videoUrl=PATH))[0][-1] == VideoMade(part(url=URL))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"code": 7, "message": "Request rejected by anti-bot rules."}, AntiBotError),
        ({"code": 8, "message": "Too many requests"}, UpstreamRateLimitError),
        ({"message": "usage limit"}, UpstreamRateLimitError),
        ({"code": 16, "message": "bad-credentials"}, CredentialRejectedError),
        ({"code": "content-moderated", "message": "rejected"}, ContentRejectedError),
        ({"code": 13, "message": "boom"}, UpstreamUnavailableError),
        ("boom", UpstreamUnavailableError),
    ],
)
def test_error_in_the_stream_ends_it(error: object, expected: type[UpstreamError]) -> None:
    envelope = frame(modelResponse={"streamErrors": [error], "fileAttachments": [PATH]})
    after = progress(100, videoUrl=PATH)
    for failed in (msgspec.json.encode({"error": error}), frame(error=error), envelope):
        events, decoder = read(progress(30), failed, after)

        assert events == [VideoStep(30, part())]
        assert type(decoder.error) is expected


@pytest.mark.parametrize("stream", [b"", b"\n", b"{}", progress(99), b"data: [DONE]\n"])
def test_end_without_a_video_is_incomplete(stream: bytes) -> None:
    error = error_of(stream)

    assert type(error) is UpstreamProtocolError
    assert error.code == "video_incomplete"


def test_end_inside_an_object_is_a_broken_stream() -> None:
    assert error_of(TRANSCRIPT[:300]).code == "upstream_stream_truncated"


def test_endless_object_is_given_up() -> None:
    decoder = VideoDecoder(assets_url=ASSETS, limit_bytes=100)

    assert decoder.feed(b'{"a":"' + b"x" * 200) == []
    assert decoder.is_ended
    assert decoder.close() == []
    assert decoder.error is not None
    assert decoder.error.code == "upstream_frame_too_large"


def test_progress_never_goes_back_and_is_not_repeated() -> None:
    events, _ = read(*(progress(value) for value in (5, 5, 3, 7, 900, -1, "x", None)))

    assert [event.percent for event in events if isinstance(event, VideoStep)] == [5, 7, 100]


def test_ids_are_news_before_there_is_progress() -> None:
    decoder = VideoDecoder(assets_url=ASSETS)

    assert decoder.feed(progress(None)) == [VideoStep(0, part())]
    assert decoder.feed(progress(0)) == []


def test_ids_of_two_videos_are_not_mixed() -> None:
    events, _ = read(
        progress(50, assetId="a"),
        progress(60, videoId="vid-2", videoPostId="post-2"),
        progress(100, videoId="vid-2", videoUrl=PATH, videoPostId=None),
        owner=USER,
    )

    assert events[1:] == [
        VideoStep(60, VideoPart(owner=USER, video_id="vid-2", post_id="post-2")),
        VideoMade(VideoPart(owner=USER, video_id="vid-2", post_id="post-2", url=URL)),
    ]


@pytest.mark.parametrize(
    "odd",
    [
        b'{"result":null}',
        b'{"result":5}',
        b'{"other":1}',
        b'{"result":{"response":[]}}',
        frame(streamingVideoGenerationResponse="x"),
        frame(modelResponse={"fileAttachments": {"a": 1}, "streamErrors": "x"}),
        frame(modelResponse={"streamErrors": [{}, ""]}),
        frame(streamingVideoGenerationResponse={"videoUrl": [PATH], "progress": True}),
        b"{broken}",
    ],
)
def test_odd_frames_cost_nothing(odd: bytes) -> None:
    assert read(odd, TRANSCRIPT)[0][-1] == SAID[-1]


@given(st.binary())
def test_no_bytes_break_the_decoder(data: bytes) -> None:
    decoder = VideoDecoder(assets_url=ASSETS, owner=USER)
    decoder.feed(data)
    decoder.close()

    assert decoder.is_over
