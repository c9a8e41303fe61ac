"""Pictures over HTTP: made and edited, streamed and linked, and refused before any is made."""

import asyncio
import base64
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import msgspec
import pytest

from grok2api.config.attachments import FileSettings
from grok2api.config.features import FeatureSettings
from grok2api.config.schema import AppSettings
from grok2api.domain.files import InputFile
from grok2api.domain.images import ImageBatch, ImageMade, ImageRequest, ImagesDone, ImageWay
from grok2api.domain.media import MediaKind
from grok2api.errors import ContentRejectedError, UpstreamUnavailableError
from grok2api.web.api.turn import IGNORED_HEADER, WARNING_HEADER
from grok2api.wire.sse import SSEParser
from tests.web.conftest import API_KEY, TEST_SETTINGS, Edge, EdgeMaker
from tests.web.painter import paint_all, png

GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"
CAT: dict[str, Any] = {"prompt": "a cat"}
PNG_URL = "data:image/png;base64," + base64.b64encode(png()).decode()


def error_of(response: httpx2.Response) -> tuple[int, str | None, str | None]:
    error = response.json()["error"]
    return response.status_code, error["code"], error["param"]


async def stored(edge: Edge) -> int:
    usages = await edge.state.media.usage()
    return sum(usage.count for usage in usages if usage.kind is MediaKind.IMAGE)


async def nothing_happened(edge: Edge) -> bool:
    """Whether no account was asked, nothing was uploaded and nothing is kept."""
    return not (edge.painter.requests or edge.drawer.files or await stored(edge))


async def test_picture_comes_as_a_link_that_opens_for_everybody(edge: Edge) -> None:
    response = await edge.client.post(GENERATIONS, json=CAT)

    assert response.status_code == 200
    link = response.json()["data"][0]["url"]
    assert link.startswith(f"{edge.url}/v1/files/image?")
    async with httpx2.AsyncClient() as stranger:
        picture = await stranger.get(link)
    assert (picture.content, picture.headers["content-type"]) == (png(), "image/png")
    assert WARNING_HEADER not in response.headers


@pytest.mark.parametrize("path", ["/images/generations", "/v1/v1/images/generations/"])
async def test_pasted_addresses_work_too(edge: Edge, path: str) -> None:
    assert (await edge.client.post(path, json=CAT)).status_code == 200


async def test_pictures_themselves_come_in_order_and_are_not_kept(edge: Edge) -> None:
    response = await edge.client.post(
        GENERATIONS, json=CAT | {"n": 3, "response_format": "B64_JSON"}
    )

    found = [base64.b64decode(item["b64_json"]) for item in response.json()["data"]]
    assert found == [png(shade=slot) for slot in range(3)]
    assert await stored(edge) == 0


async def test_answer_says_what_was_otherwise_or_without_effect(edge: Edge) -> None:
    body = CAT | {"size": "512x512", "style": "vivid", "user": "u", "background": None}

    response = await edge.client.post(GENERATIONS, json=body)

    assert response.headers[WARNING_HEADER] == "size: 512x512 became the aspect ratio 1:1"
    assert response.headers[IGNORED_HEADER] == "style, user"
    assert edge.painter.requests[0].aspect_ratio == "1:1"


async def test_several_warnings_are_one_line(edge: Edge) -> None:
    body = CAT | {"model": "grok-imagine-image-lite", "size": "1024x1024", "quality": "hd"}

    response = await edge.client.post(GENERATIONS, json=body)

    line = response.headers[WARNING_HEADER]
    assert line.startswith("quality: ")
    assert "; size: " in line


async def test_operator_decides_about_sensitive_pictures(make_edge: EdgeMaker) -> None:
    settings = changed_settings(features=FeatureSettings(enable_nsfw=False))
    async with make_edge(settings) as edge:
        await edge.client.post(GENERATIONS, json=CAT)

        assert [request.is_sensitive for request in edge.painter.requests] == [False]


async def test_high_quality_is_made_the_slow_way(edge: Edge) -> None:
    response = await edge.client.post(GENERATIONS, json=CAT | {"quality": "hd"})

    assert edge.painter.requests[0].way is ImageWay.QUALITY
    assert response.json()["quality"] == "high"


