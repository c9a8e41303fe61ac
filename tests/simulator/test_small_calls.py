"""Session, quota, page, and accounts that are not well."""

import re

import httpx2
import msgspec
import pytest
from websockets.exceptions import InvalidStatus

from grok2api.simulator.options import SimulatorOptions
from tests.simulator.client import AGENT, Json, Site, cookie, open_site, post_headers
from tests.simulator.test_ledger import StoppedClock

HINTS = {
    "sec-ch-ua": '"Google Chrome";v="146", "Chromium";v="146", "Not(A:Brand";v="24"',
    "sec-ch-ua-mobile": "?0",
    "sec-ch-ua-platform": '"macOS"',
}


def session_headers(session: str) -> Json:
    unwanted = ("origin", "x-xai-request-id", "x-statsig-id", "content-type")
    kept = {k: v for k, v in post_headers(session).items() if k not in unwanted}
    return kept | HINTS


async def ask_session(site: Site, session: str, **changes: str) -> httpx2.Response:
    headers = {**session_headers(session), **{k.replace("_", "-"): v for k, v in changes.items()}}
    return await site.http.get("/api/auth/session", headers={k: v for k, v in headers.items() if v})


async def ask_quota(site: Site, mode: str, session: str = "s1") -> httpx2.Response:
    return await site.http.post(
        "/rest/rate-limits",
        content=msgspec.json.encode({"modelName": mode}),
        headers=post_headers(session),
    )


async def test_session_names_the_user(site: Site) -> None:
    registered = await site.register({"session": "s2", "name": "bob"})

    reply = (await ask_session(site, "s2")).json()

    assert reply["status"] == "authenticated"
    assert reply["session"]["userId"] == registered[0]["user_id"]
    assert reply["session"]["email"] == "bob@example.com"


@pytest.mark.parametrize(
    ("status", "told"), [("expired", "unauthenticated"), ("blocked", "blocked")]
)
async def test_session_tells_when_an_account_is_not_well(
    site: Site, status: str, told: str
) -> None:
    await site.register({"session": "s2", "status": status})

    assert (await ask_session(site, "s2")).json()["status"] == told


async def test_session_of_a_stranger_is_unauthenticated(site: Site) -> None:
    assert (await ask_session(site, "stranger")).json() == {"status": "unauthenticated"}


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": "https://grok.com"},
        {"x_xai_request_id": "1"},
        {"x_statsig_id": "1"},
        {"sec_ch_ua": ""},
        {"referer": ""},
        {"sec_ch_ua_platform": '"Windows"'},
    ],
)
async def test_wrong_session_call_is_refused(site: Site, changes: dict[str, str]) -> None:
    reply = await ask_session(site, "s1", **changes)

    assert reply.status_code == 400
    assert len((await site.page("s1"))["violations"]) == 1


@pytest.mark.parametrize(
    ("tier", "totals", "size_s"),
    [
        ("basic", {"auto": 20, "fast": 30, "expert": 0, "heavy": 0}, 86400),
        ("super", {"auto": 50, "fast": 140, "expert": 50, "heavy": 0}, 7200),
        ("heavy", {"auto": 150, "fast": 400, "expert": 150, "heavy": 20}, 7200),
    ],
)
async def test_quota_follows_the_tier(
    site: Site, tier: str, totals: dict[str, int], size_s: int
) -> None:
    await site.register({"session": "s2", "tier": tier})

    windows = {mode: (await ask_quota(site, mode, "s2")).json() for mode in totals}

    assert {mode: window["totalQueries"] for mode, window in windows.items()} == totals
    assert windows["fast"]["windowSizeSeconds"] == size_s
    assert windows["fast"]["remainingQueries"] == totals["fast"]
    assert windows["fast"]["lowEffortRateLimits"] is None


async def test_calls_use_quota_up_until_the_window_ends() -> None:
    clock = StoppedClock()
    options = SimulatorOptions(accept_any=True, tier="heavy", enforce_quota=True, clock=clock)
    async with open_site(options) as site:
        answers = [
            (await site.post("[[sim: text=x]]", modeId="heavy")).status_code for _ in range(21)
        ]
        left = (await ask_quota(site, "heavy")).json()["remainingQueries"]
        events = await site.answer("[[sim: text=x]]")
        clock.s += 7200
        later = (await site.post("[[sim: text=x]]", modeId="heavy")).status_code

    assert answers == [200] * 20 + [429]
    assert left == 0
    assert events[-1]["type"] == "response.done"
    assert later == 200


