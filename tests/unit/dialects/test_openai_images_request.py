from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from grok2api.dialects.json_body import decode_body
from grok2api.dialects.named_images import read_options
from grok2api.dialects.openai_images_request import (
    EDIT_DECODER,
    GENERATION_DECODER,
    ImageOrder,
    check_model,
    ignored_form_fields,
    is_image_field,
    parse_options,
    parse_references,
    refuse_images,
    refuse_unsupported,
)
from grok2api.domain.catalogue import CATALOGUE
from grok2api.domain.images import MAX_PROMPT_CHARS, ImageWay
from grok2api.domain.model import Capability, Model, Route
from grok2api.errors import InvalidRequestError
from grok2api.wire.openai.images import ImageOptions

BY_NAME: dict[str, Model] = {model.name: model for model in CATALOGUE}
SPEED, QUALITY = "grok-imagine-image", "grok-imagine-image-pro"
LITE, EDIT = "grok-imagine-image-lite", "grok-imagine-image-edit"


def route_of(name: str) -> Route:
    model = BY_NAME[name]
    return Route(requested=name, model=model, modes=(model.mode,))


def parse(name: str = SPEED, **fields: Any) -> ImageOrder:
    route = route_of(name)
    wire = decode_body(GENERATION_DECODER, msgspec.json.encode({"prompt": "a cat"} | fields))
    return parse_options(wire, route, check_model(route, route.model.capability))


def refusal_of(act: Callable[..., object], *args: Any, **fields: Any) -> InvalidRequestError:
    with pytest.raises(InvalidRequestError) as caught:
        act(*args, **fields)
    return caught.value


def test_prompt_alone_is_one_picture_by_link_as_the_upstream_likes_it() -> None:
    order = parse()

    assert order == ImageOrder(
        request=msgspec.structs.replace(order.request, n=1, previews=0, aspect_ratio=""),
        wants_url=True,
        is_stream=False,
        quality="",
        warnings=(),
    )
    assert (order.request.model, order.request.way) == (SPEED, ImageWay.SPEED)
    assert order.request.prompt == "a cat"


@pytest.mark.parametrize(
    ("name", "wanted", "way"),
    [
        (SPEED, Capability.IMAGE, ImageWay.SPEED),
        (QUALITY, Capability.IMAGE, ImageWay.QUALITY),
        ("grok-imagine-image-2.0", Capability.IMAGE, ImageWay.QUALITY),
        (LITE, Capability.IMAGE, ImageWay.LITE),
        ("grok-imagine-1.0", Capability.IMAGE, ImageWay.LITE),
        (EDIT, Capability.IMAGE_EDIT, ImageWay.EDIT),
        ("grok-imagine-1.0-edit", Capability.IMAGE_EDIT, ImageWay.EDIT),
    ],
)
def test_model_that_fits_tells_its_way(name: str, wanted: Capability, way: ImageWay) -> None:
    assert check_model(route_of(name), wanted) is way


@pytest.mark.parametrize(
    ("name", "wanted", "fitting"),
    [
        ("grok-4", Capability.IMAGE, SPEED),
        (EDIT, Capability.IMAGE, LITE),
        ("grok-imagine-video", Capability.IMAGE, QUALITY),
        (SPEED, Capability.IMAGE_EDIT, EDIT),
        ("grok-4", Capability.IMAGE_EDIT, EDIT),
    ],
)
def test_model_of_another_kind_is_refused_and_told_which_fit(
    name: str, wanted: Capability, fitting: str
) -> None:
    error = refusal_of(check_model, route_of(name), wanted)

    assert (error.param, error.code) == ("model", "model_not_supported")
    assert fitting in error.message
    assert name in error.message


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": " \n"}, "prompt"),
        ({"prompt": ["a", "cat"]}, "prompt"),
        ({"prompt": "x" * (MAX_PROMPT_CHARS + 1)}, "prompt"),
        ({"n": 0}, "n"),
        ({"n": 11}, "n"),
        ({"n": -1}, "n"),
        ({"n": "2"}, "n"),
        ({"n": 1.5}, "n"),
        ({"size": "huge"}, "size"),
        ({"size": 1024}, "size"),
        ({"aspect_ratio": "wide"}, "aspect_ratio"),
        ({"quality": "best"}, "quality"),
        ({"response_format": "png"}, "response_format"),
        ({"response_format": ""}, None),
        ({"stream": "yes"}, "stream"),
        ({"partial_images": 4}, "partial_images"),
        ({"partial_images": -1}, "partial_images"),
    ],
)
def test_bad_value_is_refused_with_its_field(fields: dict[str, Any], param: str | None) -> None:
    if param is None:
        assert parse(**fields).wants_url
    else:
        assert refusal_of(parse, **fields).param == param