async def test_operators_address_makes_links_absolute(make_edge: EdgeMaker) -> None:
    settings = changed_settings(app=AppSettings(app_url="https://pics.example/g/"))
    async with make_edge(settings) as edge:
        response = await edge.client.post(GENERATIONS, json=CAT)

    assert response.json()["data"][0]["url"].startswith("https://pics.example/g/v1/files/image?")


async def test_picture_that_cannot_be_kept_is_in_the_answer(make_edge: EdgeMaker) -> None:
    settings = changed_settings(image_max_mb=1)
    huge = png(extra=bytes(2 * 1024 * 1024))

    async def play(request: ImageRequest) -> AsyncIterator[ImageBatch]:
        yield [ImageMade(0, huge), ImageMade(1, png()), ImagesDone()]

    async with make_edge(settings) as edge:
        edge.painter.play = play
        response = await edge.client.post(GENERATIONS, json=CAT | {"n": 2})

    first, second = response.json()["data"]
    assert base64.b64decode(first["b64_json"]) == huge
    assert "url" in second
    assert "could not be kept" in response.headers[WARNING_HEADER]


def changed_settings(image_max_mb: int = 0, **changes: Any) -> Any:
    """Return the settings of tests, changed."""
    if image_max_mb:
        cache = TEST_SETTINGS.cache
        local = msgspec.structs.replace(cache.local, image_max_mb=image_max_mb)
        changes["cache"] = msgspec.structs.replace(cache, local=local)
    return msgspec.structs.replace(TEST_SETTINGS, **changes)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (400, "missing_required_parameter", "prompt")),
        ({"prompt": "  "}, (400, "missing_required_parameter", "prompt")),
        (CAT | {"model": "nope"}, (404, "model_not_found", "model")),
        (CAT | {"model": "grok-4"}, (400, "model_not_supported", "model")),
        (CAT | {"model": "grok-imagine-image-edit"}, (400, "model_not_supported", "model")),
        (CAT | {"n": 11}, (400, "invalid_value", "n")),
        (CAT | {"n": 5, "model": "grok-imagine-1.0"}, (400, "invalid_value", "n")),
        (CAT | {"size": "large"}, (400, "invalid_value", "size")),
        (CAT | {"aspect_ratio": "7"}, (400, "invalid_value", "aspect_ratio")),
        (CAT | {"quality": "ultra"}, (400, "invalid_value", "quality")),
        (CAT | {"response_format": "jpeg"}, (400, "invalid_value", "response_format")),
        (CAT | {"partial_images": 4}, (400, "invalid_value", "partial_images")),
        (CAT | {"image": PNG_URL}, (400, "unsupported_value", "image")),
        ([], (400, "invalid_value", None)),
    ],
)
async def test_bad_generation_is_refused_before_an_account_is_touched(
    edge: Edge, body: Any, expected: tuple[int, str | None, str | None]
) -> None:
    assert error_of(await edge.client.post(GENERATIONS, json=body)) == expected
    assert await nothing_happened(edge)


async def test_no_key_no_picture(edge: Edge) -> None:
    for path in (GENERATIONS, EDITS):
        response = await edge.client.post(path, json=CAT, headers={"authorization": ""})
        assert response.status_code == 401
    assert (await edge.client.post("/v1/images/variations", json=CAT)).status_code == 404


async def test_withheld_picture_is_a_policy_error(edge: Edge) -> None:
    async def play(request: ImageRequest) -> AsyncIterator[ImageBatch]:
        if request.n:
            raise ContentRejectedError("The upstream withholds it.")
        yield []

    edge.painter.play = play

    response = await edge.client.post(GENERATIONS, json=CAT)

    assert error_of(response) == (400, "content_policy_violation", None)
    assert len(edge.painter.requests) == 1


async def hangs(request: ImageRequest) -> AsyncIterator[ImageBatch]:
    await asyncio.Event().wait()
    yield []


