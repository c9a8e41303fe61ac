"""Videos in both forms: progress, every scripted end, and work that goes on by itself."""

import asyncio
from typing import Any

import httpx2
import msgspec
import pytest

from tests.simulator.client import Json, Site
from tests.simulator.media_client import (
    NEW,
    answers_of,
    call,
    download,
    page_headers,
    upload_picture,
)

PHOTO = b"\x89PNG\r\n\x1a\n" + b"a photo"


def video_body(prompt: str, *, flag: str = "custom", **changes: object) -> Json:
    """Return a video in the form of August 2026."""
    wanted = {"prompt": prompt, "aspectRatio": "9:16", "duration": 6, "resolutionName": "720p"}
    return {
        "modelName": "imagine-video-gen",
        "message": f"{prompt} --mode={flag}",
        "enableImageStreaming": True,
        "enableSideBySide": True,
        "sendFinalMetadata": True,
        "responseMetadata": {"experiments": [], "modelConfigOverride": {"modelMap": {}}},
        "mediaGenInput": {"textToVideo": wanted | changes},
        "kind": "CONVERSATION_KIND_IMAGINE",
    }


def older_body(prompt: str, parent: str, **changes: object) -> Json:
    """Return a video in the form before."""
    config = {
        "parentPostId": parent,
        "aspectRatio": "9:16",
        "videoLength": 6,
        "resolutionName": "720p",
        **changes,
    }
    override = {"modelMap": {"videoGenModelConfig": config}}
    return {
        "temporary": True,
        "modelName": "imagine-video-gen",
        "message": f"{prompt} --mode=custom",
        "enableSideBySide": True,
        "responseMetadata": {"experiments": [], "modelConfigOverride": override},
    }


def extension(prompt: str, parent: str, extended: str, **changes: object) -> Json:
    """Return what an older video has more when it extends another."""
    return {
        "isVideoExtension": True,
        "videoExtensionStartTime": 6.041667,
        "extendPostId": extended,
        "stitchWithExtendPostId": True,
        "originalPrompt": prompt,
        "originalPostId": parent,
        "originalRefType": "ORIGINAL_REF_TYPE_VIDEO_EXTENSION",
        "mode": "custom",
        "isVideoEdit": False,
        **changes,
    }


async def film(site: Site, prompt: str, **changes: Any) -> list[Json]:
    reply = await call(site, NEW, video_body(prompt, **changes))
    assert reply.status_code == 200, reply.text
    return answers_of(reply.content)


def states(answers: list[Json]) -> list[Json]:
    key = "streamingVideoGenerationResponse"
    return [a[key] for a in answers if key in a]


async def make_post(site: Site, prompt: str = "x", **changes: object) -> str:
    order = {"mediaType": "MEDIA_POST_TYPE_VIDEO", "prompt": prompt, **changes}
    reply = await call(site, "/rest/media/post/create", order)
    return str(reply.json()["post"]["id"])


async def test_progress_grows_and_the_video_lies_at_its_address(site: Site) -> None:
    seen = states(await film(site, "a paper boat"))

    assert [s["progress"] for s in seen] == [1, 25, 50, 75, 100]
    video = await download(site, seen[-1]["videoUrl"])
    still = await download(site, seen[-1]["thumbnailImageUrl"])
    assert video.headers["content-type"] == "video/mp4"
    assert video.content[4:8] == b"ftyp"
    assert b"moov" in video.content
    assert still.content.startswith(b"\xff\xd8")
    page = await site.page("s1")
    assert page["violations"] == []
    assert page["submissions"] == [
        {"kind": "video", "prompt": "a paper boat", "units": 1, "is_accepted": True}
    ]


async def test_every_video_has_bytes_of_its_own(site: Site) -> None:
    addresses = [states(await film(site, "x"))[-1]["videoUrl"] for _ in range(2)]

    one, two = [(await download(site, address)).content for address in addresses]
    again = (await download(site, addresses[0])).content
    assert one != two
    assert one == again


async def test_video_can_be_made_large(site: Site) -> None:
    seen = states(await film(site, "x [[sim: video_bytes=3000000]]"))

    assert len((await download(site, seen[-1]["videoUrl"])).content) == 3_000_000


