"""Edits of pictures as requests in both forms, and what their stream tells."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from grok2api.errors import (
    ContentRejectedError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRateLimitError,
)
from grok2api.providers.grok_web.codec.edit_decoder import EditDecoder, EditStep
from grok2api.providers.grok_web.codec.edits import (
    Post,
    current_edit,
    edit_turn,
    older_edit,
    older_prompt,
    picture_post,
    post_page,
    read_post,
    replace_mentions,
)
from grok2api.providers.grok_web.codec.picture_urls import scan
from grok2api.providers.session import UploadedFile

ASSETS = "https://assets.grok.com"
USER = "00000000-0000-4000-8000-000000000001"
FILES = tuple(UploadedFile(f"file-{at}", f"{ASSETS}/users/u/file-{at}/content") for at in (1, 2))
Loose = dict[str, Any]


def streamed(index: int | None, percent: int, name: str = "e", **changes: Any) -> Loose:
    part = "" if percent == 100 else "-part-0"
    said: Loose = {
        "imageUrl": f"users/u-1/generated/{name}-{index}{part}/image.jpg",
        "progress": percent,
        "assetId": f"{name}-{index}",
    }
    if index is not None:
        said["imageIndex"] = index
    return response(streamingImageGenerationResponse={**said, **changes})


def response(**members: Any) -> Loose:
    return {"result": {"response": members}}


def envelope(**members: Any) -> Loose:
    return response(modelResponse=members)


def url_of(name: str) -> str:
    return f"{ASSETS}/users/u-1/generated/{name}/image.jpg"


def encode(*frames: Loose) -> bytes:
    return b"\n".join(msgspec.json.encode(frame) for frame in frames)


def read(*frames: Loose, by_asset: bool = False, user_id: str = USER) -> EditDecoder:
    decoder = EditDecoder(ASSETS, user_id, by_asset=by_asset)
    decoder.feed(encode(*frames))
    decoder.close()
    assert decoder.error is None
    return decoder


def fail(*frames: Loose) -> UpstreamError:
    decoder = EditDecoder(ASSETS, USER, by_asset=False)
    decoder.feed(encode(*frames))
    assert decoder.error is not None
    assert decoder.is_over
    return decoder.error


@pytest.mark.parametrize("ratio", ["", "1:1"])
def test_current_form_has_the_six_members_of_the_page(ratio: str) -> None:
    told = msgspec.json.decode(current_edit("make @IMAGE2 green", FILES, ratio))

    assert told == {
        "modelName": "imagine-image-edit",
        "message": "make image 2 green",
        "enableImageStreaming": True,
        "enableSideBySide": True,
        "sendFinalMetadata": True,
        "mediaGenInput": {
            "imageToImage": {
                "prompt": "make image 2 green",
                "inputAssets": ["file-1", "file-2"],
                **({"aspectRatio": ratio} if ratio else {}),
            }
        },
    }


@pytest.mark.parametrize("ratio", ["", "16:9"])
def test_older_form_names_the_post_and_the_places_of_pictures(ratio: str) -> None:
    told = msgspec.json.decode(older_edit(Post("post-1", "green"), FILES, ratio))

    config = {
        "imageReferences": [file.url for file in FILES],
        "parentPostId": "post-1",
        **({"aspectRatio": ratio} if ratio else {}),
    }
    assert told == {
        "temporary": True,
        "modelName": "imagine-image-edit",
        "message": "green",
        "enableImageGeneration": True,
        "returnImageBytes": False,
        "returnRawGrokInXaiRequest": False,
        "enableImageStreaming": True,
        "imageGenerationCount": 2,
        "forceConcise": False,
        "enableSideBySide": True,
        "sendFinalMetadata": True,
        "isReasoning": False,
        "disableTextFollowUps": True,
        "responseMetadata": {
            "modelConfigOverride": {
                "modelMap": {"imageEditModel": "imagine", "imageEditModelConfig": config}
            }
        },
        "disableMemory": True,
        "forceSideBySide": False,
    }


def test_older_form_keeps_the_last_seven_pictures() -> None:
    files = [UploadedFile(f"f{at}", f"https://a/{at}") for at in range(9)]

    told = msgspec.json.decode(older_edit(Post("p", "x"), files, ""))

    override = told["responseMetadata"]["modelConfigOverride"]["modelMap"]
    kept = override["imageEditModelConfig"]["imageReferences"]
    assert kept == [f"https://a/{at}" for at in range(2, 9)]


def test_older_form_needs_to_know_where_a_picture_lies() -> None:
    with pytest.raises(UpstreamProtocolError):
        older_edit(Post("p", "x"), [UploadedFile("f")], "")


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("@IMAGE1 and @image2", "@file-1 and @file-2"),
        ("@IMAGE3 @IMAGE0 @IMAGE12 @IMAGE", "@IMAGE3 @IMAGE0 @IMAGE12 @IMAGE"),
        ("@IMAGE1@Image1", "@file-1@file-1"),
        ("no names", "no names"),
    ],
)
def test_older_prompt_names_pictures_by_their_ids(prompt: str, said: str) -> None:
    assert older_prompt(prompt, FILES) == said


@given(st.text())
def test_prompt_without_names_stays(prompt: str) -> None:
    assert replace_mentions(prompt, []) == prompt


def test_post_is_asked_for_and_understood() -> None:
    asked = picture_post("https://g", (), "green")

    assert asked.url == "https://g/rest/media/post/create"
    assert msgspec.json.decode(asked.body) == {
        "mediaType": "MEDIA_POST_TYPE_IMAGE",
        "prompt": "green",
    }
    assert read_post(b'{"post":{"id":"p","originalPrompt":"o","prompt":"q"}}', "x") == Post(
        "p", "o"
    )
    assert read_post(b'{"post":{"id":"p","prompt":"q"}}', "x") == Post("p", "q")
    assert read_post(b'{"post":{"id":"p"}}', "x") == Post("p", "x")
    assert post_page(Post("a/b", "")) == "/imagine/post/a%2Fb"
    assert edit_turn("https://g", (), b"x").url == "https://g/rest/app-chat/conversations/new"


@pytest.mark.parametrize("body", [b"", b"[]", b'{"post":{"id":""}}'])
def test_post_without_an_id_is_not_understood(body: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        read_post(body, "x")


STREAM = encode(
    streamed(1, 50),
    streamed(0, 50),
    streamed(0, 30),
    streamed(1, 100),
    streamed(0, 100),
    envelope(generatedImageUrls=["users/u-1/generated/e-0/image.jpg"], message="Done"),
    response(finalMetadata={}),
)


@given(st.data())
def test_any_split_of_the_bytes_tells_the_same(data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(STREAM)), max_size=6)))
    decoder = EditDecoder(ASSETS, "", by_asset=False)

    steps = [
        step
        for start, end in zip([0, *cuts], [*cuts, len(STREAM)], strict=True)
        for step in decoder.feed(STREAM[start:end])
    ]

    assert steps == [EditStep(1, 50, url_of("e-1-part-0")), EditStep(0, 50, url_of("e-0-part-0"))]
    assert decoder.is_over
    assert decoder.results == (url_of("e-0"), url_of("e-1"))


def test_results_stand_in_the_order_of_their_index() -> None:
    assert read(streamed(1, 100), streamed(0, 100)).results == (url_of("e-0"), url_of("e-1"))


def test_older_results_are_addressed_by_asset() -> None:
    assert read(streamed(0, 100), by_asset=True).results == (f"{ASSETS}/users/{USER}/e-0/content",)
    assert read(streamed(0, 100), by_asset=True, user_id="").results == (url_of("e-0"),)


def test_final_may_be_said_in_words() -> None:
    assert read(streamed(0, 60, isFinal=True)).results == (url_of("e-0-part-0"),)


@pytest.mark.parametrize(
    ("members", "names"),
    [
        ({"generatedImageUrls": ["users/u-1/generated/e-7/image.jpg"]}, ["generated/e-7"]),
        ({"fileAttachments": ["e-7"]}, ["e-7/content"]),
        (
            {
                "fileAttachments": ["e-7"],
                "generatedImageUrls": ["users/u-1/generated/e-7/image.jpg"],
            },
            ["generated/e-7"],
        ),
        ({"message": "![image](users/u-1/generated/e-7/image.jpg)"}, ["generated/e-7"]),
        (
            {"cardAttachmentsJson": ['{"a":["/users/u-1/generated/e-7/image.jpg"]}']},
            ["generated/e-7"],
        ),
        (
            {"deep": {"er": '{"imageUrl":"users/u-1/e-7/content","progress":100,"/generated/":1}'}},
            ["e-7/content"],
        ),
        ({"deep": "users/u-1/generated/e-7-part-0/image.jpg"}, []),
        ({"message": "/generated/ is a folder"}, []),
    ],
)
def test_results_are_found_wherever_they_stand(members: Loose, names: list[str]) -> None:
    results = read(envelope(**members)).results

    assert len(results) == len(names)
    assert all(name in url for name, url in zip(names, results, strict=True))


def test_what_the_envelope_names_fills_what_is_missing() -> None:
    named = ["users/u-1/generated/e-0/image.jpg", "users/u-1/generated/e-1/image.jpg"]

    results = read(streamed(0, 100), envelope(generatedImageUrls=named)).results

    assert results == (url_of("e-0"), url_of("e-1"))


def test_withheld_picture_is_no_result_however_it_is_named() -> None:
    decoder = read(
        streamed(0, 100, moderated=True),
        envelope(
            generatedImageUrls=["users/u-1/generated/e-0/image.jpg"],
            fileAttachments=["e-0"],
            message="![image](users/u-1/generated/e-0/image.jpg)",
        ),
    )

    assert decoder.has_withheld
    assert decoder.results == ()


def test_cards_count_as_well() -> None:
    card = {"image_chunk": {"imageUuid": "a", "imageUrl": "users/u-1/generated/a/i.jpg"}}
    done = {**card["image_chunk"], "progress": 100}

    decoder = EditDecoder(ASSETS, "", by_asset=False)
    steps = decoder.feed(
        encode(
            response(cardAttachment={"jsonData": {"image_chunk": {**done, "progress": 20}}}),
            response(
                cardAttachment={"jsonData": msgspec.json.encode({"image_chunk": done}).decode()}
            ),
        )
    )

    assert [(step.index, step.percent) for step in steps] == [(0, 20)]
    assert decoder.results == (f"{ASSETS}/users/u-1/generated/a/i.jpg",)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        ({"error": {"code": 8, "message": "Too many requests"}}, UpstreamRateLimitError),
        (response(error={"code": "content-moderated"}), ContentRejectedError),
        (envelope(streamErrors=[{"message": "usage limit"}]), UpstreamRateLimitError),
    ],
)
def test_errors_in_the_stream_have_their_meaning(
    frame: Loose, expected: type[UpstreamError]
) -> None:
    assert type(fail(streamed(0, 50), frame)) is expected


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    )
)
def test_odd_frames_break_nothing(value: object) -> None:
    names = ("streamingImageGenerationResponse", "modelResponse", "cardAttachment", "token")
    for name in names:
        decoder = EditDecoder(ASSETS, USER, by_asset=True)
        decoder.feed(msgspec.json.encode(response(**{name: value})))
        assert isinstance(decoder.results, tuple)


def test_search_does_not_go_down_for_ever() -> None:
    deep: object = "users/u/generated/x/i.jpg"
    for _ in range(100):
        deep = [deep]

    assert list(scan(deep)) == []


def test_object_beyond_the_limit_ends_it() -> None:
    decoder = EditDecoder(ASSETS, USER, by_asset=False)

    decoder.feed(b'{"a":"' + b"x" * (9 * 1024 * 1024))

    assert decoder.error is not None
    assert decoder.error.code == "upstream_frame_too_large"
    assert decoder.feed(encode(streamed(0, 50))) == []


def test_mark_of_the_end_is_one() -> None:
    decoder = EditDecoder(ASSETS, USER, by_asset=False)

    decoder.feed(encode(streamed(0, 100)) + b"\ndata: [DONE]\n")

    assert decoder.is_over
    assert decoder.results == (url_of("e-0"),)


@pytest.mark.parametrize("index", [-1, 64, 10**9])
def test_index_out_of_reason_is_no_picture(index: int) -> None:
    assert read(streamed(index, 50)).results == ()


def test_stream_errors_that_say_nothing_are_none() -> None:
    made = ["users/u-1/generated/e-0/image.jpg"]

    assert read(envelope(streamErrors=[{}], generatedImageUrls=made)).results == (url_of("e-0"),)


def test_withheld_picture_without_an_address_is_noted() -> None:
    decoder = read(streamed(0, 100, moderated=True, imageUrl=""))

    assert (decoder.has_withheld, decoder.results) == (True, ())


def test_no_more_is_remembered_than_makes_sense() -> None:
    paths = [f"users/u-1/generated/e-{at}/image.jpg" for at in range(200)]

    assert len(read(envelope(deep=paths)).results) == 64
    assert (
        read(
            *({"result": {"response": {"x": {"url": path, "moderated": True}}}} for path in paths)
        ).results
        == ()
    )


def test_broken_json_in_a_text_is_left_out() -> None:
    assert list(scan('{"a": /generated/')) == []
