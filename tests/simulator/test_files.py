"""Uploads, the list of an account's files, their deletion, and chats that name them."""

import asyncio
import base64

import msgspec
import pytest

from tests.simulator.client import (
    PNG,
    Json,
    Site,
    form,
    item_create,
    post_headers,
    response_create,
    text_of,
    upload,
    upload_headers,
)
from tests.simulator.media_client import imagine_form, upload_picture

DIRECT = "/http/upload-file-v2/direct"
OLDER = "/rest/app-chat/upload-file"


def file_headers(session: str) -> Json:
    return post_headers(session) | {"referer": "https://grok.com/files"}


async def older(site: Site, **changes: object) -> Json:
    payload = {
        "fileName": "photo.png",
        "fileMimeType": "image/png",
        "content": base64.b64encode(PNG).decode(),
    } | changes
    reply = await site.http.post(
        OLDER, content=msgspec.json.encode(payload), headers=post_headers("s1")
    )
    return {"status": reply.status_code, **reply.json()}


async def test_uploaded_file_is_on_the_accounts_page(site: Site) -> None:
    file_id = await upload(site)

    page = await site.page("s1")
    assert page["uploads"] == 1
    assert page["upload_bytes"] == len(PNG)
    assert page["files"][file_id]["name"] == "photo.png"
    assert page["violations"] == []


async def test_older_form_keeps_the_same_file(site: Site) -> None:
    first, second = await upload(site), (await older(site))["fileMetadataId"]

    files = (await site.page("s1"))["files"]
    assert files[first] == files[second]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (form() + b"x", {}),
        (form().replace(b'name="file"', b'name="image"'), {}),
        (form(name=""), {}),
        (form(name="a/b.png"), {}),
        (form(content=b""), {}),
        (form(content=b"GIF89a", kind="image/png"), {}),
        (form(content=b"a\r\n------B\r\nb", kind="text/plain"), {}),
        (form(), {"x-statsig-id": "x"}),
        (form(), {"x-xai-request-id": "x"}),
        (form(), {"referer": "https://grok.com/imagine"}),
        (form(), {"content-type": "application/json"}),
    ],
)
async def test_upload_that_breaks_a_rule_is_refused(site: Site, body: bytes, headers: Json) -> None:
    reply = await site.http.post(DIRECT, content=body, headers=upload_headers("s1") | headers)

    assert reply.status_code == 400
    assert len((await site.page("s1"))["violations"]) == 1
    assert (await site.page("s1"))["files"] == {}


async def test_upload_to_work_on_comes_from_the_page_of_pictures(site: Site) -> None:
    told = await upload_picture(site, PNG)

    from_chat = await site.http.post(
        DIRECT, content=imagine_form(PNG), headers=upload_headers("s1")
    )
    other = imagine_form(PNG).replace(b"IMAGINE_SELF", b"OTHER")
    unknown = await site.http.post(DIRECT, content=other, headers=upload_headers("s1"))

    assert (from_chat.status_code, unknown.status_code) == (400, 400)
    page = await site.page("s1")
    assert list(page["files"]) == [told["fileMetadataId"]]
    assert len(page["violations"]) == 2


@pytest.mark.parametrize("content", ["data:image/png;base64,AAAA", "AA AA", "%%%", ""])
async def test_older_form_takes_only_plain_base64(site: Site, content: str) -> None:
    assert (await older(site, content=content))["status"] == 400


async def test_list_goes_page_by_page_and_shows_the_newest_first(site: Site) -> None:
    ids = [await upload(site) for _ in range(51)]
    headers = {k: v for k, v in file_headers("s1").items() if k != "priority"}

    first = (await site.http.get("/rest/assets", headers=headers)).json()
    token = {"pageToken": first["nextPageToken"]}
    second = (await site.http.get("/rest/assets", params=token, headers=headers)).json()

    listed = [asset["assetId"] for asset in first["assets"] + second["assets"]]
    assert listed == ids[::-1]
    assert "nextPageToken" not in second


async def test_deleted_file_cannot_be_named_any_more(site: Site) -> None:
    file_id = await upload(site)
    path = f"/rest/assets-metadata/{file_id}"

    assert (await site.http.delete(path, headers=file_headers("s1"))).status_code == 200
    assert (await site.http.delete(path, headers=file_headers("s1"))).status_code == 404
    assert (await site.post("Hi", fileAttachments=[file_id])).status_code == 400

    page = await site.page("s1")
    assert page["deletes"] == 1
    assert page["violations"] == [f"chat: attachment {file_id} was not uploaded"]


async def test_file_of_another_account_cannot_be_named(site: Site) -> None:
    await site.register({"session": "s2", "name": "s2"})
    file_id = await upload(site, "s2")

    assert (await site.post("Hi", fileAttachments=[file_id])).status_code == 400
    async with site.socket() as socket:
        session_id = await socket.open()
        turn = item_create(session_id, "Hi", files=[file_id])
        await socket.send(turn, response_create(session_id))
        events = await socket.events()

    assert events[-1]["type"] == "error"
    assert len((await site.page("s1"))["violations"]) == 2
    assert (await site.page("s1"))["attached"] == 0


async def test_named_files_are_counted_by_both_protocols(site: Site) -> None:
    file_id = await upload(site)

    await site.post("Hi", fileAttachments=[file_id])
    async with site.socket() as socket:
        session_id = await socket.open()
        turn = item_create(session_id, "Hi [[sim: text=x]]", files=[file_id])
        await socket.send(turn, response_create(session_id))
        assert text_of(await socket.events()) == "x"

    assert (await site.page("s1"))["attached"] == 2


async def test_script_decides_which_id_is_told(site: Site) -> None:
    await site.script("upload_id=file", "upload_id=upload", target="upload")

    by_file = (await site.http.post(DIRECT, content=form(), headers=upload_headers("s1"))).json()
    by_upload = (await site.http.post(DIRECT, content=form(), headers=upload_headers("s1"))).json()

    assert set(by_file["fileMetadata"]) == {"fileId", "fileUri"}
    assert by_upload["fileMetadata"] is None
    assert set((await site.page("s1"))["files"]) == {
        by_file["fileMetadata"]["fileId"],
        by_upload["uploadId"],
    }


async def test_faults_strike_uploads_and_keep_nothing(site: Site) -> None:
    await site.script("fault=too_large", "terminal_error=virus", target="upload")

    refused = await site.http.post(DIRECT, content=form(), headers=upload_headers("s1"))
    rejected = await site.http.post(DIRECT, content=form(), headers=upload_headers("s1"))

    assert refused.status_code == 413
    assert rejected.json() == {"terminalError": {"message": "virus"}}
    assert (await site.page("s1"))["files"] == {}


async def test_client_that_leaves_in_the_middle_is_noticed(site: Site) -> None:
    _, port = site.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection("127.0.0.1", int(port))
    lines = "".join(f"{k}: {v}\r\n" for k, v in upload_headers("s1").items())
    head = f"POST {DIRECT} HTTP/1.1\r\nhost: x\r\n{lines}content-length: 1000\r\n\r\nabc"
    writer.write(head.encode())
    await writer.drain()
    writer.close()

    async with asyncio.timeout(10):
        while not (await site.page("s1"))["broken_uploads"]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
