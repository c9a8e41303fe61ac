"""Pictures over the socket: a healthy round, every scripted turn of it, and broken rules."""

import asyncio
import base64
import uuid

import httpx2
import msgspec
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from grok2api.simulator.pictures import SIZES
from tests.simulator.client import Json, Site
from tests.simulator.media_client import (
    ask,
    blob_of,
    download,
    finals_of,
    images_of,
    imagine,
    imagine_socket,
    read_round,
    reset,
    send,
    size_of,
)


async def test_every_slot_starts_shows_two_previews_and_completes(site: Site) -> None:
    frames = await imagine(site, "a lighthouse", 3)

    slots: dict[str, list[object]] = {}
    for frame in frames:
        slot = str(frame.get("id", frame.get("image_id")))
        slots.setdefault(slot, []).append(
            frame.get("current_status", frame.get("percentage_complete"))
        )
    assert list(slots.values()) == [["start_stage", 33, 66, 100, "completed"]] * 3
    assert all(str(uuid.UUID(slot)) == slot for slot in slots)


async def test_previews_are_png_and_finals_jpeg_and_all_differ(site: Site) -> None:
    frames = images_of(await imagine(site, "a lighthouse", 2))

    kinds = [blob_of(frame)[:2] for frame in frames]
    assert kinds == [b"\x89P"] * 4 + [b"\xff\xd8"] * 2
    assert len({blob_of(frame) for frame in frames}) == 6


@pytest.mark.parametrize("ratio", sorted(SIZES))
async def test_pictures_have_the_size_they_are_announced_with(site: Site, ratio: str) -> None:
    frames = images_of(await imagine(site, "x", aspect_ratio=ratio))

    assert {size_of(blob_of(f)) for f in frames} == {(frames[0]["width"], frames[0]["height"])}
    if ratio == "2:3":
        assert size_of(blob_of(frames[0])) == (784, 1168)


async def test_public_host_has_the_very_picture_of_the_frame(site: Site) -> None:
    final = finals_of(await imagine(site, "x"))[0]

    reply = await download(site, final["url"], session="")

    assert reply.content == blob_of(final)
    assert reply.headers["content-type"] == "image/jpeg"
    assert (await site.page("s1"))["violations"] == []


async def test_connection_serves_round_after_round(site: Site) -> None:
    async with imagine_socket(site) as connection:
        await send(connection, reset(1767225600000), ask("one", ms=1767225600001))
        first = await read_round(connection, 1)
        await send(connection, reset(1767225600002), ask("two", ms=1767225600003))
        second = await read_round(connection, 1)

    assert finals_of(first)[0]["id"] != finals_of(second)[0]["id"]
    page = await site.page("s1")
    assert [s["prompt"] for s in page["submissions"]] == ["one", "two"]
    assert page["violations"] == []


async def test_same_prompt_and_slot_show_the_same_bands(site: Site) -> None:
    one = finals_of(await imagine(site, "x"))[0]
    two = finals_of(await imagine(site, "x"))[0]

    assert one["id"] != two["id"]
    assert blob_of(one).replace(one["id"].encode(), two["id"].encode()) == blob_of(two)


async def statuses(site: Site, directive: str, n: int = 2) -> list[tuple[object, object]]:
    frames = await imagine(site, f"x [[sim: {directive}]]", n)
    return [
        (f.get("current_status", f.get("percentage_complete")), f.get("moderated")) for f in frames
    ]


async def test_completed_may_come_before_the_final(site: Site) -> None:
    async with imagine_socket(site) as connection:
        await send(connection, reset(), ask("x [[sim: completed_first; previews=0]]"))
        frames = await read_round(connection, 1)
        frames.append(msgspec.json.decode(await connection.recv()))

    assert [f.get("current_status", "image") for f in frames] == [
        "start_stage",
        "completed",
        "image",
    ]


@pytest.mark.parametrize(
    ("directive", "outcome"),
    [("moderated=1", [True, False]), ("moderated_slots=1", [False, True])],
)
async def test_moderated_slots_have_no_final(
    site: Site, directive: str, outcome: list[bool]
) -> None:
    frames = await imagine(site, f"x [[sim: {directive}]]", 2)

    done = [f for f in frames if f.get("current_status") == "completed"]
    assert [f["moderated"] for f in done] == outcome
    assert [f["side_by_side_index"] for f in finals_of(frames)] == [outcome.index(False)]


