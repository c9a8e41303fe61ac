"""The hosts of files: who gets what, how downloads fail, and the list of what is there."""

import httpx2
import msgspec
import pytest

from grok2api.simulator.options import SimulatorOptions
from tests.simulator.client import PNG, Json, Site, cookie, frames_of, open_site, upload
from tests.simulator.media_client import (
    IMAGE_ACCEPT,
    NEW,
    call,
    download,
    download_headers,
    finals_of,
    imagine,
    page_headers,
    size_of,
)
from tests.simulator.test_image_edit import edit, pictures
from tests.simulator.test_video import film, states, video_body


async def own_path(site: Site) -> str:
    """Return where a picture lies that only its account may see."""
    return str(pictures(await edit(site, "x"))[-1]["imageUrl"])


async def test_stranger_and_missing_session_get_a_page_that_says_no(site: Site) -> None:
    await site.register({"session": "s2", "name": "s2"})
    path = await own_path(site)

    stranger = await download(site, path, "s2")

    assert (stranger.status_code, stranger.headers["content-type"]) == (
        403,
        "text/html; charset=UTF-8",
    )


@pytest.mark.parametrize("status", ["expired", "blocked"])
async def test_account_that_is_shut_out_gets_nothing(site: Site, status: str) -> None:
    path = await own_path(site)
    await site.http.patch("/_sim/accounts/s1", json={"status": status})

    assert (await download(site, path)).status_code == 403


async def test_upload_is_there_byte_by_byte_until_it_is_deleted(site: Site) -> None:
    file_id = await upload(site)
    owner = (await site.register({"session": "s1", "name": "s1"}))[0]["user_id"]
    path = f"users/{owner}/{file_id}/content"

    before = await download(site, path)
    await delete(site, file_id)

    assert before.content == PNG
    assert (await download(site, path)).status_code == 404


async def delete(site: Site, asset_id: str) -> int:
    headers = page_headers(page="/files")
    return (
        await site.http.delete(f"/rest/assets-metadata/{asset_id}", headers=headers)
    ).status_code


def navigation(session: str = "s1") -> Json:
    return download_headers(session, IMAGE_ACCEPT) | {
        "cache-control": "no-cache",
        "pragma": "no-cache",
        "priority": "u=0, i",
        "sec-fetch-dest": "document",
        "sec-fetch-mode": "navigate",
        "sec-fetch-site": "none",
        "sec-fetch-user": "?1",
        "upgrade-insecure-requests": "1",
    }


async def test_download_may_look_like_a_navigation(site: Site) -> None:
    path = await own_path(site)
    headers = navigation() | {"referer": f"{site.url}/"}

    assert (await site.http.get(f"/{path}", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        {"origin": "https://grok.com"},
        {"referer": "https://grok.com/"},
        {"content-type": "application/json"},
        {"x-statsig-id": "x"},
        {"x-xai-request-id": "x"},
        {"accept": "image/png"},
        {"user-agent": "curl/8"},
        {"baggage": "x"},
        {"cookie": "sso=s1"},
        {"sec-fetch-dest": "document"},
    ],
)
async def test_download_that_breaks_a_rule_is_refused(site: Site, header: Json) -> None:
    path = await own_path(site)

    reply = await site.http.get(f"/{path}", headers=download_headers() | header)

    assert reply.status_code == 400
    violations = (await site.ledger())["violations"]
    assert [line for line in violations if "asset: " in line]


async def test_cookie_on_the_public_host_is_a_violation(site: Site) -> None:
    url = finals_of(await imagine(site, "x"))[0]["url"]

    reply = await site.http.get(url, headers=download_headers("s1"))

    assert reply.status_code == 400
    assert "cookie" in (await site.page("s1"))["violations"][0]


async def test_public_host_has_the_last_preview_too(site: Site) -> None:
    url = finals_of(await imagine(site, "x"))[0]["url"].replace(".jpg", ".png")

    assert (await download(site, url, "")).content.startswith(b"\x89PNG")


async def test_scripted_failures_pass_and_are_counted(site: Site) -> None:
    path = await own_path(site)
    await site.script("fault=unavailable", target="asset", times=2)

    got = [(await download(site, path)).status_code for _ in range(3)]

    assert got == [503, 503, 200]
    page = await site.page("s1")
    assert (page["download_tries"], page["downloads"]) == (3, 1)


