"""Edits in both forms: what is answered, where it lies, and what is refused."""

import base64
import copy

import httpx2
import pytest

from tests.simulator.client import Json, Site, upload
from tests.simulator.media_client import (
    NEW,
    answers_of,
    call,
    download,
    size_of,
    upload_picture,
)

PHOTO = b"\x89PNG\r\n\x1a\n" + b"a photo"


def edit_body(prompt: str, *inputs: str, **changes: object) -> Json:
    """Return an edit in the form of August 2026."""
    return {
        "modelName": "imagine-image-edit",
        "message": prompt,
        "enableImageStreaming": True,
        "enableSideBySide": True,
        "sendFinalMetadata": True,
        "mediaGenInput": {
            "imageToImage": {"prompt": prompt, "inputAssets": list(inputs), **changes}
        },
    }


def older_body(prompt: str, parent: str, *references: str, **changes: object) -> Json:
    """Return an edit in the form before."""
    config = {"imageReferences": list(references), "parentPostId": parent, **changes}
    models = {"imageEditModel": "imagine", "imageEditModelConfig": config}
    return {
        "temporary": True,
        "modelName": "imagine-image-edit",
        "message": prompt,
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
        "responseMetadata": {"modelConfigOverride": {"modelMap": models}},
        "disableMemory": True,
        "forceSideBySide": False,
    }


async def edit(site: Site, prompt: str, **changes: object) -> list[Json]:
    """Have a photo edited; return what is inside the frames."""
    file_id = (await upload_picture(site, PHOTO))["fileMetadataId"]
    reply = await call(site, NEW, edit_body(prompt, file_id, **changes))
    assert reply.status_code == 200, reply.text
    return answers_of(reply.content)


def pictures(answers: list[Json]) -> list[Json]:
    return [
        a["streamingImageGenerationResponse"]
        for a in answers
        if "streamingImageGenerationResponse" in a
    ]


def repeated(answers: list[Json]) -> Json:
    found = [a["modelResponse"] for a in answers if "modelResponse" in a]
    return dict(found[0]) if found else {}


async def test_edit_shows_previews_then_the_picture(site: Site) -> None:
    answers = await edit(site, "make the sky green", aspectRatio="16:9")

    frames = pictures(answers)
    assert [f["progress"] for f in frames] == [33, 66, 100]
    assert ["-part-0/" in f["imageUrl"] for f in frames] == [True, True, False]
    assert frames[2]["imageUrl"].startswith("users/")
    assert repeated(answers)["generatedImageUrls"] == [frames[2]["imageUrl"]]
    page = await site.page("s1")
    assert page["violations"] == []
    assert page["submissions"] == [
        {"kind": "edit", "prompt": "make the sky green", "units": 1, "is_accepted": True}
    ]


async def test_made_picture_lies_at_its_address_and_among_the_assets(site: Site) -> None:
    final = pictures(await edit(site, "x", aspectRatio="16:9"))[-1]
    owner = final["imageUrl"].split("/")[1]

    image = await download(site, final["imageUrl"])
    content = await download(site, f"users/{owner}/{final['assetId']}/content")

    assert size_of(image.content) == (1280, 720)
    assert content.content == image.content


@pytest.mark.parametrize(
    ("directive", "streamed", "repeats"),
    [
        ("result=stream", 1, set()),
        ("result=model_response", 0, {"generatedImageUrls", "fileAttachments"}),
        ("result=attachments", 0, {"fileAttachments"}),
        ("result=none", 0, set()),
        ("result=markdown", 0, set()),
    ],
)
async def test_result_may_stand_elsewhere(
    site: Site, directive: str, streamed: int, repeats: set[str]
) -> None:
    answers = await edit(site, f"x [[sim: {directive}]]")

    assert len([f for f in pictures(answers) if f["progress"] == 100]) == streamed
    assert repeated(answers).keys() & {"generatedImageUrls", "fileAttachments"} == repeats
    assert any("![image](" in a.get("token", "") for a in answers) == ("markdown" in directive)


async def test_withheld_picture_is_marked_and_lies_nowhere(site: Site) -> None:
    answers = await edit(site, "x [[sim: images=2; moderated=1]]")

    finals = [f for f in pictures(answers) if f["progress"] == 100]
    assert [f["moderated"] for f in finals] == [True, False]
    assert repeated(answers)["generatedImageUrls"] == [finals[1]["imageUrl"]]
    assert (await download(site, finals[0]["imageUrl"])).status_code == 404


