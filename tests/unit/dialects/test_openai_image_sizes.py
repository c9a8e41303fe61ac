import math

import pytest
from hypothesis import given, strategies as st

from grok2api.dialects.openai_image_sizes import RATIOS, SIZES, FoundRatio, find_ratio
from grok2api.errors import InvalidRequestError


@pytest.mark.parametrize("named", ["", "  ", "auto", "AUTO "])
def test_nothing_and_auto_leave_the_choice_to_the_upstream(named: str) -> None:
    assert find_ratio(named, "size") == FoundRatio("")


@pytest.mark.parametrize("ratio", RATIOS)
def test_ratio_of_the_upstream_is_itself(ratio: str) -> None:
    assert find_ratio(f" {ratio}", "aspect_ratio") == FoundRatio(ratio)


@pytest.mark.parametrize(
    ("size", "ratio"),
    [
        ("1280x720", "16:9"),
        ("720x1280", "9:16"),
        ("1792x1024", "3:2"),
        ("1536x1024", "3:2"),
        ("1024x1792", "2:3"),
        ("1024x1536", "2:3"),
        ("1024x1024", "1:1"),
        ("1024X1024", "1:1"),
    ],
)
def test_usual_size_is_its_ratio(size: str, ratio: str) -> None:
    assert find_ratio(size, "size") == FoundRatio(ratio)


@pytest.mark.parametrize(
    ("size", "ratio"),
    [
        ("512x512", "1:1"),
        ("1920x1080", "16:9"),
        ("1080*1920", "9:16"),
        ("800 x 600", "4:3"),
        ("2560\u00d71080", "20:9"),
        ("21:9", "20:9"),
        ("5:7", "3:4"),
        ("1x99999", "9:20"),
        ("99999x1", "20:9"),
        ("0.5:1", "1:2"),
    ],
)
def test_any_other_size_is_the_nearest_ratio_and_marked_so(size: str, ratio: str) -> None:
    found = find_ratio(size, "size")

    assert found.ratio == ratio
    assert found.warning.isascii()
    assert found.warning.endswith(f" became the aspect ratio {ratio}")


@pytest.mark.parametrize(
    "named",
    ["big", "1024", "1024x", "x1024", "0x0", "1024x0", "-1x1", "1x1x1", "1e3x1", "1\u0662x1"],
)
def test_nonsense_is_refused_with_the_field(named: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        find_ratio(named, "aspect_ratio")

    assert caught.value.param == "aspect_ratio"
    assert "16:9" in caught.value.message


def distance(ratio: str, wanted: float) -> float:
    width, height = (float(side) for side in ratio.split(":"))
    return abs(math.log(width / height) - math.log(wanted))


@given(st.integers(1, 99_999), st.integers(1, 99_999))
def test_no_ratio_is_nearer_than_the_one_found(width: int, height: int) -> None:
    size = f"{width}x{height}"
    if size in SIZES:
        return

    found = find_ratio(size, "size").ratio

    nearest = min(distance(ratio, width / height) for ratio in RATIOS)
    assert distance(found, width / height) == pytest.approx(nearest)


@given(st.integers(1, 9_999), st.integers(1, 9_999))
def test_turning_a_size_turns_its_ratio(width: int, height: int) -> None:
    ratio = find_ratio(f"{width}x{height}", "size").ratio
    turned = find_ratio(f"{height}x{width}", "size").ratio

    wanted = width / height
    assert distance(turned, 1 / wanted) == pytest.approx(distance(ratio, wanted))