async def test_used_up_quota_is_an_error_on_the_socket() -> None:
    async with open_site(SimulatorOptions(accept_any=True, enforce_quota=True)) as site:
        for _ in range(30):
            await site.post("[[sim: text=x]]")
        limited = await site.answer("[[sim: text=x]]")
        async with site.socket() as socket:
            await socket.ask(await socket.open(model="expert"), "Hello")
            denied = await socket.events()

    assert limited[-1]["error"] == {"code": 8, "message": "Too many requests"}
    assert "denied" in denied[-1]["error"]["message"]


@pytest.mark.parametrize("mode", ["turbo", ""])
async def test_wrong_quota_call_is_refused(site: Site, mode: str) -> None:
    reply = await ask_quota(site, mode)

    assert reply.status_code == 400
    assert len((await site.page("s1"))["violations"]) == 1


async def test_stranger_is_refused_everywhere(site: Site) -> None:
    chat, quota = await site.post("Hello", session="x"), await ask_quota(site, "fast", "x")
    user_id = (await site.register({"session": "s2"}))[0]["user_id"]
    with pytest.raises(InvalidStatus) as shake:
        async with site.socket("x", user_id=user_id):
            pass

    assert [chat.status_code, quota.status_code, shake.value.response.status_code] == [401] * 3
    assert "bad-credentials" in chat.text
    assert (await site.ledger())["violations"] == []


@pytest.mark.parametrize(
    ("status", "code", "marker"),
    [("expired", 401, "bad-credentials"), ("blocked", 403, "blocked-user")],
)
async def test_sick_account_is_refused_everywhere(
    site: Site, status: str, code: int, marker: str
) -> None:
    registered = await site.register({"session": "s2", "status": status})

    chat, quota = await site.post("Hello", session="s2"), await ask_quota(site, "fast", "s2")
    with pytest.raises(InvalidStatus) as shake:
        async with site.socket("s2", user_id=registered[0]["user_id"]):
            pass

    assert [chat.status_code, quota.status_code, shake.value.response.status_code] == [code] * 3
    assert marker in chat.text


async def test_rate_limited_account_recovers_in_time() -> None:
    clock = StoppedClock()
    async with open_site(SimulatorOptions(clock=clock)) as site:
        await site.register({"session": "s1", "status": "rate_limited", "rate_limited_s": 90})
        limited = await site.post("Hello")
        clock.s += 90
        well = await site.post("Hello")

    assert (limited.status_code, limited.headers["retry-after"]) == (429, "90")
    assert well.status_code == 200


async def test_registering_again_changes_an_account_and_keeps_its_page(site: Site) -> None:
    await site.post("Hello")

    await site.register({"session": "s1", "name": "renamed", "tier": "heavy"})

    assert list((await site.ledger())["accounts"]) == ["renamed"]
    page = await site.page("renamed")
    assert (page["calls"], page["tier"]) == (1, "heavy")


async def test_page_carries_the_verification_string(site: Site) -> None:
    headers = {
        "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "accept-encoding": "gzip, deflate, br, zstd",
        "accept-language": "en-US",
        "cache-control": "no-cache",
        "pragma": "no-cache",
        "sec-fetch-dest": "document",
        "sec-fetch-mode": "navigate",
        "sec-fetch-site": "same-origin",
        "upgrade-insecure-requests": "1",
        "user-agent": AGENT,
        "cookie": cookie("s1"),
    }

    pages = [await site.http.get(path, headers=headers) for path in ("/index", "/")]
    wrong = await site.http.get("/index", headers=headers | {"x-statsig-id": "1"})

    found = [re.search(r'name="grok-site-verification" content="([^"]+)"', p.text) for p in pages]
    assert [match and match[1] for match in found] == ["simulated-site-verification"] * 2
    assert wrong.status_code == 400


@pytest.mark.parametrize("target", ["session", "quota"])
async def test_small_calls_can_be_scripted(site: Site, target: str) -> None:
    await site.script("fault=challenge", target=target)

    async def ask() -> int:
        asked = ask_session(site, "s1") if target == "session" else ask_quota(site, "fast")
        return (await asked).status_code

    assert [await ask(), await ask()] == [403, 200]


async def test_small_call_can_break(site: Site) -> None:
    await site.script("fault=reset", target="session")

    with pytest.raises(httpx2.TransportError):
        await ask_session(site, "s1")
