"""Requests for videos: what every field means, and what each refusal names."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from grok2api.dialects.json_body import decode_body
from grok2api.dialects.named_images import read_options
from grok2api.dialects.openai_image_sizes import RATIOS
from grok2api.dialects.openai_videos_request import (
    DEFAULT_SECONDS,
    VIDEO_DECODER,
    VIDEO_MODEL,
    VideoOrder,
    check_reference_count,
    check_video_model,
    ignored_video_fields,
    is_reference_field,
    parse_form_references,
    parse_video,
    parse_video_references,
)
from grok2api.domain.catalogue import CATALOGUE
from grok2api.domain.model import Capability, Route
from grok2api.domain.video import (
    MAX_PROMPT_CHARS,
    MAX_REFERENCES,
    SEGMENTS,
    Preset,
    Resolution,
    VideoRequest,
)
from grok2api.domain.video_lengths import MAX_SINGLE_S, allowed_lengths, choose_segments
from grok2api.errors import InvalidRequestError
from grok2api.wire.openai.videos import VideoOptions

ROUTES = {
    model.name: Route(requested=model.name, model=model, modes=(model.mode,)) for model in CATALOGUE
}
ROUTE = ROUTES[VIDEO_MODEL]
LIMITED = (6, 10, 12, 16, 20)


def decode(**fields: Any) -> Any:
    return decode_body(VIDEO_DECODER, msgspec.json.encode({"prompt": "dunes"} | fields))


def parse(**fields: Any) -> VideoOrder:
    """Return what is asked for; `has_references` and `is_older` are no fields."""
    has_references, is_older = fields.pop("has_references", False), fields.pop("is_older", False)
    return parse_video(decode(**fields), ROUTE, has_references=has_references, is_older=is_older)


def references(**fields: Any) -> list[tuple[str, str]]:
    return [(named.param, named.url) for named in parse_video_references(decode(**fields))]


def refusal_of(act: Callable[..., object], *args: Any, **fields: Any) -> InvalidRequestError:
    with pytest.raises(InvalidRequestError) as caught:
        act(*args, **fields)
    return caught.value


# -- the options.


def test_prompt_alone_is_six_seconds_upright() -> None:
    order = parse()

    assert order.request == VideoRequest(model=VIDEO_MODEL, prompt="dunes")
    assert (order.request.segments, order.request.aspect_ratio) == ((6,), "9:16")
    assert (order.request.resolution, order.request.preset) == (Resolution.P720, Preset.CUSTOM)
    assert order.request.upscale is False
    assert order.shown == {
        "seconds": "6",
        "size": "720x1280",
        "quality": "standard",
        "model": VIDEO_MODEL,
    }
    assert order.warnings == ()


@pytest.mark.parametrize(
    "name",
    [
        *("model", "prompt", "seconds", "size", "video_length", "aspect_ratio", "resolution_name"),
        *("resolution", "preset", "quality", "upscale", "input_reference", "input_references"),
        *("image", "images", "image_url"),
    ],
)
def test_null_is_as_good_as_absent(name: str) -> None:
    if name == "prompt":
        assert refusal_of(parse, prompt=None).param == "prompt"
        return
    assert parse(**{name: None}) == parse()
    assert references(**{name: None}) == []


def test_prompt_is_trimmed_and_limited() -> None:
    assert parse(prompt="  dunes\n").request.prompt == "dunes"
    assert parse(prompt="x" * MAX_PROMPT_CHARS).request.prompt
    error = refusal_of(parse, prompt="x" * (MAX_PROMPT_CHARS + 1))
    assert (error.param, error.code) == ("prompt", "invalid_value")
    error = refusal_of(parse, prompt=" \t\n")
    assert (error.param, error.code) == ("prompt", "missing_required_parameter")


@pytest.mark.parametrize("spelling", [10, "10", " 10 ", "010"])
@pytest.mark.parametrize("field", ["seconds", "video_length"])
def test_length_is_a_number_or_text(field: str, spelling: object) -> None:
    assert parse(**{field: spelling}).request.segments == (10,)


def test_seconds_count_before_the_other_name() -> None:
    assert parse(seconds=6, video_length=10).request.seconds == 6
    assert parse(seconds=None, video_length=10).request.seconds == 10


@pytest.mark.parametrize("spelling", ["", "six", "6.0", "-6", "+6", "6s", "٦", "12345"])
@pytest.mark.parametrize("field", ["seconds", "video_length"])
def test_length_that_is_no_number_is_refused_by_its_name(field: str, spelling: str) -> None:
    assert refusal_of(parse, **{field: spelling}).param == field


@pytest.mark.parametrize("spelling", [6.5, True, [6], {"seconds": 6}])
def test_length_of_another_type_is_refused(spelling: object) -> None:
    assert refusal_of(decode, seconds=spelling).param == "seconds"


@given(seconds=st.integers(0, 60))
def test_free_length_is_served_as_asked_or_refused(seconds: int) -> None:
    if 1 <= seconds <= MAX_SINGLE_S or seconds in SEGMENTS:
        order = parse(seconds=seconds)
        assert order.request.seconds == seconds
        assert order.shown["seconds"] == str(seconds)
        assert order.warnings == ()
    else:
        error = refusal_of(parse, seconds=seconds)
        assert (error.param, error.code) == ("seconds", "invalid_value")
        assert "1, 2, 3" in error.message


@pytest.mark.parametrize(
    "limit",
    [{"has_references": True}, {"is_older": True}, {"preset": "fun"}, {"preset": "normal"}],
)
@given(seconds=st.integers(0, 60))
def test_limited_length_is_one_of_few_or_the_next_of_openais(
    limit: dict[str, Any], seconds: int
) -> None:
    if seconds in LIMITED:
        order = parse(**limit, seconds=seconds)
        assert (order.request.seconds, order.warnings) == (seconds, ())
    elif seconds in (4, 8):
        order = parse(**limit, seconds=seconds)
        longer = {4: 6, 8: 10}[seconds]
        assert order.request.seconds == longer
        assert order.warnings == (f"seconds: {seconds} became {longer}",)
        assert order.shown["seconds"] == str(longer)
    else:
        error = refusal_of(parse, **limit, seconds=seconds)
        assert error.param == "seconds"
        assert "6, 10, 12, 16, 20 with pictures" in error.message


@given(seconds=st.integers(-5, 100), is_limited=st.booleans())
def test_parts_are_what_the_upstream_makes_at_once(seconds: int, *, is_limited: bool) -> None:
    segments = choose_segments(seconds, is_limited=is_limited)

    if seconds in allowed_lengths(is_limited=is_limited):
        assert segments is not None
        assert sum(segments) == seconds
    if segments is not None:
        assert all(part in (6, 10) for part in segments) or segments == (seconds,)
        assert sum(segments) in allowed_lengths(is_limited=is_limited)
        assert sum(segments) >= seconds


@pytest.mark.parametrize(
    ("fields", "ratio", "shown"),
    [
        ({}, "9:16", "720x1280"),
        ({"size": "720x1280"}, "9:16", "720x1280"),
        ({"size": "1280x720"}, "16:9", "1280x720"),
        ({"size": "1024x1792"}, "9:16", "720x1280"),
        ({"size": "1792X1024"}, "16:9", "1280x720"),
        ({"size": "1024x1024"}, "1:1", "720x720"),
        ({"size": "1:1"}, "1:1", "720x720"),
        ({"size": "auto"}, "9:16", "720x1280"),
        ({"size": "", "aspect_ratio": ""}, "9:16", "720x1280"),
        ({"aspect_ratio": "auto"}, "9:16", "720x1280"),
        ({"aspect_ratio": "3:2"}, "3:2", "1080x720"),
        ({"aspect_ratio": "2:3", "size": "1280x720"}, "2:3", "720x1080"),
        ({"size": "1280x720", "resolution_name": "480p"}, "16:9", "854x480"),
        ({"size": "720x1280", "resolution": "480P"}, "9:16", "480x854"),
        ({"aspect_ratio": "19.5:9"}, "19.5:9", "1560x720"),
    ],
)
def test_shape_is_the_upstreams_and_told_in_pixels(
    fields: dict[str, str], ratio: str, shown: str
) -> None:
    order = parse(**fields)

    assert (order.request.aspect_ratio, order.shown["size"]) == (ratio, shown)
    assert order.warnings == ()


@pytest.mark.parametrize(
    ("fields", "warning"),
    [
        ({"size": "1920x1080"}, "size: 1920x1080 became the aspect ratio 16:9"),
        ({"size": "500\u00d7500"}, "size: 500x500 became the aspect ratio 1:1"),
        ({"aspect_ratio": "21:9"}, "aspect_ratio: 21:9 became the aspect ratio 20:9"),
    ],
)
def test_other_shape_becomes_the_nearest_and_is_told(fields: dict[str, str], warning: str) -> None:
    (told,) = parse(**fields).warnings

    assert told == warning
    assert told.isascii()


@given(width=st.integers(1, 99_999), height=st.integers(1, 99_999))
def test_any_size_has_a_ratio_and_even_sides(width: int, height: int) -> None:
    order = parse(size=f"{width}x{height}")

    assert order.request.aspect_ratio in RATIOS
    sides = [int(side) for side in order.shown["size"].split("x")]
    assert min(sides) == 720
    assert all(side % 2 == 0 for side in sides)


@pytest.mark.parametrize("words", [Resolution, Preset])
def test_words_are_taken_in_any_case(words: type[Resolution] | type[Preset]) -> None:
    field = "preset" if words is Preset else "resolution_name"
    for word in words:
        order = parse(**{field: f" {word.upper()} "})
        assert getattr(order.request, field.removesuffix("_name")) is word


@pytest.mark.parametrize(
    ("quality", "is_upscaled"),
    [
        *((word, False) for word in ("standard", "auto", "low", "medium", "", None)),
        *((word, True) for word in ("high", "hd", "HD")),
    ],
)
def test_high_quality_is_upscaled(quality: str | None, *, is_upscaled: bool) -> None:
    order = parse(quality=quality)

    assert order.request.upscale is is_upscaled
    assert order.shown["quality"] == ("hd" if is_upscaled else "standard")
    assert parse(quality=quality, upscale=True).request.upscale is True


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"size": "large"}, "size"),
        ({"size": "0x720"}, "size"),
        ({"size": "720x"}, "size"),
        ({"aspect_ratio": "wide", "size": "1280x720"}, "aspect_ratio"),
        ({"resolution_name": "1080p"}, "resolution_name"),
        ({"resolution": "4k"}, "resolution"),
        ({"resolution_name": "4k", "resolution": "480p"}, "resolution_name"),
        ({"preset": "calm"}, "preset"),
        ({"quality": "ultra"}, "quality"),
    ],
)
def test_word_that_is_unknown_is_refused_by_its_field(fields: dict[str, str], param: str) -> None:
    error = refusal_of(parse, **fields)

    assert (error.param, error.code) == (param, "invalid_value")


@pytest.mark.parametrize(
    "name",
    [
        *("model", "prompt", "size", "aspect_ratio", "resolution_name", "resolution", "preset"),
        *("quality", "upscale", "seconds", "video_length"),
    ],
)
def test_field_of_another_type_is_refused_by_its_name(name: str) -> None:
    assert refusal_of(decode, **{name: [1]}).param == name


@pytest.mark.parametrize("name", ROUTES)
def test_only_models_of_videos_make_videos(name: str) -> None:
    if ROUTES[name].model.capability is Capability.VIDEO:
        check_video_model(ROUTES[name])
        return
    error = refusal_of(check_video_model, ROUTES[name])
    assert (error.param, error.code) == ("model", "model_not_supported")
    assert VIDEO_MODEL in error.message


def test_name_that_the_client_used_is_kept() -> None:
    route = msgspec.structs.replace(ROUTE, requested="sora-2")

    order = parse_video(decode(), route, has_references=False)

    assert (order.request.model, order.shown["model"]) == ("sora-2", "sora-2")


# -- pictures.


@pytest.mark.parametrize("field", ["input_reference", "input_references", "image", "images"])
@pytest.mark.parametrize(
    "spelling",
    [
        "https://a.test/a.png",
        {"image_url": "https://a.test/a.png"},
        {"image_url": {"url": "https://a.test/a.png"}},
        {"url": "https://a.test/a.png"},
        {"b64_json": "https://a.test/a.png"},
        {"image_url": "https://a.test/a.png", "file_id": "file-1"},
    ],
)
def test_picture_is_found_in_every_spelling(field: str, spelling: object) -> None:
    assert references(**{field: spelling}) == [(field, "https://a.test/a.png")]
    assert references(**{field: [spelling, "b"]}) == [
        (f"{field}[0]", "https://a.test/a.png"),
        (f"{field}[1]", "b"),
    ]


def test_pictures_of_several_fields_are_joined() -> None:
    found = references(image_url="c", input_reference=["a", "b"], image={"url": "d"})

    assert [url for _, url in found] == ["a", "b", "d", "c"]


def test_pictures_have_a_limit() -> None:
    assert len(references(images=["a"] * MAX_REFERENCES)) == MAX_REFERENCES
    error = refusal_of(references, images=["a"] * MAX_REFERENCES, image="b")
    assert (error.param, error.code) == ("input_reference", "too_many_images")
    assert refusal_of(check_reference_count, MAX_REFERENCES + 1).code == "too_many_images"


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"input_reference": ""}, "input_reference", "invalid_image_input"),
        ({"input_reference": {}}, "input_reference", "invalid_image_input"),
        ({"input_reference": ["a", " "]}, "input_reference[1]", "invalid_image_input"),
        ({"image": {"file_id": "f"}}, "image.file_id", "unsupported_value"),
        ({"images": [{"file_id": "f"}]}, "images[0].file_id", "unsupported_value"),
        ({"input_reference": 5}, "input_reference", "invalid_value"),
        ({"input_reference": ["a", 5]}, "input_reference[1]", "invalid_value"),
        ({"image_url": {"url": 5}}, "image_url.url", "invalid_value"),
    ],
)
def test_picture_that_cannot_be_had_is_refused_where_it_stands(
    fields: dict[str, Any], param: str, code: str
) -> None:
    error = refusal_of(references, **fields)

    assert (error.param, error.code) == (param, code)


# -- forms.


def test_form_means_what_json_means() -> None:
    fields = {
        "model": VIDEO_MODEL,
        "prompt": "dunes",
        "seconds": "10",
        "size": "1280x720",
        "resolution_name": "480p",
        "preset": "fun",
        "quality": "hd",
        "upscale": "false",
        "aspect_ratio": " ",
        "user": "u",
    }

    order = parse_video(read_options(VideoOptions, fields), ROUTE, has_references=False)

    json = {name: text for name, text in fields.items() if text.strip()}
    assert order == parse(**json | {"seconds": 10, "upscale": False})


def test_value_of_a_form_is_of_its_type() -> None:
    assert read_options(VideoOptions, {"upscale": "true"}).upscale is True
    assert refusal_of(read_options, VideoOptions, {"upscale": "perhaps"}).param == "upscale"


@pytest.mark.parametrize(
    "name",
    [
        *("input_reference", "input_reference[]", "input_reference[0]", "input_references[12]"),
        *("image", "image[]", "images[1]", "image_url", "input_reference[image_url]"),
        *("input_reference[0][image_url]", "image[][url]", "images[b64_json]"),
    ],
)
def test_field_of_a_form_may_be_a_picture(name: str) -> None:
    assert is_reference_field(name)
    (named,) = parse_form_references([(name, "data:image/png;base64,AA=="), ("prompt", "x")])
    assert named.param == name
    assert parse_form_references([(name, " ")]) == ()


@pytest.mark.parametrize(
    "name", ["imag", "image[", "image]", "image[x]", "image[1234]", "mask", "image_urls", "xinput"]
)
def test_other_field_of_a_form_is_no_picture(name: str) -> None:
    assert not is_reference_field(name)
    assert parse_form_references([(name, "x")]) == ()


def test_picture_of_a_form_that_is_only_named_is_refused() -> None:
    error = refusal_of(parse_form_references, [("input_reference[file_id]", "file-1")])

    assert (error.param, error.code) == ("input_reference[file_id]", "unsupported_value")


def test_fields_without_effect_are_named_as_far_as_a_header_can() -> None:
    names = ["prompt", "image[]", "n", "stream", "a b", "x\r\ny: z", "é", "input_reference[0]"]

    assert ignored_video_fields(names) == ("n", "stream")
    assert len(ignored_video_fields(f"f{at}" for at in range(100))) == 20


def test_default_length_can_always_be_made() -> None:
    for is_limited in (True, False):
        assert choose_segments(DEFAULT_SECONDS, is_limited=is_limited) == (DEFAULT_SECONDS,)
