"""Kept pictures and videos at the edge: who may have them, and every way of asking for them."""

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx2
import msgspec
import pytest

from grok2api.config.media import MediaSettings
from grok2api.config.schema import AppSettings, Settings
from grok2api.domain.media import MediaKind, StoredMedia
from grok2api.media import objects
from grok2api.web.client_address import TrustedProxies
from tests.web.conftest import TEST_SETTINGS, WAIT_S, Edge, EdgeMaker, wait_until

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8
MP4 = b"\x00\x00\x00\x18ftypmp42" + bytes(range(256)) * 4096
REFUSED = "invalid_link"
IDS = [
    "",
    "../../../../etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e",
    "image%00",
    "\u2024\u2024\u2215etc",
    "a" * 31,
    "a" * 33,
    "A" * 32,
    "a" * 32 + "%0a",
    "a" * 32 + "%00.png",
    "video_0123456789abcdef0123456789abcdef",
    "0123abcd-0123-0123-0123-0123456789ab",
]


def settings(**changes: object) -> Settings:
    return msgspec.structs.replace(TEST_SETTINGS, **changes)


@pytest.fixture
async def stranger(edge: Edge) -> AsyncIterator[httpx2.AsyncClient]:
    """A client without a key."""
    async with httpx2.AsyncClient(base_url=edge.url, timeout=WAIT_S) as client:
        yield client


@pytest.fixture
async def picture(edge: Edge) -> StoredMedia:
    return await edge.state.media.put(MediaKind.IMAGE, PNG, "image/png")


@pytest.fixture
async def film(edge: Edge) -> StoredMedia:
    return await edge.state.media.put(MediaKind.VIDEO, MP4, "video/mp4")


def path_of(edge: Edge, media: StoredMedia) -> Path:
    """Return where the bytes of `media` lie."""
    return edge.data_dir / "media" / media.place


def code_of(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_link_opens_without_a_key(
    edge: Edge, stranger: httpx2.AsyncClient, picture: StoredMedia
) -> None:
    answer = await stranger.get(edge.state.links.link(picture, edge.url))

    assert answer.status_code == 200
    assert answer.content == PNG
    headers = answer.headers
    assert headers["content-type"] == "image/png"
    assert headers["content-length"] == str(len(PNG))
    assert headers["content-disposition"] == f'inline; filename="{picture.id}.png"'
    assert headers["accept-ranges"] == "bytes"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert headers["etag"] == f'"{hashlib.sha256(PNG).hexdigest()[:32]}"'
    modified_s = parsedate_to_datetime(headers["last-modified"]).timestamp()
    assert modified_s == int(picture.created_at_s)


async def test_client_that_has_taken_all_of_a_file_does_not_count_as_gone(
    edge: Edge, stranger: httpx2.AsyncClient, film: StoredMedia
) -> None:
    async def is_counted() -> bool:
        return "/v1/files/video" in edge.state.metrics.render().decode()

    assert (await stranger.get(edge.state.links.link(film, edge.url))).content == MP4

    await wait_until(is_counted)
    assert 'route="/v1/files/video",status="2xx"' in edge.state.metrics.render().decode()


async def test_answer_is_kept_no_longer_than_the_link_opens(
    edge: Edge, stranger: httpx2.AsyncClient, picture: StoredMedia
) -> None:
    link = httpx2.URL(edge.state.links.link(picture, edge.url))
    before_s = edge.state.clock.now_s()

    control = (await stranger.get(link)).headers["cache-control"]

    private, age, immutable = control.split(", ")
    assert (private, immutable) == ("private", "immutable")
    left_s = int(age.removeprefix("max-age="))
    assert 0 < left_s <= int(link.params["exp"]) - before_s


async def test_name_is_for_saving_when_asked(
    edge: Edge, stranger: httpx2.AsyncClient, film: StoredMedia
) -> None:
    answer = await stranger.get(edge.state.links.link(film, edge.url) + "&download=1")

    assert answer.headers["content-disposition"] == f'attachment; filename="{film.id}.mp4"'
    assert answer.headers["content-type"] == "video/mp4"


async def test_head_says_what_get_would(
    edge: Edge, stranger: httpx2.AsyncClient, film: StoredMedia
) -> None:
    link = edge.state.links.link(film, edge.url)

    head = await stranger.head(link, headers={"range": "bytes=0-9"})
    whole = await stranger.get(link)

    assert head.status_code == 200
    assert head.content == b""
    own = {"x-request-id", "request-id", "date", "cache-control"}
    assert {k: v for k, v in head.headers.items() if k not in own} == {
        k: v for k, v in whole.headers.items() if k not in own
    }


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-9", 5, 10),
        ("bytes=262100-524400", 262_100, 524_401),
        ("bytes=-16", len(MP4) - 16, len(MP4)),
        ("bytes=1000000-", 1_000_000, len(MP4)),
    ],
)
async def test_part_is_that_part(
    edge: Edge, stranger: httpx2.AsyncClient, film: StoredMedia, asked: str, start: int, end: int
) -> None:
    link = edge.state.links.link(film, edge.url)

    answer = await stranger.get(link, headers={"range": asked})

    assert answer.status_code == 206
    assert answer.content == MP4[start:end]
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(MP4)}"
    assert answer.headers["content-length"] == str(end - start)


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "lines=0-1", "bytes=9-5", "nonsense"])
async def test_what_is_not_one_part_is_answered_whole(
    edge: Edge, stranger: httpx2.AsyncClient, picture: StoredMedia, asked: str
) -> None:
    link = edge.state.links.link(picture, edge.url)

    answer = await stranger.get(link, headers={"range": asked})

    assert (answer.status_code, answer.content) == (200, PNG)