async def test_without_states_only_size_and_name_tell_the_final(site: Site) -> None:
    async with imagine_socket(site) as connection:
        await send(connection, reset(), ask("x [[sim: states=false; moderated_slots=1]]", 2))
        frames = [msgspec.json.decode(await connection.recv()) for _ in range(5)]

    sizes = [len(f["blob"]) for f in frames]
    assert {f["type"] for f in frames} == {"image"}
    assert not any("percentage_complete" in f for f in frames)
    assert max(sizes[:2]) < 30000 < min(sizes[2:4]) <= max(sizes[2:4]) < 100000 < sizes[4]
    assert frames[4]["url"].endswith(".jpg")


async def test_ids_may_stand_in_the_address_only(site: Site) -> None:
    frames = images_of(await imagine(site, "x [[sim: ids=url]]"))

    assert not any("id" in f for f in frames)
    uuid.UUID(frames[0]["url"].rpartition("/")[2].partition(".")[0])


@pytest.mark.parametrize("form", ["unpadded", "data_uri", "none"])
async def test_blobs_come_in_every_known_form(site: Site, form: str) -> None:
    final = finals_of(await imagine(site, f"x [[sim: blob={form}]]"))[0]
    public = (await download(site, final["url"], session="")).content

    told = final.get("blob", "").removeprefix("data:image/jpeg;base64,")
    padded = told + "=" * (-len(told) % 4)
    assert base64.b64decode(padded) == (b"" if form == "none" else public)
    assert ("=" in told, "," in final.get("blob", "")) != (True, False)


async def test_final_may_lack_address_or_percentage(site: Site) -> None:
    bare = await imagine(site, "x [[sim: image_url=false; final_percent=false; image_bytes=90000]]")

    final = images_of(bare)[-1]
    assert "url" not in final
    assert "percentage_complete" not in final
    assert len(blob_of(final)) == 90000


async def test_completed_may_carry_the_final(site: Site) -> None:
    frames = await imagine(site, "x [[sim: final_in=completed]]")

    assert finals_of(frames) == []
    assert blob_of(frames[-1]).startswith(b"\xff\xd8")


async def test_fewer_and_more_slots_than_asked_for(site: Site) -> None:
    async with imagine_socket(site) as connection:
        await send(connection, reset(), ask("x [[sim: fewer=1]]", 3))
        assert len(finals_of(await read_round(connection, 2))) == 2
        await send(connection, reset(1767225600002), ask("x [[sim: extra=2]]", 1, 1767225600003))
        assert len(finals_of(await read_round(connection, 3))) == 3


async def test_odd_frames_are_survivable(site: Site) -> None:
    async with imagine_socket(site) as connection:
        await send(connection, reset(), ask("x [[sim: unknown; binary; garbage; previews=0]]"))
        frames = [await connection.recv() for _ in range(8)]

    assert isinstance(frames[2], bytes)
    assert frames[3] == "this is no JSON"


async def test_huge_frame_is_beyond_64_mib(site: Site) -> None:
    async with imagine_socket(site) as connection:
        await send(connection, reset(), ask("x [[sim: huge]]"))
        assert len(await connection.recv()) > 64 * 2**20


@pytest.mark.parametrize(
    ("directive", "code"),
    [
        ("error=rate_limited", "rate_limit_exceeded"),
        ("error=moderated", "content-moderated"),
        ("fault=server_error", "internal_error"),
        ("error=custom; code=daily_limit; message=No", "daily_limit"),
    ],
)
async def test_scripted_error_is_told_and_nothing_is_accepted(
    site: Site, directive: str, code: str
) -> None:
    frames = await imagine(site, f"x [[sim: {directive}]]")

    assert [(f["type"], f["err_code"]) for f in frames] == [("error", code)]
    page = await site.page("s1")
    assert (page["errors"], page["submissions"][0]["is_accepted"]) == (1, False)


async def test_error_may_come_after_frames(site: Site) -> None:
    frames = await imagine(site, "x [[sim: error=rate_limited; after=2]]")

    assert [f["type"] for f in frames] == ["json", "image", "error"]
    assert (await site.page("s1"))["submissions"][0]["is_accepted"] is True


