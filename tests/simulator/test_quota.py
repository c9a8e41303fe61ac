"""The simulator's books of quota: what is spent when, windows by order, credits, the switch."""

import asyncio

import httpx2
import pytest

from grok2api.simulator.options import SimulatorOptions
from tests.simulator.client import SIGNED, Json, Site, open_site, post_headers
from tests.simulator.test_ledger import StoppedClock
from tests.simulator.test_small_calls import ask_quota

CREDITS = "/grok_api_v2.GrokBuildBilling/GetGrokCreditsConfig"
SWITCH = "/auth_mgmt.AuthManagement/UpdateUserFeatureControls"
ON = "00000000200a021001121a0a18616c776179735f73686f775f6e7366775f636f6e74656e74"
OFF = ON.replace("0a021001", "0a021000")
OK_TRAILER = b"\x80\x00\x00\x00\x0fgrpc-status:0\r\n"


def grpc_headers(session: str, **changes: str) -> Json:
    kept = {k: v for k, v in post_headers(session).items() if not k.startswith("x-")}
    kept |= {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
    kept |= {name.replace("_", "-"): value for name, value in changes.items()}
    return {name: value for name, value in kept.items() if value}


async def ask_credits(
    site: Site, session: str = "s1", body: bytes = bytes(5), **changes: str
) -> httpx2.Response:
    headers = grpc_headers(session, **{"x_user_agent": "connect-es/2.1.1", **changes})
    return await site.http.post(CREDITS, content=body, headers=headers)


async def turn(site: Site, body: str = ON, **changes: str) -> httpx2.Response:
    request_id = post_headers("s1")["x-xai-request-id"]
    headers = grpc_headers("s1", **{"x_xai_request_id": request_id, **changes})
    return await site.http.post(SWITCH, content=bytes.fromhex(body), headers=headers)


async def change(site: Site, **changes: object) -> httpx2.Response:
    return await site.http.patch("/_sim/accounts/s1", json=changes)


async def test_an_accepted_call_is_spent_at_its_beginning(site: Site) -> None:
    async with site.socket() as socket:
        await socket.ask(await socket.open(), "[[sim: text=x; end=silence]]")
        await socket.receive()
        during = await site.page("s1")

    assert (during["open"], during["spent"], during["high_spent"]) == (1, {"fast": 1}, {"fast": 1})


@pytest.mark.parametrize(
    "directive", ["end=silence", "stall_headers_ms=60000", "stall_first_ms=60000"]
)
async def test_a_call_that_its_client_cancels_stays_spent(site: Site, directive: str) -> None:
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        call = group.create_task(site.post(f"[[sim: text=x; {directive}]]"))
        while not (await site.page("s1"))["spent"]:
            pass
        call.cancel()
        while (page := await site.page("s1"))["open"]:
            pass

    assert (page["cancelled"], page["spent"]) == (1, {"fast": 1})
    assert (await ask_quota(site, "fast")).json()["remainingQueries"] == 29


@pytest.mark.parametrize(
    "directive",
    ["fault=server_error", "fault=drop", "http=500", "error=rate_limited", "text={cite:9}"],
)
async def test_a_refused_call_is_not_spent_on_either_protocol(site: Site, directive: str) -> None:
    try:
        await site.post(f"[[sim: {directive}]]")
    except httpx2.TransportError:
        assert directive == "fault=drop"
    if directive != "fault=drop":
        await site.answer(f"[[sim: {directive}]]")

    page = await site.page("s1")
    assert (page["completed"], page["spent"]) == (0, {})


@pytest.mark.parametrize("directive", ["error=server_error; after=1", "end=reset; after=1"])
async def test_a_call_that_fails_after_text_is_spent(site: Site, directive: str) -> None:
    try:
        await site.post(f"[[sim: text=a b c; {directive}]]")
    except httpx2.TransportError:
        assert "reset" in directive

    assert (await site.page("s1"))["spent"] == {"fast": 1}


async def test_calls_beyond_a_window_are_counted_where_nobody_refuses_them(site: Site) -> None:
    await change(site, quota={"fast": {"total": 2}})

    for _ in range(3):
        await site.post("[[sim: text=x]]")

    page = await site.page("s1")
    assert (page["spent"], page["high_spent"], page["overspent"]) == ({"fast": 3}, {"fast": 3}, 1)
    assert (await ask_quota(site, "fast")).json()["remainingQueries"] == 0


async def test_the_high_mark_is_of_one_window_and_the_sum_of_all() -> None:
    clock = StoppedClock()
    async with open_site(SimulatorOptions(accept_any=True, tier="super", clock=clock)) as site:
        for calls in (3, 1):
            for _ in range(calls):
                await site.post("[[sim: text=x]]", modeId="grok-420-computer-use-sa")
            clock.s += 7200
        page = next(iter((await site.ledger())["accounts"].values()))

    assert page["spent"] == {"grok-420-computer-use-sa": 4}
    assert page["high_spent"] == {"grok-420-computer-use-sa": 3}
    assert page["overspent"] == 0


@pytest.mark.parametrize(("tier", "total"), [("basic", 0), ("super", 50), ("heavy", 150)])
async def test_the_computer_mode_has_its_window(site: Site, tier: str, total: int) -> None:
    await change(site, tier=tier)

    told = (await ask_quota(site, "grok-420-computer-use-sa")).json()

    assert (told["totalQueries"], told["windowSizeSeconds"]) == (total, 7200)


async def test_a_window_is_what_the_control_api_says_until_it_ends() -> None:
    clock = StoppedClock()
    window = {"total": 30, "remaining": 5, "size_s": 60}
    async with open_site(SimulatorOptions(clock=clock)) as site:
        await site.register({"session": "s1", "name": "s1", "quota": {"fast": window}})
        first = (await ask_quota(site, "fast")).json()
        clock.s += 60
        second = (await ask_quota(site, "fast")).json()

    assert first["remainingQueries"] == 5
    assert (first["totalQueries"], first["windowSizeSeconds"]) == (30, 60)
    assert (second["remainingQueries"], second["totalQueries"]) == (30, 30)


async def test_a_change_leaves_alone_what_it_does_not_name(site: Site) -> None:
    await change(site, tier="heavy", quota={"fast": {"remaining": 7}})
    changed = await change(site, quota={"fast": {"size_s": 30}}, status="rate_limited")
    await change(site, status="ok")

    told = (await ask_quota(site, "fast")).json()
    assert changed.json()["status"] == "rate_limited"
    assert (told["totalQueries"], told["remainingQueries"]) == (400, 7)
    assert told["windowSizeSeconds"] == 30


async def test_a_wrong_change_is_refused(site: Site) -> None:
    unknown = await change(site, quota={"fast": {"left": 3}})
    nobody = await site.http.patch("/_sim/accounts/nobody", json={})

    assert (unknown.status_code, nobody.status_code) == (400, 404)


async def test_a_reset_fills_the_windows_and_keeps_their_size(site: Site) -> None:
    await change(site, quota={"fast": {"total": 3, "remaining": 1, "size_s": 9}})
    await turn(site)

    await site.http.post("/_sim/reset", json={})

    told = (await ask_quota(site, "fast")).json()
    assert (told["totalQueries"], told["remainingQueries"]) == (3, 3)
    assert (await site.page("s1"))["sensitive_content"] is True


async def test_questions_about_quota_are_counted_also_when_they_are_refused(site: Site) -> None:
    await site.script("fault=server_error", target="quota")
    for mode in ("auto", "fast", "turbo"):
        await ask_quota(site, mode)
    await ask_credits(site)

    page = await site.page("s1")
    assert (page["quota_calls"], page["credits_calls"], page["calls"]) == (3, 1, 0)


@pytest.mark.parametrize(
    ("body", "status"),
    [('{"totalQueries": -1}', 200), ("[]", 200), ("", 200), ("<html>", 502)],
)
async def test_quota_can_be_answered_oddly(site: Site, body: str, status: int) -> None:
    quoted = body.replace('"', '\\"')
    await site.script(f'http={status}; body="{quoted}"', target="quota")

    reply = await ask_quota(site, "fast")

    assert (reply.status_code, reply.text) == (status, body)


async def test_credits_of_a_paid_plan_follow_its_windows() -> None:
    clock = StoppedClock()
    async with open_site(SimulatorOptions(clock=clock)) as site:
        await site.register({"session": "s1", "name": "s1", "tier": "super"})
        await change(site, quota={"fast": {"remaining": 111}})  # 29 of 290 are gone
        reply = await ask_credits(site)

    assert reply.headers["content-type"] == "application/grpc-web+proto"
    assert reply.content.endswith(OK_TRAILER)
    config = reply.content[7:]
    assert config[:5].hex() == "0d00002041"  # 10.0 percent
    assert reply.content[4] == len(reply.content) - 5 - len(OK_TRAILER)
    assert config.count(bytes.fromhex("1080cab5ee01")) == 2  # half a second, twice


async def test_credits_of_a_basic_plan_have_no_share_and_whole_seconds(site: Site) -> None:
    content = (await ask_credits(site)).content

    assert content[7:11].hex() == "12001a00"
    assert content.endswith(OK_TRAILER)
    assert len(content) == 5 + 2 + 4 + 2 * 8 + len(OK_TRAILER)


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        (b"", {}),
        (bytes(6), {}),
        (b"{}", {}),
        (bytes(5), {"content_type": "application/json"}),
        (bytes(5), {"x_grpc_web": ""}),
        (bytes(5), {"x_user_agent": ""}),
        (bytes(5), {"x_statsig_id": SIGNED}),
        (bytes(5), {"x_xai_request_id": post_headers("s1")["x-xai-request-id"]}),
        (bytes(5), {"origin": ""}),
        (bytes(5), {"referer": "https://grok.com/imagine"}),
    ],
)
async def test_a_wrong_credits_call_is_refused(
    site: Site, body: bytes, changes: dict[str, str]
) -> None:
    reply = await ask_credits(site, body=body, **changes)

    assert reply.status_code == 400
    assert len((await site.page("s1"))["violations"]) == 1