async def test_part_behind_the_end_is_told_the_size(
    edge: Edge, stranger: httpx2.AsyncClient, picture: StoredMedia
) -> None:
    link = edge.state.links.link(picture, edge.url)

    answer = await stranger.get(link, headers={"range": f"bytes={len(PNG)}-"})

    assert (answer.status_code, answer.content) == (416, b"")
    assert answer.headers["content-range"] == f"bytes */{len(PNG)}"


async def test_part_continues_only_what_the_client_has(
    edge: Edge, stranger: httpx2.AsyncClient, picture: StoredMedia
) -> None:
    link = edge.state.links.link(picture, edge.url)
    part = {"range": "bytes=0-3"}

    same = await stranger.get(link, headers=part | {"if-range": f'"{picture.id}"'})
    other = await stranger.get(link, headers=part | {"if-range": '"something else"'})

    assert (same.status_code, same.content) == (206, PNG[:4])
    assert (other.status_code, other.content) == (200, PNG)


async def test_file_that_the_client_has_is_not_sent_again(
    edge: Edge, stranger: httpx2.AsyncClient, picture: StoredMedia
) -> None:
    link = edge.state.links.link(picture, edge.url)
    first = await stranger.get(link)

    by_tag = await stranger.get(link, headers={"if-none-match": first.headers["etag"]})
    by_date = await stranger.get(
        link, headers={"if-modified-since": first.headers["last-modified"]}
    )
    changed = await stranger.get(link, headers={"if-none-match": '"another"'})

    assert (by_tag.status_code, by_tag.content) == (304, b"")
    assert by_tag.headers["etag"] == first.headers["etag"]
    assert "cache-control" in by_tag.headers
    assert by_date.status_code == 304
    assert changed.status_code == 200


@pytest.mark.parametrize("kind", ["image", "video"])
@pytest.mark.parametrize("media_id", IDS)
async def test_what_is_no_id_is_refused(
    edge: Edge, stranger: httpx2.AsyncClient, kind: str, media_id: str
) -> None:
    for client in (stranger, edge.client):
        answer = await client.get(f"/v1/files/{kind}?id={media_id}")

        assert code_of(answer) == (400, "invalid_file_id")
        assert answer.json()["error"]["param"] == "id"


async def test_file_without_an_id_in_the_query_is_no_file(edge: Edge) -> None:
    assert code_of(await edge.client.get("/v1/files/image"))[0] == 400
    assert code_of(await edge.client.get("/v1/files/image/../../etc/passwd"))[0] == 404
    assert code_of(await edge.client.get("/v1/files/input?id=" + "a" * 32))[0] == 404


async def test_changed_link_is_refused(
    edge: Edge, stranger: httpx2.AsyncClient, picture: StoredMedia, film: StoredMedia
) -> None:
    link = httpx2.URL(edge.state.links.link(picture, edge.url))
    longer = str(int(link.params["exp"]) + 3600)

    for changed in (
        link.copy_set_param("exp", longer),
        link.copy_remove_param("exp"),
        link.copy_remove_param("sig"),
        link.copy_set_param("sig", ""),
        link.copy_set_param("sig", link.params["sig"][:-1]),
        link.copy_set_param("id", film.id),
        link.copy_set_param("id", "0" * 32),
        link.copy_with(path="/v1/files/video"),
    ):
        for method in ("GET", "HEAD"):
            answer = await stranger.request(method, changed)
            assert answer.status_code == 403, changed
        assert code_of(await stranger.get(changed)) == (403, REFUSED)