@pytest.mark.parametrize(("name", "most"), [(SPEED, 10), (QUALITY, 10), (LITE, 4), (EDIT, 2)])
def test_every_way_has_its_own_most(name: str, most: int) -> None:
    assert parse(name, n=most).request.n == most
    error = refusal_of(parse, name, n=most + 1)
    assert (error.param, f"to {most} " in error.message) == ("n", True)


@pytest.mark.parametrize(
    ("name", "quality", "way", "shown", "is_told"),
    [
        (SPEED, None, ImageWay.SPEED, "", False),
        (SPEED, "auto", ImageWay.SPEED, "", False),
        (SPEED, "standard", ImageWay.SPEED, "", False),
        (SPEED, "low", ImageWay.SPEED, "", False),
        (SPEED, "medium", ImageWay.SPEED, "", False),
        (SPEED, "high", ImageWay.QUALITY, "high", False),
        (SPEED, "HD", ImageWay.QUALITY, "high", False),
        (QUALITY, "auto", ImageWay.QUALITY, "high", False),
        (QUALITY, "hd", ImageWay.QUALITY, "high", False),
        (QUALITY, "low", ImageWay.QUALITY, "high", True),
        (LITE, "standard", ImageWay.LITE, "", False),
        (LITE, "hd", ImageWay.LITE, "", True),
        (EDIT, "high", ImageWay.EDIT, "", True),
        (EDIT, "auto", ImageWay.EDIT, "", False),
    ],
)
def test_quality_chooses_the_way_or_is_said_to_have_no_effect(
    name: str, quality: str | None, way: ImageWay, shown: str, *, is_told: bool
) -> None:
    order = parse(name, quality=quality)

    assert (order.request.way, order.quality) == (way, shown)
    assert any("quality" in warning for warning in order.warnings) is is_told


def test_aspect_ratio_comes_before_size() -> None:
    assert parse(aspect_ratio="2:1", size="1024x1024").request.aspect_ratio == "2:1"
    assert parse(aspect_ratio="", size="1024x1024").request.aspect_ratio == "1:1"
    assert parse(size="9:16").request.aspect_ratio == "9:16"


def test_odd_size_is_told_to_have_become_a_ratio() -> None:
    order = parse(size="1000\u00d7999")

    assert order.request.aspect_ratio == "1:1"
    assert order.warnings == ("size: 1000x999 became the aspect ratio 1:1",)


def test_model_without_a_choice_of_ratio_says_so_only_when_one_was_asked_for() -> None:
    assert parse(LITE, size="auto").warnings == ()
    order = parse(LITE, size="1024x1024")
    assert order.request.aspect_ratio == ""
    assert "aspect ratio" in order.warnings[0]
    assert refusal_of(parse, LITE, size="nonsense").param == "size"


@pytest.mark.parametrize(
    ("fields", "wants_url"),
    [
        ({}, True),
        ({"response_format": "URL"}, True),
        ({"response_format": "B64_JSON"}, False),
        ({"response_format": "url", "stream": True}, False),
    ],
)
def test_format_is_link_or_picture_and_in_streams_the_picture(
    fields: dict[str, Any], *, wants_url: bool
) -> None:
    order = parse(**fields)

    assert order.wants_url is wants_url
    assert bool(order.warnings) is (fields.get("stream") is True)


def test_unfinished_pictures_come_only_in_streams() -> None:
    streamed, whole = parse(stream=True, partial_images=3), parse(partial_images=3)

    assert (streamed.request.previews, streamed.ignored) == (3, ())
    assert (whole.request.previews, whole.ignored) == (0, ("partial_images",))