async def test_withheld_video_has_no_address(site: Site) -> None:
    seen = states(await film(site, "x [[sim: moderated=1]]"))

    assert seen[-1]["moderated"] is True
    assert "videoUrl" not in seen[-1]
    owner = (await site.register({"session": "s1", "name": "s1"}))[0]["user_id"]
    path = f"users/{owner}/generated/{seen[-1]['videoId']}/generated_video.mp4"
    assert (await download(site, path)).status_code == 404


@pytest.mark.parametrize("result", ["attachments", "model_response", "none"])
async def test_address_may_stand_elsewhere(site: Site, result: str) -> None:
    answers = await film(site, f"x [[sim: result={result}]]")

    video_id = states(answers)[-1]["videoId"]
    assert not states(answers)[-1].keys() & {"videoUrl", "assetId"}
    attached = [a["modelResponse"]["fileAttachments"] for a in answers if "modelResponse" in a]
    wanted = {"attachments": [video_id], "none": None}.get(result, attached[0] if attached else 0)
    assert (attached[0] if attached else None) == wanted


async def test_address_may_have_another_key(site: Site) -> None:
    final = states(await film(site, "x [[sim: url_key=contentURL]]"))[-1]

    assert final["contentURL"].endswith("generated_video.mp4")
    assert "videoUrl" not in final


async def test_error_in_the_middle_leaves_nothing_behind(site: Site) -> None:
    answers = await film(site, "x [[sim: error=server_error; after=2]]")

    assert answers[-1]["error"]["code"] == 13
    assert len(states(answers)) == 2
    files = (await list_assets(site)).json()["assets"]
    assert files == []


@pytest.mark.parametrize(("fault", "status"), [("rate_limited", 429), ("access_denied", 403)])
async def test_refusal_before_the_stream_is_not_accepted(
    site: Site, fault: str, status: int
) -> None:
    await site.script(f"fault={fault}", target="video")

    assert (await call(site, NEW, video_body("x"))).status_code == status
    assert [s["is_accepted"] for s in (await site.page("s1"))["submissions"]] == [False]


async def list_assets(site: Site) -> httpx2.Response:
    return await site.http.get("/rest/assets", headers=page_headers(page="/files"))


async def wait_for(site: Site, count: int) -> list[Json]:
    """Return the account's assets once there are so many."""
    async with asyncio.timeout(10):
        while True:
            assets: list[Json] = (await list_assets(site)).json()["assets"]
            if len(assets) == count:
                return assets
            await asyncio.sleep(0.02)


async def leave_early(site: Site, directive: str) -> str:
    """Ask for a slow video and leave at its first progress; return its id."""
    content = msgspec.json.encode(video_body(f"x [[sim: {directive}]]"))
    async with site.http.stream("POST", NEW, content=content, headers=page_headers()) as reply:
        async for line in reply.aiter_lines():
            if "streamingVideoGenerationResponse" in line:
                return str(states(answers_of(line.encode()))[0]["videoId"])
    raise AssertionError("no progress was told")


async def test_work_goes_on_when_its_client_has_left(site: Site) -> None:
    video_id = await leave_early(site, "video_ms=400")

    assert (await list_assets(site)).json()["assets"] == []
    (asset,) = await wait_for(site, 1)
    assert asset["assetId"] == video_id
    assert (await download(site, asset["filePath"])).status_code == 200
    assert (await site.page("s1"))["cancelled"] == 1


async def test_work_may_be_given_up_when_its_client_has_left(site: Site) -> None:
    await leave_early(site, "video_ms=100; abandon=gone")

    await asyncio.sleep(0.3)
    assert (await list_assets(site)).json()["assets"] == []


async def test_stream_that_ends_early_leaves_the_video_behind(site: Site) -> None:
    answers = await film(site, "x [[sim: close_after=2]]")

    assert [s["progress"] for s in states(answers)] == [1, 25]
    assert len(await wait_for(site, 1)) == 1


async def test_window_depends_on_the_resolution(site: Site) -> None:
    windows = {"video": {"remaining": 1}, "video_720p": {"remaining": 2}}
    await site.http.patch("/_sim/accounts/s1", json={"quota": windows})
    await film(site, "x")
    await film(site, "x", resolutionName="480p")

    refused = await call(site, NEW, video_body("x", resolutionName="480p"))

    assert refused.status_code == 429
    assert (await site.page("s1"))["spent"] == {"video_720p": 1, "video": 1}