@pytest.mark.parametrize("stream", [True, False])
async def test_client_that_leaves_stops_the_upstream(edge: Edge, *, stream: bool) -> None:
    edge.painter.play = hangs
    _, writer = await edge.open()
    body = msgspec.json.encode(CAT | {"stream": stream})
    head = (
        f"POST {GENERATIONS} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {API_KEY}\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await asyncio.wait_for(edge.painter.opened.wait(), 10)

    writer.close()

    await asyncio.wait_for(edge.painter.closed.wait(), 10)
    await edge.leases_are_free()


async def events_of(edge: Edge, path: str, **request: Any) -> tuple[httpx2.Response, list[Any]]:
    response = await edge.client.post(path, **request)
    return response, [
        (event.event, msgspec.json.decode(event.data))
        for event in SSEParser().feed(response.content)
    ]


async def test_stream_shows_unfinished_pictures_and_ends_without_a_marker(edge: Edge) -> None:
    body = CAT | {"n": 2, "stream": True, "partial_images": 2, "response_format": "url"}

    response, events = await events_of(edge, GENERATIONS, json=body)

    partial, completed = "image_generation.partial_image", "image_generation.completed"
    assert [name for name, _ in events] == [partial, partial, completed] * 2
    assert [data["index"] for _, data in events] == [0, 0, 0, 1, 1, 1]
    assert base64.b64decode(events[5][1]["b64_json"]) == png(shade=1)
    assert b"[DONE]" not in response.content
    assert "a stream always holds" in response.headers[WARNING_HEADER]
    assert await stored(edge) == 0


async def test_large_pictures_pass_whole(edge: Edge) -> None:
    large = png(extra=bytes(range(256)) * 4096)

    async def play(request: ImageRequest) -> AsyncIterator[ImageBatch]:
        yield [ImageMade(0, large), ImagesDone()]

    edge.painter.play = play

    _, events = await events_of(edge, GENERATIONS, json=CAT | {"stream": True})
    whole = await edge.client.post(GENERATIONS, json=CAT | {"response_format": "b64_json"})

    assert base64.b64decode(events[0][1]["b64_json"]) == large
    assert base64.b64decode(whole.json()["data"][0]["b64_json"]) == large


async def breaks_after_one(request: ImageRequest) -> AsyncIterator[ImageBatch]:
    yield [ImageMade(0, png())]
    raise UpstreamUnavailableError("The socket broke.")


async def test_stream_that_breaks_off_keeps_what_was_made_and_ends_with_the_error(
    edge: Edge,
) -> None:
    edge.painter.play = breaks_after_one

    _, events = await events_of(edge, GENERATIONS, json=CAT | {"n": 2, "stream": True})

    assert [name for name, _ in events] == ["image_generation.completed", "error"]
    assert events[1][1]["error"]["type"] == "server_error"


async def test_stream_that_never_began_is_an_ordinary_error(edge: Edge) -> None:
    async def play(request: ImageRequest) -> AsyncIterator[ImageBatch]:
        if request.n:
            raise ContentRejectedError("The upstream withholds it.")
        yield []

    edge.painter.play = play

    response = await edge.client.post(GENERATIONS, json=CAT | {"stream": True})

    assert error_of(response) == (400, "content_policy_violation", None)


def image_file(content: bytes, name: str = "a.png") -> tuple[str, bytes, str]:
    return name, content, "image/png"


@pytest.mark.parametrize("field", ["image", "image[]", "images", "image[0]"])
async def test_edit_takes_files_under_every_name(edge: Edge, field: str) -> None:
    response = await edge.client.post(EDITS, data=CAT, files=[(field, image_file(png(9, 9)))])

    assert response.status_code == 200
    assert [file.content for file in edge.drawer.files.values()] == [png(9, 9)]
    assert edge.painter.references == [1]
    (request,) = edge.painter.requests
    assert (request.model, request.way, request.n) == (
        "grok-imagine-image-edit",
        ImageWay.EDIT,
        1,
    )


async def test_edit_takes_five_pictures_in_their_order(edge: Edge) -> None:
    pictures = [png(shade=shade) for shade in range(5)]
    seen: list[tuple[InputFile, ...]] = []

    async def play(request: ImageRequest) -> AsyncIterator[ImageBatch]:
        seen.append(request.references)
        assert [file.content for file in request.references] == pictures
        yield [ImageMade(0, png()), ImagesDone()]

    edge.painter.play = play
    files = [("image[]", image_file(picture)) for picture in pictures]

    response = await edge.client.post(EDITS, data=CAT | {"size": "1536x1024"}, files=files)

    assert response.status_code == 200
    assert edge.painter.requests[0].aspect_ratio == "3:2"
    # Nothing of them is held any more.
    assert {file.content for file in seen[0]} == {b""}
    assert edge.state.files.free_bytes == FileSettings().memory_mb * 1024 * 1024


@pytest.mark.parametrize(
    "image",
    [
        PNG_URL,
        [PNG_URL],
        base64.b64encode(png()).decode(),
        {"image_url": PNG_URL},
        [{"image_url": {"url": PNG_URL}}],
    ],
)
async def test_edit_takes_json_too(edge: Edge, image: Any) -> None:
    body = CAT | {"image": image, "response_format": "b64_json", "input_fidelity": "high"}

    response = await edge.client.post(EDITS, json=body)

    assert base64.b64decode(response.json()["data"][0]["b64_json"]) == png()
    assert [file.content for file in edge.drawer.files.values()] == [png()]
    assert response.headers[IGNORED_HEADER] == "input_fidelity"


async def test_link_in_a_form_is_a_picture_too(edge: Edge) -> None:
    body = CAT | {"image": PNG_URL, "style": "vivid"}

    response = await edge.client.post(EDITS, data=body)

    assert response.status_code == 200
    assert response.headers[IGNORED_HEADER] == "style"


async def test_links_and_files_of_one_name_all_count_in_the_order_sent(edge: Edge) -> None:
    pictures = [png(shade=shade) for shade in range(4)]
    urls = ["data:image/png;base64," + base64.b64encode(each).decode() for each in pictures]
    seen: list[bytes] = []

    async def play(request: ImageRequest) -> AsyncIterator[ImageBatch]:
        seen.extend(file.content for file in request.references)
        yield [ImageMade(0, png()), ImagesDone()]

    edge.painter.play = play
    parts: list[tuple[str, Any]] = [
        ("image[]", (None, urls[0])),
        ("image[]", ("b.png", pictures[1], "image/png")),
        ("image[]", (None, urls[2])),
        ("image[]", ("d.png", pictures[3], "image/png")),
    ]

    form = await edge.client.post(EDITS, data=CAT, files=parts)
    plain = await edge.client.post(EDITS, data=CAT | {"image": urls[:2]})

    assert (form.status_code, plain.status_code) == (200, 200)
    assert seen == pictures + pictures[:2]


async def test_edit_is_streamed_under_names_of_its_own(edge: Edge) -> None:
    data = CAT | {"stream": "true", "partial_images": "1"}

    _, events = await events_of(edge, EDITS, data=data, files=[("image", image_file(png()))])

    assert [name for name, _ in events] == ["image_edit.partial_image", "image_edit.completed"]
    assert edge.state.files.free_bytes == FileSettings().memory_mb * 1024 * 1024


@pytest.mark.parametrize(
    ("data", "files", "expected"),
    [
        (CAT, [], (400, "missing_required_parameter", "image")),
        ({}, [("image", png())], (400, "missing_required_parameter", "prompt")),
        (CAT, [("image", b"a text")], (400, "invalid_image_input", "image")),
        (CAT, [("image", b"")], (400, "invalid_image_input", "image")),
        (CAT, [("image[]", png()), ("image[]", b"x")], (400, "invalid_image_input", "image[]")),
        (CAT, [("image", png())] * 6, (400, "too_many_images", "image")),
        (CAT, [("image", png())] * 17, (400, "invalid_form", None)),
        (CAT, [("image", png()), ("mask", png())], (400, "unsupported_value", "mask")),
        (CAT | {"n": "3"}, [("image", png())], (400, "invalid_value", "n")),
        (CAT | {"n": "x"}, [("image", png())], (400, "invalid_value", "n")),
        (CAT | {"size": "x"}, [("image", png())], (400, "invalid_value", "size")),
        (CAT | {"model": "grok-4"}, [("image", png())], (400, "model_not_supported", "model")),
        (CAT | {"model": "nope"}, [("image", png())], (404, "model_not_found", "model")),
        (CAT, [("image", bytes(2_000_000))], (413, "request_too_large", None)),
    ],
)
async def test_bad_edit_is_refused_before_an_account_is_touched(
    edge: Edge,
    data: dict[str, Any],
    files: list[tuple[str, bytes]],
    expected: tuple[int, str | None, str | None],
) -> None:
    sent = [(field, image_file(content)) for field, content in files]
    # Without files the client would not send a form of parts.
    sent = sent or [("other", image_file(png()))]

    assert error_of(await edge.client.post(EDITS, data=data, files=sent)) == expected
    assert await nothing_happened(edge)
    assert edge.state.files.free_bytes == FileSettings().memory_mb * 1024 * 1024


def bomb() -> bytes:
    """Return a small file that unpacks to gigabytes."""
    whole = b"IHDR" + (50_000).to_bytes(4, "big") * 2 + b"\x08\x06\0\0\0"
    chunk = (13).to_bytes(4, "big") + whole + zlib.crc32(whole).to_bytes(4, "big")
    return b"\x89PNG\r\n\x1a\n" + chunk


async def test_bomb_is_refused_by_its_size_in_pixels(edge: Edge) -> None:
    response = await edge.client.post(EDITS, data=CAT, files=[("image", image_file(bomb()))])

    assert error_of(response) == (400, "invalid_image_input", "image")
    assert "50000 x 50000" in response.json()["error"]["message"]
    assert await nothing_happened(edge)


@pytest.mark.parametrize(
    ("content_type", "body", "code"),
    [
        ("multipart/form-data", b"--x--\r\n", "invalid_form"),
        ("multipart/form-data; boundary=x", b"no form", "invalid_form"),
        ("multipart/form-data; boundary=x", b"--x--\r\n", "missing_required_parameter"),
        ("application/x-www-form-urlencoded", b"prompt=a", "missing_required_parameter"),
        ("text/plain", b"hello", None),
    ],
)
async def test_body_that_is_no_form_is_refused_in_openai_form(
    edge: Edge, content_type: str, body: bytes, code: str | None
) -> None:
    headers = {"content-type": content_type}

    response = await edge.client.post(EDITS, content=body, headers=headers)

    assert response.status_code == 400
    assert response.json()["error"]["code"] == code
    assert response.json()["error"]["type"] == "invalid_request_error"


async def test_internal_addresses_are_not_fetched(edge: Edge) -> None:
    body = CAT | {"image": f"{edge.url}/healthz"}

    assert error_of(await edge.client.post(EDITS, json=body)) == (
        400,
        "invalid_image_input",
        "image",
    )
    assert await nothing_happened(edge)


async def chunks(size: int) -> AsyncIterator[bytes]:
    head = '--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
    yield head.encode()
    for _ in range(size // 65_536):
        yield bytes(65_536)


async def test_upload_without_a_length_ends_at_the_limit(edge: Edge) -> None:
    headers = {"content-type": "multipart/form-data; boundary=x"}

    response = await edge.client.post(EDITS, content=chunks(4_000_000), headers=headers)

    assert error_of(response) == (413, "request_too_large", None)
    assert await nothing_happened(edge)


async def test_uploads_wait_for_memory_and_are_told_when_it_takes_too_long(
    make_edge: EdgeMaker,
) -> None:
    settings = changed_settings(files=FileSettings(memory_mb=1, fetch_timeout_s=0.05))
    files = [("image", image_file(png(extra=bytes(700_000))))]
    async with make_edge(settings) as edge, asyncio.TaskGroup() as group:
        edge.painter.play = hangs
        first = group.create_task(edge.client.post(EDITS, data=CAT, files=files))
        await asyncio.wait_for(edge.painter.opened.wait(), 10)

        second = await edge.client.post(EDITS, data=CAT, files=files)

        assert second.json()["error"]["code"] == "files_exhausted"
        assert len(edge.painter.requests) == 1
        first.cancel()
        await asyncio.wait_for(edge.painter.closed.wait(), 10)
        edge.painter.play = paint_all
        await edge.leases_are_free()
        third = await edge.client.post(EDITS, data=CAT, files=files)
        assert third.status_code == 200