async def test_link_of_another_kind_does_not_open(
    edge: Edge, stranger: httpx2.AsyncClient, picture: StoredMedia
) -> None:
    same_bytes = await edge.state.media.put(MediaKind.VIDEO, PNG, "video/mp4")
    assert same_bytes.id == picture.id
    link = edge.state.links.link(picture, edge.url)

    answer = await stranger.get(link.replace("/files/image", "/files/video"))

    assert code_of(answer) == (403, REFUSED)


async def test_link_that_has_ended_says_so(make_edge: EdgeMaker) -> None:
    async with make_edge(settings(media=MediaSettings(link_ttl_s=0.001))) as edge:
        picture = await edge.state.media.put(MediaKind.IMAGE, PNG, "image/png")
        link = edge.state.links.link(picture, edge.url)
        ends_s = int(httpx2.URL(link).params["exp"])

        async def is_over() -> bool:
            return edge.state.clock.now_s() >= ends_s

        await wait_until(is_over)
        async with httpx2.AsyncClient() as stranger:
            answer = await stranger.get(link)

        assert code_of(answer) == (403, "link_expired")
        assert (await edge.client.get(link)).content == PNG


async def test_client_key_opens_what_a_link_does_not(
    edge: Edge, stranger: httpx2.AsyncClient, picture: StoredMedia
) -> None:
    path = f"/v1/files/image?id={picture.id}"
    key = edge.client.headers["authorization"].removeprefix("Bearer ")

    by_bearer = await edge.client.get(path)
    by_header = await stranger.get(path, headers={"x-api-key": key})
    by_wrong_key = await stranger.get(path, headers={"x-api-key": "sk-wrong"})

    assert by_bearer.content == by_header.content == PNG
    assert by_bearer.headers["cache-control"] == "private, no-cache"
    assert code_of(by_wrong_key) == (401, "invalid_api_key")


async def test_link_opens_whatever_key_comes_with_it(
    edge: Edge, stranger: httpx2.AsyncClient, picture: StoredMedia
) -> None:
    link = edge.state.links.link(picture, edge.url)

    assert (await stranger.get(link, headers={"x-api-key": "of another server"})).content == PNG


async def test_files_that_need_a_key_open_with_nothing_else(make_edge: EdgeMaker) -> None:
    async with make_edge(settings(media=MediaSettings(link_mode="key"))) as edge:
        picture = await edge.state.media.put(MediaKind.IMAGE, PNG, "image/png")
        link = edge.state.links.link(picture, edge.url)
        async with httpx2.AsyncClient() as stranger:
            assert code_of(await stranger.get(link)) == (401, "invalid_api_key")
        assert (await edge.client.get(link)).content == PNG


async def test_open_files_are_for_everybody_and_every_cache(make_edge: EdgeMaker) -> None:
    async with make_edge(settings(media=MediaSettings(link_mode="open"))) as edge:
        picture = await edge.state.media.put(MediaKind.IMAGE, PNG, "image/png")
        async with httpx2.AsyncClient() as stranger:
            answer = await stranger.get(edge.state.links.link(picture, edge.url))

        assert answer.content == PNG
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_file_that_is_not_there_is_not_found(edge: Edge, picture: StoredMedia) -> None:
    link = edge.state.links.link(picture, edge.url)
    await edge.state.media.delete(MediaKind.IMAGE, picture.id)

    answer = await edge.client.get(link)

    assert code_of(answer) == (404, "file_not_found")
    assert answer.json()["error"]["param"] == "id"


async def test_path_without_version_works_too(edge: Edge, picture: StoredMedia) -> None:
    path = edge.state.links.link(picture).removeprefix("/v1")

    assert (await edge.client.get(path)).content == PNG


OPERATED = settings(app=AppSettings(app_key="the-operator"))