async def test_credits_are_never_signed() -> None:
    async with open_site(SimulatorOptions(accept_any=True, statsig="signed")) as site:
        assert (await ask_credits(site)).status_code == 200
        assert (await turn(site)).status_code == 403
        assert (await turn(site, x_statsig_id=SIGNED)).status_code == 200


async def test_the_switch_is_kept(site: Site) -> None:
    seen = []
    for body in (ON, OFF):
        reply = await turn(site, body)
        assert reply.content == OK_TRAILER
        seen.append((await site.page("s1"))["sensitive_content"])

    assert seen == [True, False]


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        (ON[:-2], {}),
        (ON.replace("1001", "1002"), {}),
        (ON[10:], {}),
        (ON, {"x_xai_request_id": "1"}),
        (ON, {"x_grpc_web": ""}),
        (ON, {"content_type": "application/json"}),
    ],
)
async def test_a_wrong_turn_of_the_switch_is_refused(
    site: Site, body: str, changes: dict[str, str]
) -> None:
    reply = await turn(site, body, **changes)

    page = await site.page("s1")
    assert (reply.status_code, page["sensitive_content"]) == (400, None)
    assert len(page["violations"]) == 1


@pytest.mark.parametrize("directive", ["fault=server_error", "fault=drop", "http=200; body=x"])
async def test_a_scripted_answer_leaves_the_switch_alone(site: Site, directive: str) -> None:
    await site.script(directive, target="preference")

    try:
        await turn(site)
    except httpx2.TransportError:
        assert directive == "fault=drop"

    assert (await site.page("s1"))["sensitive_content"] is None


async def test_strangers_have_neither_credits_nor_a_switch(site: Site) -> None:
    assert (await ask_credits(site, "x")).status_code == 401
    assert (await turn(site, cookie="sso=x; sso-rw=x")).status_code == 401