@pytest.mark.parametrize("framing", ["sse", "concat", "mixed"])
async def test_edit_comes_in_every_framing(site: Site, framing: str) -> None:
    file_id = (await upload_picture(site, PHOTO))["fileMetadataId"]

    reply = await call(site, NEW, edit_body(f"x [[sim: framing={framing}]]", file_id))

    assert reply.content.count(b"streamingImageGenerationResponse") == 3
    assert (b"data: " in reply.content) == (framing != "concat")


async def test_error_in_the_middle_ends_the_stream(site: Site) -> None:
    answers = await edit(site, "x [[sim: error=server_error; after=1]]")

    assert len(pictures(answers)) == 1
    assert answers[-1]["error"]["message"] == "Internal error."


async def test_scripted_refusal_is_no_accepted_submission(site: Site) -> None:
    file_id = (await upload_picture(site, PHOTO))["fileMetadataId"]
    await site.script("fault=rate_limited", target="edit")

    refused = await call(site, NEW, edit_body("x", file_id))
    await call(site, NEW, edit_body("x", file_id))

    assert refused.status_code == 429
    accepted = [s["is_accepted"] for s in (await site.page("s1"))["submissions"]]
    assert accepted == [False, True]


async def test_window_is_spent_and_then_refuses(site: Site) -> None:
    await site.http.patch("/_sim/accounts/s1", json={"quota": {"image_edit": {"remaining": 1}}})
    await edit(site, "x")
    file_id = (await upload_picture(site, PHOTO))["fileMetadataId"]

    assert (await call(site, NEW, edit_body("x", file_id))).status_code == 429
    assert (await site.page("s1"))["spent"] == {"image_edit": 1}


async def older_edit(
    site: Site, prompt: str, parent: str = "", **changes: object
) -> httpx2.Response:
    uri = (await upload_picture(site, PHOTO))["fileUri"]
    url = f"https://assets.grok.com/{uri}"
    if not parent:
        order = {"mediaType": "MEDIA_POST_TYPE_IMAGE", "prompt": prompt, "mediaUrl": url}
        parent = (await call(site, "/rest/media/post/create", order)).json()["post"]["id"]
    body = older_body(prompt, parent, url) | changes
    return await call(site, NEW, body, page=f"/imagine/post/{parent}")


async def test_older_form_makes_two_pictures(site: Site) -> None:
    reply = await older_edit(site, "make the sky green")

    finals = [f for f in pictures(answers_of(reply.content)) if f["progress"] == 100]
    assert [f["imageIndex"] for f in finals] == [0, 1]
    page = await site.page("s1")
    assert (page["posts"], page["violations"]) == (1, [])


async def test_older_form_names_posts_of_its_own_account_only(site: Site) -> None:
    assert (await older_edit(site, "x", parent="post-1")).status_code == 400
    assert (await older_edit(site, "x", imageGenerationCount=1)).status_code == 400
    assert len((await site.page("s1"))["violations"]) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"temporary": True},
        {"enableSideBySide": False},
        {"kind": "CONVERSATION_KIND_IMAGINE"},
        {"message": "other"},
        {"mediaGenInput": {"imageToImage": {"prompt": "x", "inputAssets": []}}},
        {"mediaGenInput": {"imageToImage": {"prompt": "x", "inputAssets": ["unknown"]}}},
    ],
)
async def test_edit_that_breaks_a_rule_is_refused(site: Site, change: Json) -> None:
    file_id = (await upload_picture(site, PHOTO))["fileMetadataId"]

    reply = await call(site, NEW, copy.deepcopy(edit_body("x", file_id)) | change)

    assert reply.status_code == 400
    assert len((await site.page("s1"))["violations"]) == 1
    assert (await site.page("s1"))["submissions"] == []


async def test_edit_wants_pictures_uploaded_to_work_on(site: Site) -> None:
    for_chat = await upload(site)

    assert (await call(site, NEW, edit_body("x", for_chat))).status_code == 400


async def test_picture_of_another_account_cannot_be_edited(site: Site) -> None:
    await site.register({"session": "s2", "name": "s2"})
    file_id = (await upload_picture(site, PHOTO, "s2"))["fileMetadataId"]

    assert (await call(site, NEW, edit_body("x", file_id))).status_code == 400


async def test_edit_comes_from_the_page_of_pictures(site: Site) -> None:
    file_id = (await upload_picture(site, PHOTO))["fileMetadataId"]

    assert (await call(site, NEW, edit_body("x", file_id), page="/")).status_code == 400


async def test_picture_of_the_older_upload_form_can_be_edited(site: Site) -> None:
    payload = {
        "fileName": "a.png",
        "fileMimeType": "image/png",
        "content": base64.b64encode(PHOTO).decode(),
    }
    told = (await call(site, "/rest/app-chat/upload-file", payload, page="/")).json()

    assert (await call(site, NEW, edit_body("x", told["fileMetadataId"]))).status_code == 200