async def test_older_form_hangs_on_a_post(site: Site) -> None:
    parent = await make_post(site)

    answers = answers_of((await call(site, NEW, older_body("x", parent))).content)

    assert states(answers)[-1]["progress"] == 100
    assert (await site.page("s1"))["violations"] == []
    assert (await call(site, NEW, older_body("x", "unknown"))).status_code == 400


async def test_references_hang_on_a_post_of_a_picture(site: Site) -> None:
    url = f"{site.url}/{(await upload_picture(site, PHOTO))['fileUri']}"
    told = {"isVideoEdit": False, "isReferenceToVideo": True, "imageReferences": [url]}
    order = {"mediaType": "MEDIA_POST_TYPE_IMAGE", "mediaUrl": url}
    of_picture = (await call(site, "/rest/media/post/create", order)).json()["post"]["id"]

    good = await call(site, NEW, older_body("x", of_picture, **told))
    bad = await call(site, NEW, older_body("x", await make_post(site), **told))

    assert (good.status_code, bad.status_code) == (200, 400)


async def first_part(site: Site) -> tuple[str, str]:
    parent = await make_post(site)
    answers = answers_of((await call(site, NEW, older_body("x", parent))).content)
    return parent, str(states(answers)[-1]["videoPostId"])


async def extend(site: Site, parent: str, page: str = "", **changes: object) -> httpx2.Response:
    body = older_body("x", parent, **changes)
    return await call(site, NEW, body, page=page or f"/imagine/post/{parent}")


async def test_extension_goes_on_where_its_part_ends(site: Site) -> None:
    parent, first = await first_part(site)

    second = await extend(site, parent, **extension("x", parent, first))
    extended = states(answers_of(second.content))[-1]["videoPostId"]
    keys = extension("x", parent, extended, videoExtensionStartTime=12.041667)
    third = await extend(site, parent, **keys)

    assert third.status_code == 200
    kinds = [s["kind"] for s in (await site.page("s1"))["submissions"]]
    assert kinds == ["video", "extension", "extension"]
    assert (await site.page("s1"))["violations"] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"videoExtensionStartTime": 6.0},
        {"extendPostId": "unknown"},
        {"originalPrompt": "other"},
        {"originalPostId": "other"},
        {"originalRefType": "other"},
        {"mode": "fun"},
        {"stitchWithExtendPostId": False},
        {"isVideoEdit": True},
        {"resolutionName": "480p"},
        {"page": "/imagine"},
    ],
)
async def test_extension_that_breaks_a_rule_is_refused(site: Site, changes: Json) -> None:
    parent, first = await first_part(site)

    reply = await extend(site, parent, **(extension("x", parent, first) | changes))

    assert reply.status_code == 400
    assert len((await site.page("s1"))["violations"]) == 1


def without(*names: str) -> Json:
    return {k: v for k, v in video_body("x").items() if k not in names}


@pytest.mark.parametrize(
    "body",
    [
        without("kind"),
        without("enableImageStreaming"),
        video_body("x") | {"temporary": True},
        video_body("x") | {"message": "x"},
        video_body("x", flag="wild"),
        video_body("x", duration=16),
        video_body("x", duration=0),
        video_body("x", aspectRatio="7:5"),
        video_body("x", resolutionName="1080p"),
        video_body("x", parentPostId="p"),
    ],
)
async def test_video_that_breaks_a_rule_is_refused(site: Site, body: Json) -> None:
    assert (await call(site, NEW, body)).status_code == 400
    assert len((await site.page("s1"))["violations"]) == 1
    assert (await site.page("s1"))["submissions"] == []


async def test_video_can_be_enlarged_by_its_owner(site: Site) -> None:
    video_id = states(await film(site, "x"))[-1]["videoId"]

    larger = (await call(site, "/rest/media/video/upscale", {"videoId": video_id})).json()
    await site.register({"session": "s2", "name": "s2"})
    stranger = await call(site, "/rest/media/video/upscale", {"videoId": video_id}, session="s2")

    assert larger["hdMediaUrl"].endswith(f"/generated/{video_id}/generated_video_hd.mp4")
    assert (await download(site, larger["hdMediaUrl"])).status_code == 200
    assert stranger.status_code == 404
    assert (await site.page("s1"))["upscales"] == 1