async def test_body_may_be_a_page_or_empty(site: Site) -> None:
    path = await own_path(site)
    html = 'http=200; content_type="text/html"; body="<html></html>"'
    await site.script(html, "http=200; content_type=image/jpeg", target="asset")

    assert (await download(site, path)).text == "<html></html>"
    assert (await download(site, path)).content == b""


@pytest.mark.parametrize("ending", ["truncate", "reset"])
async def test_body_may_break_off(site: Site, ending: str) -> None:
    path = await own_path(site)
    await site.script(f"end={ending}", target="asset")

    with pytest.raises(httpx2.TransportError):
        await download(site, path)

    assert (await site.page("s1"))["downloads"] == 0


async def list_assets(site: Site, **params: str) -> Json:
    headers = page_headers(page="/files")
    reply = await site.http.get("/rest/assets", params=params, headers=headers)
    return dict(reply.json())


async def test_list_shows_what_was_uploaded_and_made_and_all_can_be_deleted(site: Site) -> None:
    uploaded = await upload(site)
    made = finals_of(await imagine(site, "x"))[0]["id"]
    video = states(await film(site, "x"))[-1]["videoId"]

    listed = (await list_assets(site))["assets"]

    assert [asset["assetId"] for asset in listed] == [video, made, uploaded]
    assert [asset["contentType"] for asset in listed] == ["video/mp4", "image/jpeg", "image/png"]
    assert all(asset["fileSize"] and asset["createdAt"].endswith("Z") for asset in listed)
    assert [await delete(site, asset["assetId"]) for asset in listed] == [200] * 3
    assert (await list_assets(site))["assets"] == []
    assert (await site.page("s1"))["deletes"] == 3


async def test_deleted_picture_lies_nowhere(site: Site) -> None:
    final = pictures(await edit(site, "x"))[-1]
    await delete(site, final["assetId"])

    assert (await download(site, final["imageUrl"])).status_code == 404


async def test_list_goes_on_page_by_page_over_made_pictures(site: Site) -> None:
    for _ in range(6):
        await imagine(site, "x", 10)

    first = await list_assets(site)
    second = await list_assets(site, pageToken=first["nextPageToken"])

    ids = {asset["assetId"] for asset in first["assets"] + second["assets"]}
    assert (len(first["assets"]), len(second["assets"]), len(ids)) == (50, 10, 60)
    assert "nextPageToken" not in second


@pytest.mark.parametrize(
    ("names", "where", "key"), [("plain", "items", "id"), ("snake", "assets", "file_path")]
)
async def test_list_may_spell_its_keys_in_other_ways(
    site: Site, names: str, where: str, key: str
) -> None:
    await upload(site)
    await site.script(f"names={names}", target="assets")

    assert key in (await list_assets(site))[where][0]


def card_urls(body: bytes) -> list[str]:
    urls = []
    for frame in frames_of(body):
        card = frame.get("result", {}).get("response", {}).get("cardAttachment", {})
        text = card.get("jsonData", "")
        if '"progress":100' in text:
            urls.append(text.partition('"imageUrl":"')[2].partition('"')[0])
    return urls


async def test_drawing_can_be_downloaded(site: Site) -> None:
    urls = card_urls((await site.post("Drawing: a lighthouse")).content)

    contents = [(await download(site, url)).content for url in urls]
    assert [size_of(content) for content in contents] == [(960, 960)] * 2
    assert contents[0] != contents[1]


async def test_drawing_over_the_socket_can_be_downloaded(site: Site) -> None:
    await site.answer("Drawing: a lighthouse")

    listed = (await list_assets(site))["assets"]
    assert [(await download(site, a["filePath"])).status_code for a in listed] == [200, 200]


async def ask_media_quota(site: Site, body: Json | None = None) -> httpx2.Response:
    return await call(site, "/rest/media/imagine/quota_info", body or {})


async def test_media_quota_is_five_times_null_unless_it_is_set(site: Site) -> None:
    shown = (await ask_media_quota(site)).json()

    keys = ["image", "imagePro", "imageEdit", "video", "video720p"]
    assert shown == dict.fromkeys(keys)
    assert (await site.page("s1"))["media_quota_calls"] == 1