@pytest.mark.parametrize("ending", ["close_after=2", "reset_after=2", "end=truncate; after=2"])
async def test_connection_may_end_after_frames(site: Site, ending: str) -> None:
    async with imagine_socket(site) as connection:
        await send(connection, reset(), ask(f"x [[sim: {ending}]]"))
        with pytest.raises(ConnectionClosed):
            await read_round(connection, 1)

    assert (await site.page("s1"))["errors"] == 1


async def test_silence_lasts(site: Site) -> None:
    async with imagine_socket(site) as connection:
        await send(connection, reset(), ask("x [[sim: silence_after=1]]"))
        await connection.recv()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connection.recv(), 0.2)


@pytest.mark.parametrize(
    ("fault", "status"),
    [("bad_credentials", 401), ("challenge", 403), ("moderated", 403), ("rate_limited", 429)],
)
async def test_queued_refusal_meets_the_handshake(site: Site, fault: str, status: int) -> None:
    await site.script(f"fault={fault}", target="imagine")

    with pytest.raises(InvalidStatus) as refused:
        await imagine(site, "x")

    assert refused.value.response.status_code == status


async def change(site: Site, **changes: object) -> httpx2.Response:
    return await site.http.patch("/_sim/accounts/s1", json=changes)


async def test_window_is_spent_by_pictures_and_refuses_beyond(site: Site) -> None:
    await change(site, quota={"image_pro": {"remaining": 5}})

    assert len(finals_of(await imagine(site, "x", 4))) == 4
    refused = await imagine(site, "x", 2)

    assert refused[0]["err_code"] == "rate_limit_exceeded"
    page = await site.page("s1")
    assert page["spent"] == {"image_pro": 4}
    assert [s["is_accepted"] for s in page["submissions"]] == [True, False]


async def test_nothing_is_spent_where_pictures_are_not_metered(site: Site) -> None:
    await imagine(site, "x", 4)

    assert (await site.page("s1"))["spent"] == {}


def broken(**changes: object) -> Json:
    message = ask("x")
    message["item"]["content"][0] |= changes
    return message


@pytest.mark.parametrize(
    "messages",
    [
        [ask("x")],
        [reset(), ask("x", 11)],
        [reset(), ask("x", 0)],
        [reset(), ask(" ")],
        [reset(), ask("x", aspect_ratio="7:5")],
        [reset(), ask("x", is_kids_mode=True)],
        [reset(), ask("x", enable_side_by_side=False)],
        [reset(), ask("x", section_count=1)],
        [reset(), ask("x", mood="good")],
        [reset(), broken(requestId="img_1")],
        [reset(), broken(more=1)],
        [reset(1767225600), ask("x")],
        [reset(1767225600009), ask("x")],
        [reset() | {"event_id": "x"}, ask("x")],
    ],
)
async def test_message_that_breaks_a_rule_is_thrown_out(site: Site, messages: list[Json]) -> None:
    async with imagine_socket(site) as connection:
        await send(connection, *messages)
        told = await read_round(connection, 1)
        with pytest.raises(ConnectionClosed) as closed:
            await connection.recv()

    assert told[-1]["err_code"] == "invalid_request"
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    assert len((await site.page("s1"))["violations"]) == 1


async def test_request_id_may_have_the_newer_form(site: Site) -> None:
    async with imagine_socket(site) as connection:
        await send(connection, reset(), broken(requestId=f"img_{uuid.uuid4().hex}"))
        assert len(finals_of(await read_round(connection, 1))) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"Origin": "https://example.org"},
        {"Pragma": ""},
        {"x_statsig_id": "x"},
        {"x_xai_request_id": str(uuid.uuid4())},
        {"Cookie": "sso=s1; sso-rw=s1; x-userid=11111111-2222-4333-8444-555555555555"},
        {"address": "/ws/imagine/listen?uid=1"},
    ],
)
async def test_handshake_that_breaks_a_rule_is_refused(site: Site, changes: Json) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with imagine_socket(site, **changes):
            pass

    assert refused.value.response.status_code == 400
    assert len((await site.page("s1"))["violations"]) == 1
