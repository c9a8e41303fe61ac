"""Kept pictures and videos as operators see them: how much there is, a list, taking away."""

import hashlib
from collections.abc import AsyncIterator

import httpx2
import msgspec
import pytest

from grok2api.config.media import CacheSettings, LocalCacheSettings, MediaSettings
from grok2api.domain.media import MediaKind, StoredMedia
from tests.web.conftest import WAIT_S, EdgeMaker
from tests.web.operators import SETTINGS, Operator, open_operator

PNG = b"\x89PNG\r\n\x1a\n"
MB = 1024 * 1024
ROUTES = [
    ("GET", "/cache"),
    ("GET", "/cache/list"),
    ("POST", "/cache/clear"),
    ("POST", "/cache/item/delete"),
    ("POST", "/cache/items/delete"),
]


@pytest.fixture
async def operator(make_edge: EdgeMaker) -> AsyncIterator[Operator]:
    async with open_operator(make_edge) as running:
        yield running


async def put(operator: Operator, text: object, kind: MediaKind = MediaKind.IMAGE) -> StoredMedia:
    media_type = "video/mp4" if kind is MediaKind.VIDEO else "image/png"
    return await operator.edge.state.media.put(kind, PNG + str(text).encode(), media_type)


async def count(operator: Operator) -> tuple[int, int]:
    told = await operator.get("/cache")
    return told["local_image"]["count"], told["local_video"]["count"]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a_client_key_is_not_enough(operator: Operator, method: str, path: str) -> None:
    await put(operator, "a")

    answer = await operator.edge.client.request(method, f"/admin/api{path}", json={"type": "image"})

    assert answer.status_code == 401
    assert await count(operator) == (1, 0)


async def test_usage_without_limits(operator: Operator) -> None:
    await put(operator, "x" * 2 * MB)

    told = await operator.get("/cache")

    assert told["local_image"] == {
        "count": 1,
        "size_mb": 2.0,
        "size_bytes": 2 * MB + len(PNG),
        "reserved_bytes": 0,
        "limit_mb": 0.0,
        "limit_bytes": 0,
        "limited": False,
        "usage_ratio": None,
        "usage_percent": None,
    }
    assert told["local_video"]["count"] == 0


async def test_usage_within_limits(make_edge: EdgeMaker) -> None:
    limits = CacheSettings(local=LocalCacheSettings(image_max_mb=8, video_max_mb=10))
    async with (
        make_edge(msgspec.structs.replace(SETTINGS, cache=limits)) as edge,
        httpx2.AsyncClient(base_url=edge.url, timeout=WAIT_S) as client,
    ):
        await edge.state.media.put(MediaKind.IMAGE, b"x" * 2 * MB, "image/png")
        headers = {"authorization": "Bearer password-of-the-operator"}
        told = (await client.get("/admin/api/cache", headers=headers)).json()

    image = told["local_image"]
    assert (image["limited"], image["limit_mb"], image["limit_bytes"]) == (True, 8.0, 8 * MB)
    assert (image["usage_ratio"], image["usage_percent"]) == (0.25, 25.0)
    assert told["local_video"]["usage_ratio"] == 0.0


async def test_list_has_the_newest_first_and_goes_on(operator: Operator) -> None:
    made = [await put(operator, number) for number in range(5)]
    # Those of one millisecond stand by their ids.
    kept = sorted(made, key=lambda media: (media.created_at_s, media.id))
    film = await put(operator, "film", MediaKind.VIDEO)

    names: list[str] = []
    page = await operator.get("/cache/list", type="image", page_size=2)
    while True:
        assert (page["status"], page["total"], page["page_size"]) == ("success", 5, 2)
        names += [item["name"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        page = await operator.get(
            "/cache/list", type="image", page_size=2, cursor=page["next_cursor"]
        )

    assert names == [f"{media.id}.png" for media in reversed(kept)]
    numbered = await operator.get("/cache/list", page=2, page_size=2)
    assert numbered["page"] == 2
    assert [item["name"] for item in numbered["items"]] == names[2:4]
    films = await operator.get("/cache/list", cache_type="video")
    item = films["items"][0]
    assert (item["name"], item["media_type"]) == (f"{film.id}.mp4", "video/mp4")
    assert item["size_bytes"] == film.size_bytes
    assert item["modified_at"] == film.created_at_s


@pytest.mark.parametrize("mode", ["signed", "key", "open"])
async def test_view_url_opens_by_itself(make_edge: EdgeMaker, mode: str) -> None:
    media = msgspec.convert({"link_mode": mode}, MediaSettings)
    async with (
        make_edge(msgspec.structs.replace(SETTINGS, media=media)) as edge,
        httpx2.AsyncClient(base_url=edge.url, timeout=WAIT_S) as stranger,
    ):
        await edge.state.media.put(MediaKind.IMAGE, PNG, "image/png")
        headers = {"authorization": "Bearer password-of-the-operator"}
        page = (await stranger.get("/admin/api/cache/list", headers=headers)).json()
        answer = await stranger.get(page["items"][0]["view_url"])

    assert (answer.status_code, answer.content) == (200, PNG)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"type": "input"}, "type"),
        ({"type": "../image"}, "type"),
        ({"page_size": "0"}, "page_size"),
        ({"page_size": "1001"}, "page_size"),
        ({"page_size": "-1"}, "page_size"),
        ({"page": "x"}, "page"),
        ({"page": "0"}, "page"),
        ({"cursor": "!"}, "cursor"),
        ({"cursor": "9" * 40}, "cursor"),
        ({"cursor": "-1"}, "cursor"),
    ],
)
async def test_list_refuses_what_it_does_not_know(
    operator: Operator, query: dict[str, str], param: str
) -> None:
    status, told, _ = await operator.refused("GET", "/cache/list", params=query)

    assert (status, told) == (400, param)