async def address_told(edge: Edge, headers: dict[str, str]) -> str:
    """Return how a link begins that is made for a request with these headers."""
    await edge.state.media.put(MediaKind.IMAGE, PNG, "image/png")
    admin = {"authorization": "Bearer the-operator"}
    answer = await edge.client.get("/admin/api/cache/list", headers=admin | headers)
    url: str = answer.json()["items"][0]["view_url"]
    return url.partition("/v1/files/image?id=")[0]


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        ({"host": "gateway.example:8443"}, "http://gateway.example:8443"),
        ({"host": "[::1]:80"}, "http://[::1]:80"),
        ({"host": "h", "x-forwarded-proto": "https"}, "https://h"),
        ({"host": "h", "x-forwarded-host": "gw.example:8443"}, "http://gw.example:8443"),
        (
            {"host": "h", "x-forwarded-proto": "https", "x-forwarded-host": "gw.example"},
            "https://gw.example",
        ),
        ({"host": "h", "x-forwarded-host": "evil.example, gw.example"}, "http://gw.example"),
        ({"host": "h", "x-forwarded-host": "evil.example/path"}, "http://h"),
        ({"host": "evil.example/path"}, ""),
        ({"host": "user@evil.example"}, ""),
        ({"host": 'h"><script>'}, ""),
        ({"host": "h:123456"}, ""),
        ({"host": ""}, ""),
    ],
)
async def test_address_is_told_by_a_plain_host_and_a_trusted_proxy(
    make_edge: EdgeMaker, headers: dict[str, str], address: str
) -> None:
    async with make_edge(OPERATED) as edge:
        assert await address_told(edge, headers) == address


async def test_address_is_not_told_by_a_stranger(make_edge: EdgeMaker) -> None:
    said = {"x-forwarded-proto": "https", "x-forwarded-host": "evil.example"}

    async with make_edge(OPERATED, proxies=TrustedProxies(["10.0.0.0/8"])) as edge:
        assert await address_told(edge, {"host": "h"} | said) == "http://h"


async def test_address_of_the_settings_counts_most(make_edge: EdgeMaker) -> None:
    app = AppSettings(app_key="the-operator", app_url="https://public.example/gw/")
    async with make_edge(settings(app=app)) as edge:
        await edge.state.media.put(MediaKind.IMAGE, PNG, "image/png")
        admin = {"authorization": "Bearer the-operator"}
        answer = await edge.client.get("/admin/api/cache/list", headers=admin)

    url = answer.json()["items"][0]["view_url"]
    assert url.startswith("https://public.example/gw/v1/files/image?id=")


async def test_file_whose_bytes_are_gone_is_not_found_and_forgotten(
    edge: Edge, picture: StoredMedia
) -> None:
    link = edge.state.links.link(picture, edge.url)
    path_of(edge, picture).unlink()

    assert code_of(await edge.client.get(link)) == (404, "file_not_found")
    assert await edge.state.media.find(MediaKind.IMAGE, picture.id) is None


LARGE = 32 * 1024 * 1024


async def put_large(edge: Edge) -> StoredMedia:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(LARGE // len(MP4)):
            yield number.to_bytes(8, "big") + MP4[8:]
        yield MP4

    return await edge.state.media.put_stream(
        MediaKind.VIDEO, pieces(), "video/mp4", limit_bytes=2 * LARGE
    )


async def ask(edge: Edge, link: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Ask for a file and read the first bytes of the answer, no more."""
    reader, writer = await edge.open()
    writer.write(f"GET {link} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    return reader, writer


async def test_answer_that_breaks_off_does_not_end_well(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "_SHORT_S", 1.0)
    film = await put_large(edge)
    reader, writer = await ask(edge, edge.state.links.link(film))

    os.truncate(path_of(edge, film), film.size_bytes // 2)
    rest = await reader.read()
    writer.close()

    head, _, body = rest.partition(b"\r\n\r\n")
    assert f"content-length: {film.size_bytes}".encode() in head
    assert len(body) < film.size_bytes


def open_files(path: Path) -> int:
    """Return how often this process has `path` open."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found += link.readlink() == path
    return found


async def test_file_is_closed_when_the_client_leaves(edge: Edge) -> None:
    film = await put_large(edge)
    path = path_of(edge, film)
    reader, writer = await ask(edge, edge.state.links.link(film))
    await reader.readexactly(100_000)
    assert open_files(path)

    writer.transport.abort()

    async def is_closed() -> bool:
        return not open_files(path) and edge.state.drain.in_flight == 0

    await wait_until(is_closed)


async def test_connection_goes_on_after_a_file(edge: Edge, picture: StoredMedia) -> None:
    link = edge.state.links.link(picture)
    reader, writer = await ask(edge, link)
    await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(len(PNG))

    writer.write(f"HEAD {link} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()

    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"\r\n\r\n")