async def test_media_quota_shows_windows_as_they_are_set_and_spent(site: Site) -> None:
    windows: Json = {
        "image_pro": {"remaining": 2},
        "image_edit": {"available": False},
        "video_720p": {"remaining": 1, "size_s": 3600},
    }
    await site.http.patch("/_sim/accounts/s1", json={"quota": windows})
    await film(site, "x")

    shown = (await ask_media_quota(site)).json()

    assert shown["imagePro"] == {
        "available": True,
        "remainingQueries": 2,
        "windowSizeSeconds": 86400,
    }
    assert shown["imageEdit"] == {"available": False}
    assert shown["video720p"]["remainingQueries"] == 0
    assert len(shown["video720p"]["nextAvailableAt"]) == len("2026-01-06T04:47:49.902572219Z")
    await site.http.patch("/_sim/accounts/s1", json={"quota": {"image_pro": None}})
    assert (await ask_media_quota(site)).json()["imagePro"] is None


async def test_media_quota_takes_an_empty_object_only(site: Site) -> None:
    assert (await ask_media_quota(site, {"a": 1})).status_code == 400


@pytest.mark.parametrize(
    "order",
    [
        {"mediaType": "MEDIA_POST_TYPE_VIDEO"},
        {"mediaType": "MEDIA_POST_TYPE_VIDEO", "prompt": ""},
        {"mediaType": "MEDIA_POST_TYPE_SONG", "prompt": "x"},
        {"mediaType": "MEDIA_POST_TYPE_IMAGE", "prompt": "x", "mediaUrl": ""},
        {"mediaType": "MEDIA_POST_TYPE_IMAGE", "mediaUrl": "https://example.org/a"},
        {
            "mediaType": "MEDIA_POST_TYPE_IMAGE",
            "mediaUrl": "https://assets.grok.com/users/u/f/content",
        },
        {"mediaType": "MEDIA_POST_TYPE_IMAGE", "prompt": "x", "source": "page"},
    ],
)
async def test_post_that_breaks_a_rule_is_refused(site: Site, order: Json) -> None:
    assert (await call(site, "/rest/media/post/create", order)).status_code == 400
    assert (await site.page("s1"))["posts"] == 0


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("post", "/rest/media/post/create"),
        ("upscale", "/rest/media/video/upscale"),
        ("media_quota", "/rest/media/imagine/quota_info"),
        ("video", NEW),
    ],
)
async def test_every_media_call_can_be_made_to_fail(site: Site, target: str, path: str) -> None:
    bodies: dict[str, Json] = {
        "post": {"mediaType": "MEDIA_POST_TYPE_VIDEO", "prompt": "x"},
        "upscale": {"videoId": "11111111-2222-4333-8444-555555555555"},
        "media_quota": {},
        "video": video_body("x"),
    }
    await site.script("fault=unavailable", target=target)

    assert (await call(site, path, bodies[target])).status_code == 503


async def test_cookies_of_the_asset_host_are_read_as_everywhere(site: Site) -> None:
    path = await own_path(site)
    headers = download_headers() | {"cookie": cookie("s1", clearance="cf_clearance=abc")}

    assert (await site.http.get(f"/{path}", headers=headers)).status_code == 200


async def test_size_and_type_may_be_untold(site: Site) -> None:
    path = await own_path(site)
    await site.script("length=false", 'media_type=""', "media_type=text/html", target="asset")

    sized, typed, other = [await download(site, path) for _ in range(3)]

    assert "content-length" not in sized.headers
    assert "content-type" not in typed.headers
    assert other.headers["content-type"] == "text/html"
    assert sized.content == typed.content == other.content


async def test_reset_forgets_what_was_made(site: Site) -> None:
    path = await own_path(site)
    await site.http.post("/_sim/reset", json={})

    assert (await download(site, path)).status_code == 404
    assert (await site.page("s1"))["submissions"] == []


async def test_only_calls_of_the_page_are_signed() -> None:
    async with open_site(SimulatorOptions(statsig="signed")) as site:
        await site.register({"session": "s1", "name": "s1"})
        unsigned = {k: v for k, v in page_headers().items() if k != "x-statsig-id"}
        video = msgspec.json.encode(video_body("x"))

        refused = await site.http.post(NEW, content=video, headers=unsigned)
        url = finals_of(await imagine(site, "x"))[0]["url"]

        assert refused.status_code == 403
        assert "anti-bot" in refused.text
        assert (await download(site, url, "")).status_code == 200
        assert (await download(site, await own_path(site))).status_code == 200


async def test_same_seed_and_calls_make_the_same_files() -> None:
    seen = []
    for _ in range(2):
        async with open_site(SimulatorOptions(seed=7)) as site:
            await site.register({"session": "s1", "name": "s1"})
            paths = [await own_path(site), states(await film(site, "x"))[-1]["videoUrl"]]
            seen.append([(path, (await download(site, path)).content) for path in paths])

    assert seen[0] == seen[1]