async def test_clearing_takes_one_kind(operator: Operator) -> None:
    for number in range(3):
        await put(operator, number)
    await put(operator, "film", MediaKind.VIDEO)

    told = await operator.send("POST", "/cache/clear", {"type": "image"})

    assert told == {"status": "success", "result": {"removed": 3}}
    assert await count(operator) == (0, 1)


async def test_clearing_does_not_guess_what(operator: Operator) -> None:
    await put(operator, "a")

    for body in ({}, {"type": "input"}, {"type": ""}, {"type": "all"}):
        status, param, _ = await operator.refused("POST", "/cache/clear", body)
        assert (status, param) == (400, "type")
    assert await count(operator) == (1, 0)


@pytest.mark.parametrize("extension", ["", ".png", ".jpg"])
async def test_one_file_goes(operator: Operator, extension: str) -> None:
    media, other = await put(operator, "a"), await put(operator, "b")
    name = media.id + extension

    told = await operator.send("POST", "/cache/item/delete", {"type": "image", "name": name})

    assert told == {"status": "success", "result": {"deleted": name}}
    page = await operator.get("/cache/list")
    assert [item["name"] for item in page["items"]] == [f"{other.id}.png"]


async def test_file_that_is_not_there_is_not_found(operator: Operator) -> None:
    media = await put(operator, "a")
    for body in (
        {"type": "image", "name": "0" * 32 + ".png"},
        {"type": "video", "name": media.id},
    ):
        refused = await operator.refused("POST", "/cache/item/delete", body)
        assert refused == (404, "name", "file_not_found")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "missing_file_name"),
        ("../" + "a" * 32 + ".png", "invalid_file_name"),
        ("a" * 32 + ".mp4", "invalid_file_name"),
        ("a" * 32 + ".svg", "invalid_file_name"),
        ("a" * 32 + ".png\n", "invalid_file_name"),
        ("a" * 32 + ".", "invalid_file_name"),
        ("a" * 32 + "\0.png", "invalid_file_name"),
        ("..", "invalid_file_name"),
        ("A" * 32, "invalid_file_name"),
    ],
)
async def test_what_is_no_name_is_refused(operator: Operator, name: str, code: str) -> None:
    refused = await operator.refused("POST", "/cache/item/delete", {"type": "image", "name": name})

    assert refused == (400, "name", code)


async def test_several_files_go_and_those_that_are_missing_are_counted(operator: Operator) -> None:
    kept = [await put(operator, number) for number in range(3)]
    names = [f"{kept[0].id}.png", kept[0].id, kept[1].id, hashlib.md5(b"x").hexdigest()]  # noqa: S324

    told = await operator.send("POST", "/cache/items/delete", {"type": "image", "names": names})

    assert told == {"status": "success", "result": {"deleted": 2, "missing": 1}}
    assert await count(operator) == (1, 0)


async def test_no_file_goes_when_one_name_is_wrong(operator: Operator) -> None:
    media = await put(operator, "a")

    for names, code in (
        ([], "missing_file_names"),
        ([media.id, "../x"], "invalid_file_name"),
        ([media.id] * 1001, "invalid_value"),
    ):
        refused = await operator.refused(
            "POST", "/cache/items/delete", {"type": "image", "names": names}
        )
        assert refused == (400, "names", code)
    assert await count(operator) == (1, 0)