@given(st.text(max_size=20), st.text(max_size=12), st.text(max_size=12))
def test_warnings_fit_into_a_header_whatever_is_asked(size: str, ratio: str, quality: str) -> None:
    for name in (SPEED, LITE):
        try:
            order = parse(name, size=size, aspect_ratio=ratio, quality=quality)
        except InvalidRequestError:
            continue
        line = "; ".join(order.warnings)
        assert line.isascii()
        assert line.isprintable()


def references_of(**fields: Any) -> list[tuple[str, str]]:
    wire = decode_body(EDIT_DECODER, msgspec.json.encode({"prompt": "more"} | fields))
    return [(image.param, image.url) for image in parse_references(wire)]


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"image": "https://x.example/a"}, [("image", "https://x.example/a")]),
        ({"image": ["a", "b"]}, [("image[0]", "a"), ("image[1]", "b")]),
        ({"image": {"image_url": "a"}}, [("image", "a")]),
        ({"image": {"image_url": {"url": "a"}}}, [("image", "a")]),
        (
            {"images": [{"image_url": "a"}, {"b64_json": "b"}]},
            [("images[0]", "a"), ("images[1]", "b")],
        ),
        ({"image": "a", "images": [{"url": "b"}]}, [("image", "a"), ("images[0]", "b")]),
    ],
)
def test_pictures_of_a_json_edit_are_found_in_every_form(
    fields: dict[str, Any], found: list[tuple[str, str]]
) -> None:
    assert references_of(**fields) == found


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({}, "image", "missing_required_parameter"),
        ({"image": None}, "image", "missing_required_parameter"),
        ({"image": []}, "image", "missing_required_parameter"),
        ({"image": ""}, "image", "invalid_image_input"),
        ({"images": ["a", {}]}, "images[1]", "invalid_image_input"),
        ({"image": 7}, "image", "invalid_value"),
        ({"image": ["a"] * 6}, "image", "too_many_images"),
        ({"image": ["a"] * 3, "images": ["b"] * 3}, "image", "too_many_images"),
        ({"image": {"file_id": "file-1"}}, "image.file_id", "unsupported_value"),
        ({"image": "a", "mask": "b"}, "mask", "unsupported_value"),
        ({"image": "a", "markup": {"image_url": "b"}}, "markup", "unsupported_value"),
    ],
)
def test_pictures_that_cannot_be_used_are_refused_with_their_place(
    fields: dict[str, Any], param: str, code: str
) -> None:
    error = refusal_of(references_of, **fields)

    assert (error.param, error.code) == (param, code)


@pytest.mark.parametrize("name", ["image", "images"])
def test_pictures_for_a_generation_are_refused_rather_than_passed_over(name: str) -> None:
    wire = decode_body(GENERATION_DECODER, msgspec.json.encode({"prompt": "x", name: "data:,"}))

    error = refusal_of(refuse_images, wire)

    assert error.param == name
    assert "/v1/images/edits" in error.message


def test_form_says_the_same_as_json() -> None:
    fields = {"prompt": "a cat", "n": "2", "stream": "true", "partial_images": "1", "size": ""}
    wire = read_options(ImageOptions, fields | {"quality": " ", "background": "opaque"})
    route = route_of(SPEED)

    order = parse_options(wire, route, ImageWay.SPEED)

    assert order == parse(n=2, stream=True, partial_images=1)


@pytest.mark.parametrize(("name", "text"), [("n", "two"), ("n", "1.5"), ("stream", "maybe")])
def test_form_value_of_another_type_is_refused_with_its_field(name: str, text: str) -> None:
    error = refusal_of(read_options, ImageOptions, {name: text})

    assert (error.param, error.code) == (name, "invalid_value")


def test_mask_of_a_form_is_refused_and_what_changes_nothing_is_named() -> None:
    assert refusal_of(refuse_unsupported, ["image", "mask"]).param == "mask"
    refuse_unsupported(["image", "style"])
    names = ["prompt", "style", "image[]", "user", "bad\r\nname", "\u00fc"]
    assert ignored_form_fields(names) == ("style", "user")


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        *((name, True) for name in ("image", "image[]", "image[0]", "images", "images[]")),
        *((name, False) for name in ("mask", "image_url", "image[a]", "image[][]", "myimage")),
    ],
)
def test_every_spelling_of_the_image_field_is_known(name: str, *, is_one: bool) -> None:
    assert is_image_field(name) is is_one
