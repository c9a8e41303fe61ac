"""Videos over HTTP: jobs that are begun, watched, listed, fetched, cancelled and deleted."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import msgspec
import pytest

from grok2api.config.attachments import FileSettings
from grok2api.config.media import VideoSettings
from grok2api.domain.account import Credentials, Pool, ProviderKind, Tier
from grok2api.domain.ids import AccountId
from grok2api.domain.media import MediaKind
from grok2api.domain.video import VideoEvent, VideoPart, VideoRequest
from grok2api.errors import ContentRejectedError
from grok2api.store.accounts import NewAccount
from grok2api.web.api.openai_videos import POLL_AFTER_MS, POLL_HEADER
from grok2api.web.api.turn import IGNORED_HEADER, WARNING_HEADER
from tests.web.conftest import TEST_SETTINGS, WAIT_S, Edge, EdgeMaker, wait_until
from tests.web.filmer import mp4
from tests.web.painter import png
from tests.web.test_images import bomb

VIDEOS = "/v1/videos"
DUNES: dict[str, Any] = {"prompt": "slow pan over dunes"}
PNG_URL = "data:image/png;base64," + base64.b64encode(png()).decode()
SOME_ID = "video_00000000000000000000000000000000"


def error_of(response: httpx2.Response) -> tuple[int, str | None, str | None]:
    error = response.json()["error"]
    return response.status_code, error["code"], error["param"]


def picture(content: bytes, name: str = "a.png") -> tuple[str, bytes, str]:
    return name, content, "image/png"


async def begin(edge: Edge, **body: Any) -> str:
    """Begin a video; return its id."""
    response = await edge.client.post(VIDEOS, json=DUNES | body)
    assert response.status_code == 200, response.text
    job_id: str = response.json()["id"]
    return job_id


async def look(edge: Edge, job_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = (await edge.client.get(f"{VIDEOS}/{job_id}")).json()
    return answer


async def ended(edge: Edge, job_id: str) -> dict[str, Any]:
    """Return a job that has ended."""

    async def has_ended() -> bool:
        return (await look(edge, job_id))["status"] in ("completed", "failed")

    await wait_until(has_ended)
    return await look(edge, job_id)


async def finished(edge: Edge, **body: Any) -> str:
    """Have a video made; return its id."""
    job_id = await begin(edge, **body)
    assert (await ended(edge, job_id))["status"] == "completed"
    return job_id


async def nothing_happened(edge: Edge) -> bool:
    """Whether no account was asked, nothing was uploaded, kept or begun."""
    jobs = (await edge.client.get(VIDEOS)).json()["data"]
    kept = sum(usage.count for usage in await edge.state.media.usage())
    leases = sum(account.open_leases for account in (await edge.store.list()).accounts)
    return not (edge.filmer.requests or edge.drawer.files or jobs or kept or leases)


@pytest.fixture
async def other(edge: Edge) -> AsyncIterator[httpx2.AsyncClient]:
    """Somebody with a key of their own."""
    _, key = await edge.state.keys.create("other")
    headers = {"authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(base_url=edge.url, headers=headers, timeout=WAIT_S) as client:
        yield client


# -- beginning one.


async def test_job_is_told_as_openai_tells_it(edge: Edge) -> None:
    edge.filmer.gate.clear()

    response = await edge.client.post(VIDEOS, json=DUNES | {"seconds": "10", "size": "1280x720"})

    job = response.json()
    assert job.pop("id").startswith("video_")
    assert job.pop("created_at") > 1_700_000_000
    assert job.pop("status") in ("queued", "in_progress")
    assert job == {
        "object": "video",
        "model": "grok-imagine-video",
        "progress": 0,
        "prompt": "slow pan over dunes",
        "seconds": "10",
        "size": "1280x720",
        "quality": "standard",
        "completed_at": None,
        "expires_at": None,
        "error": None,
        "remixed_from_video_id": None,
    }
    assert response.headers[POLL_HEADER] == str(POLL_AFTER_MS)
    assert WARNING_HEADER not in response.headers


async def test_video_is_made_as_it_was_asked_for(edge: Edge) -> None:
    pool = Pool(ProviderKind.GROK_WEB, Tier.SUPER)  # others make no small videos
    await edge.store.save(NewAccount(AccountId("acc_2"), pool, Credentials("s-2"), mask="…"))

    await finished(edge, seconds=6, size="1280x720", resolution_name="480p", preset="fun")

    (request,) = edge.filmer.requests
    assert (request.segments, request.aspect_ratio) == ((6,), "16:9")
    assert (request.resolution, request.preset) == ("480p", "fun")


async def test_finished_video_opens_by_its_link_and_says_until_when_it_is_known(edge: Edge) -> None:
    job = await ended(edge, await begin(edge))

    assert (job["status"], job["progress"], job["error"]) == ("completed", 100, None)
    assert job["completed_at"] >= job["created_at"]
    assert job["expires_at"] == job["completed_at"] + int(VideoSettings().keep_s)
    assert job["url"].startswith(f"{edge.url}/v1/files/video?")
    async with httpx2.AsyncClient() as stranger:
        video = await stranger.get(job["url"])
    assert (video.content, video.headers["content-type"]) == (mp4(), "video/mp4")


async def test_progress_grows_while_it_is_made(edge: Edge) -> None:
    edge.filmer.gate.clear()
    job_id = await begin(edge)
    seen: list[int] = []

    async def is_at_60() -> bool:
        response = await edge.client.get(f"{VIDEOS}/{job_id}")
        assert response.headers[POLL_HEADER] == str(POLL_AFTER_MS)
        seen.append(response.json()["progress"])
        return seen[-1] == 60

    await wait_until(is_at_60)
    assert (await look(edge, job_id))["status"] == "in_progress"
    edge.filmer.gate.set()
    assert (await ended(edge, job_id))["progress"] == 100
    assert seen == sorted(seen)
    assert POLL_HEADER not in (await edge.client.get(f"{VIDEOS}/{job_id}")).headers


@pytest.mark.parametrize("field", ["input_reference", "input_reference[]", "image", "images[0]"])
async def test_form_takes_pictures_under_every_name(edge: Edge, field: str) -> None:
    response = await edge.client.post(
        VIDEOS, data=DUNES | {"seconds": "6"}, files=[(field, picture(png(9, 9)))]
    )

    await ended(edge, response.json()["id"])
    assert [file.content for file in edge.drawer.files.values()] == [png(9, 9)]
    assert edge.drawer.for_media == list(edge.drawer.files)
    assert edge.filmer.references == [1]


async def test_form_takes_seven_pictures_in_their_order(edge: Edge) -> None:
    files = [("input_reference[]", picture(png(shade=shade))) for shade in range(7)]

    response = await edge.client.post(VIDEOS, data=DUNES, files=files)

    await ended(edge, response.json()["id"])
    contents = [file.content for file in edge.drawer.files.values()]
    assert contents == [png(shade=shade) for shade in range(7)]
    assert edge.state.files.free_bytes == FileSettings().memory_mb * 1024 * 1024


@pytest.mark.parametrize(
    "reference",
    [
        PNG_URL,
        base64.b64encode(png()).decode(),
        {"image_url": PNG_URL},
        [{"image_url": {"url": PNG_URL}}],
    ],
)
async def test_json_takes_pictures_in_every_form(edge: Edge, reference: Any) -> None:
    await finished(edge, input_reference=reference)

    assert [file.content for file in edge.drawer.files.values()] == [png()]


@pytest.mark.parametrize("name", ["input_reference", "image_url", "input_reference[image_url]"])
async def test_form_takes_links_as_text(edge: Edge, name: str) -> None:
    response = await edge.client.post(VIDEOS, data=DUNES | {name: PNG_URL})

    await ended(edge, response.json()["id"])
    assert edge.filmer.references == [1]


async def test_form_takes_several_links_of_one_name_in_their_order(edge: Edge) -> None:
    links = ["data:image/png;base64," + base64.b64encode(png(shade=at)).decode() for at in range(3)]

    response = await edge.client.post(VIDEOS, data=DUNES | {"input_reference[]": links})

    await ended(edge, response.json()["id"])
    assert [file.content for file in edge.drawer.files.values()] == [
        png(shade=at) for at in range(3)
    ]


async def test_pictures_are_forgotten_when_the_video_is_made(edge: Edge) -> None:
    await finished(edge, input_reference=PNG_URL)

    async def is_gone() -> bool:
        usages = await edge.state.media.usage()
        return not sum(usage.count for usage in usages if usage.kind is MediaKind.INPUT)

    await wait_until(is_gone)


async def test_answer_says_what_was_otherwise_or_without_effect(edge: Edge) -> None:
    body = {"input_reference": PNG_URL, "seconds": "4", "size": "500x500", "n": 2, "user": None}

    response = await edge.client.post(VIDEOS, json=DUNES | body)

    assert response.headers[WARNING_HEADER] == (
        "size: 500x500 became the aspect ratio 1:1; seconds: 4 became 6"
    )
    assert response.headers[IGNORED_HEADER] == "n"
    assert (response.json()["seconds"], response.json()["size"]) == ("6", "720x720")


async def test_forms_fields_cannot_write_headers(edge: Edge) -> None:
    fields = {"x\r\nset-cookie: a=b": "1", "é": "2", "user": "3", "size": "500\u00d7500"}

    response = await edge.client.post(VIDEOS, data=DUNES | fields)

    assert response.status_code == 200
    assert response.headers[IGNORED_HEADER] == "user"
    assert response.headers[WARNING_HEADER] == "size: 500x500 became the aspect ratio 1:1"


async def test_high_quality_is_upscaled(edge: Edge) -> None:
    job_id = await finished(edge, quality="hd")

    assert edge.filmer.upscaled == ["vid-1"]
    assert (await look(edge, job_id))["quality"] == "hd"


async def test_model_is_repeated_as_the_client_names_it(make_edge: EdgeMaker) -> None:
    models = msgspec.structs.replace(TEST_SETTINGS.models, aliases={"sora-2": "grok-imagine-video"})
    settings = msgspec.structs.replace(TEST_SETTINGS, models=models)
    async with make_edge(settings) as edge:
        job_id = await finished(edge, model="sora-2")

        assert (await look(edge, job_id))["model"] == "sora-2"
        assert edge.filmer.requests[0].model == "grok-imagine-video"


async def test_older_protocol_makes_few_lengths(make_edge: EdgeMaker) -> None:
    settings = msgspec.structs.replace(TEST_SETTINGS, video=VideoSettings(protocol="older"))
    async with make_edge(settings) as edge:
        response = await edge.client.post(VIDEOS, json=DUNES | {"seconds": 7})

        assert error_of(response) == (400, "invalid_value", "seconds")
        assert (await edge.client.post(VIDEOS, json=DUNES | {"seconds": 8})).status_code == 200


# -- what is refused.


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (400, "missing_required_parameter", "prompt")),
        ({"prompt": " "}, (400, "missing_required_parameter", "prompt")),
        ({"prompt": "x" * 32_001}, (400, "invalid_value", "prompt")),
        (DUNES | {"model": "nope"}, (404, "model_not_found", "model")),
        (DUNES | {"model": "grok-4"}, (400, "model_not_supported", "model")),
        (DUNES | {"model": "grok-imagine-image"}, (400, "model_not_supported", "model")),
        (DUNES | {"seconds": 17}, (400, "invalid_value", "seconds")),
        (DUNES | {"seconds": 6.5}, (400, "invalid_value", "seconds")),
        (DUNES | {"video_length": "long"}, (400, "invalid_value", "video_length")),
        (DUNES | {"seconds": 7, "image": PNG_URL}, (400, "invalid_value", "seconds")),
        (DUNES | {"size": "large"}, (400, "invalid_value", "size")),
        (DUNES | {"aspect_ratio": "tall"}, (400, "invalid_value", "aspect_ratio")),
        (DUNES | {"resolution": "4k"}, (400, "invalid_value", "resolution")),
        (DUNES | {"preset": "calm"}, (400, "invalid_value", "preset")),
        (DUNES | {"quality": "ultra"}, (400, "invalid_value", "quality")),
        (DUNES | {"upscale": "x"}, (400, "invalid_value", "upscale")),
        (DUNES | {"input_reference": 5}, (400, "invalid_value", "input_reference")),
        (DUNES | {"input_reference": ""}, (400, "invalid_image_input", "input_reference")),
        (DUNES | {"image": "no base64!"}, (400, "invalid_image_input", "image")),
        (
            DUNES | {"input_reference": {"file_id": "f"}},
            (400, "unsupported_value", "input_reference.file_id"),
        ),
        (DUNES | {"images": [PNG_URL] * 8}, (400, "too_many_images", "input_reference")),
        (
            DUNES | {"image_url": "http://169.254.169.254/a.png"},
            (400, "invalid_image_input", "image_url"),
        ),
        ([], (400, "invalid_value", None)),
    ],
)
async def test_bad_request_leaves_no_trace(
    edge: Edge, body: Any, expected: tuple[int, str | None, str | None]
) -> None:
    assert error_of(await edge.client.post(VIDEOS, json=body)) == expected
    assert await nothing_happened(edge)


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ([("input_reference", ("a.png", b"only words", "image/png"))], "invalid_image_input"),
        ([("input_reference", ("a.png", b"", "image/png"))], "invalid_image_input"),
        ([("input_reference", picture(bomb()))], "invalid_image_input"),
        ([("input_reference", ("a.mp4", mp4(), "video/mp4"))], "invalid_image_input"),
        ([("input_reference", picture(png()))] * 8, "too_many_images"),
    ],
    ids=["words", "empty", "bomb", "video", "eight"],
)
async def test_bad_file_leaves_no_trace(edge: Edge, files: Any, code: str) -> None:
    response = await edge.client.post(VIDEOS, data=DUNES, files=files)

    assert error_of(response) == (400, code, "input_reference")
    assert await nothing_happened(edge)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"seconds": "six"}, "seconds"),
        ({"upscale": "perhaps"}, "upscale"),
        ({"input_reference[file_id]": "file-1"}, "input_reference[file_id]"),
        ({"prompt": ""}, "prompt"),
    ],
)
async def test_bad_field_of_a_form_is_named(edge: Edge, fields: dict[str, str], param: str) -> None:
    response = await edge.client.post(VIDEOS, data=DUNES | fields)

    status, _, named = error_of(response)
    assert (status, named) == (400, param)
    assert await nothing_happened(edge)


async def test_file_that_was_not_chosen_is_none(edge: Edge) -> None:
    body = (
        b'--x\r\ncontent-disposition: form-data; name="prompt"\r\n\r\ndunes\r\n'
        b'--x\r\ncontent-disposition: form-data; name="input_reference"; filename=""\r\n'
        b"content-type: application/octet-stream\r\n\r\n\r\n--x--\r\n"
    )
    headers = {"content-type": "multipart/form-data; boundary=x"}

    response = await edge.client.post(VIDEOS, content=body, headers=headers)

    assert response.status_code == 200
    await ended(edge, response.json()["id"])
    assert edge.filmer.references == [0]


async def test_one_key_has_so_many_unfinished(make_edge: EdgeMaker) -> None:
    settings = msgspec.structs.replace(TEST_SETTINGS, video=VideoSettings(max_jobs_per_key=2))
    async with make_edge(settings) as edge:
        edge.filmer.gate.clear()
        first, _ = await begin(edge), await begin(edge)
        response = await edge.client.post(VIDEOS, json=DUNES)
        assert error_of(response) == (429, "too_many_videos", None)
        assert response.headers["retry-after"] == "10"

        edge.filmer.gate.set()
        await ended(edge, first)
        await begin(edge)


# -- asking again.


async def test_same_key_of_idempotency_is_the_same_job(edge: Edge) -> None:
    headers = {"idempotency-key": "order-1"}
    body = DUNES | {"input_reference": PNG_URL}

    answers = [await edge.client.post(VIDEOS, json=body, headers=headers) for _ in range(3)]

    (job_id,) = {answer.json()["id"] for answer in answers}
    await ended(edge, job_id)
    assert len(edge.filmer.requests) == 1
    assert (await edge.client.post(VIDEOS, json=body, headers=headers)).json()["id"] == job_id


async def test_key_of_idempotency_is_for_one_question_of_one_owner(
    edge: Edge, other: httpx2.AsyncClient
) -> None:
    headers = {"idempotency-key": "order-1"}
    mine = await edge.client.post(VIDEOS, json=DUNES, headers=headers)

    changed = await edge.client.post(VIDEOS, json=DUNES | {"seconds": 10}, headers=headers)
    theirs = await other.post(VIDEOS, json=DUNES, headers=headers)

    assert error_of(changed) == (409, "idempotency_key_reused", None)
    assert theirs.status_code == 200
    assert theirs.json()["id"] != mine.json()["id"]


async def test_too_long_key_of_idempotency_is_refused(edge: Edge) -> None:
    response = await edge.client.post(VIDEOS, json=DUNES, headers={"idempotency-key": "x" * 256})

    assert error_of(response) == (400, "invalid_value", "Idempotency-Key")
    assert await nothing_happened(edge)


# -- lists.


async def test_list_has_pages_in_both_orders(edge: Edge) -> None:
    edge.filmer.gate.clear()
    made = [await begin(edge) for _ in range(5)]

    newest = (await edge.client.get(VIDEOS, params={"limit": 2})).json()
    assert [job["id"] for job in newest["data"]] == [made[4], made[3]]
    assert (newest["object"], newest["has_more"]) == ("list", True)
    assert (newest["first_id"], newest["last_id"]) == (made[4], made[3])

    query = {"limit": "2", "after": made[2], "order": "asc"}
    last = (await edge.client.get(VIDEOS, params=query)).json()
    assert [job["id"] for job in last["data"]] == [made[3], made[4]]
    assert last["has_more"] is False


async def test_list_of_nothing_is_empty(edge: Edge) -> None:
    assert (await edge.client.get(VIDEOS)).json() == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"limit": "0"}, (400, "invalid_value", "limit")),
        ({"limit": "101"}, (400, "invalid_value", "limit")),
        ({"limit": "-1"}, (400, "invalid_value", "limit")),
        ({"limit": "ten"}, (400, "invalid_value", "limit")),
        ({"limit": "9" * 30}, (400, "invalid_value", "limit")),
        ({"order": "up"}, (400, "invalid_value", "order")),
        ({"after": SOME_ID}, (404, "video_not_found", "after")),
    ],
)
async def test_bad_query_of_a_list_is_named(
    edge: Edge, query: dict[str, str], expected: tuple[int, str, str]
) -> None:
    assert error_of(await edge.client.get(VIDEOS, params=query)) == expected


# -- the video itself.


async def test_content_comes_whole_in_parts_and_as_a_head(edge: Edge) -> None:
    path = f"{VIDEOS}/{await finished(edge)}/content"
    whole = await edge.client.get(path)
    part = await edge.client.get(path, headers={"range": "bytes=100-299"})
    tail = await edge.client.get(path, headers={"range": "bytes=-5"})
    beyond = await edge.client.get(path, headers={"range": "bytes=5000-"})
    head = await edge.client.head(path)
    again = await edge.client.get(path, headers={"if-none-match": whole.headers["etag"]})

    assert (whole.status_code, whole.content) == (200, mp4())
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.headers["content-disposition"].startswith("attachment; filename=")
    assert whole.headers["content-disposition"].endswith('.mp4"')
    assert (part.status_code, part.content) == (206, mp4()[100:300])
    assert part.headers["content-range"] == "bytes 100-299/2000"
    assert tail.content == mp4()[-5:]
    assert beyond.status_code == 416
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == "2000"
    assert again.status_code == 304


async def test_content_is_not_there_before_the_video_is_made(edge: Edge) -> None:
    edge.filmer.gate.clear()
    job_id = await begin(edge)

    response = await edge.client.get(f"{VIDEOS}/{job_id}/content")

    assert error_of(response) == (409, "video_not_ready", "video_id")
    assert "not ready" in response.json()["error"]["message"]


async def test_content_that_was_evicted_is_not_found(edge: Edge) -> None:
    job_id = await finished(edge)
    await edge.state.media.clear(MediaKind.VIDEO)

    response = await edge.client.get(f"{VIDEOS}/{job_id}/content")

    assert error_of(response) == (404, "file_not_found", "video_id")
    assert (await look(edge, job_id))["status"] == "completed"


async def test_only_the_video_can_be_fetched(edge: Edge) -> None:
    path = f"{VIDEOS}/{await finished(edge)}/content"

    assert (await edge.client.get(path, params={"variant": "video"})).status_code == 200
    response = await edge.client.get(path, params={"variant": "thumbnail"})
    assert error_of(response) == (400, "invalid_value", "variant")


async def withholds(request: VideoRequest, part: VideoPart) -> AsyncIterator[list[VideoEvent]]:
    if request.prompt == "":
        yield []
    raise ContentRejectedError("The video was withheld.")


async def test_failed_job_says_why(edge: Edge) -> None:
    edge.filmer.play = withholds

    job = await ended(edge, await begin(edge))

    assert job["status"] == "failed"
    assert job["error"] == {
        "code": "content_policy_violation",
        "message": "The video was withheld.",
    }
    response = await edge.client.get(f"{VIDEOS}/{job['id']}/content")
    assert error_of(response) == (409, "video_not_ready", "video_id")
    assert "withheld" in response.json()["error"]["message"]
    await edge.leases_are_free()


# -- its end.


async def test_cancelled_job_stops_the_upstream(edge: Edge) -> None:
    edge.filmer.gate.clear()
    job_id = await begin(edge)

    async def is_asked() -> bool:
        return bool(edge.filmer.requests)

    await wait_until(is_asked)
    assert (await edge.client.post(f"{VIDEOS}/{job_id}/cancel")).status_code == 200

    job = await ended(edge, job_id)
    assert job["error"] == {"code": "cancelled", "message": "The video was cancelled."}
    await asyncio.wait_for(edge.filmer.closed.wait(), WAIT_S)
    await edge.leases_are_free()


async def test_cancelling_what_has_ended_changes_nothing(edge: Edge) -> None:
    job_id = await finished(edge)
    before = await look(edge, job_id)

    assert (await edge.client.post(f"{VIDEOS}/{job_id}/cancel")).json() == before


@pytest.mark.parametrize("is_running", [True, False])
async def test_deleted_job_is_gone(edge: Edge, *, is_running: bool) -> None:
    if is_running:
        edge.filmer.gate.clear()
    job_id = await begin(edge) if is_running else await finished(edge)

    response = await edge.client.delete(f"{VIDEOS}/{job_id}")

    assert response.json() == {"id": job_id, "object": "video.deleted", "deleted": True}
    again = await edge.client.delete(f"{VIDEOS}/{job_id}")
    assert error_of(again) == (404, "video_not_found", "video_id")
    assert (await edge.client.get(VIDEOS)).json()["data"] == []
    await edge.leases_are_free()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/content"),
        ("HEAD", "/content"),
        ("POST", "/cancel"),
        ("DELETE", ""),
    ],
)
async def test_strangers_job_is_as_unknown_as_none(
    edge: Edge, other: httpx2.AsyncClient, method: str, path: str
) -> None:
    job_id = await finished(edge)

    for name in (job_id, SOME_ID, "..%2f..%2fetc", "x" * 300, "%C3%A9"):
        response = await other.request(method, f"{VIDEOS}/{name}{path}")
        assert response.status_code == 404
        if method != "HEAD":
            assert error_of(response)[1] in ("video_not_found", "unknown_url")
    assert (await other.get(VIDEOS)).json()["data"] == []
    after = await other.get(VIDEOS, params={"after": job_id})
    assert error_of(after) == (404, "video_not_found", "after")
    assert (await look(edge, job_id))["status"] == "completed"


async def test_no_key_no_video(edge: Edge) -> None:
    for method, path in (("POST", ""), ("GET", ""), ("GET", f"/{SOME_ID}"), ("DELETE", "/x")):
        response = await edge.client.request(method, VIDEOS + path, headers={"authorization": ""})
        assert response.status_code == 401
    assert (await edge.client.put(VIDEOS)).status_code == 405
    assert (await edge.client.get(f"/videos/{SOME_ID}")).status_code == 404


async def test_worker_that_stops_leaves_its_queue_to_another(make_edge: EdgeMaker) -> None:
    async with make_edge() as edge:
        edge.state.drain.begin(WAIT_S)
        job_id = await begin(edge)
        assert (await look(edge, job_id))["status"] == "queued"

        async with make_edge() as heir:
            job = await ended(heir, job_id)
            assert (job["status"], len(heir.filmer.requests)) == ("completed", 1)
            assert (await edge.client.get(f"{VIDEOS}/{job_id}/content")).content == mp4()
        assert not edge.filmer.requests
