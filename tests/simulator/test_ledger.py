"""The books: counts, concurrency, requests, resets, and the same bytes for the same seed."""

import asyncio

import pytest

from grok2api.simulator.options import SimulatorOptions
from tests.simulator.client import Json, Site, frames_of, open_site, text_of


class StoppedClock:
    """A clock that moves by hand."""

    def __init__(self) -> None:
        self.s = 1_767_225_600.0

    def now_s(self) -> float:
        return self.s

    def monotonic_s(self) -> float:
        return self.s


async def test_high_water_is_the_most_calls_at_once(site: Site) -> None:
    async with site.socket() as one, site.socket() as two, site.socket() as three:
        for socket in (one, two, three):
            await socket.ask(await socket.open(), "[[sim: text=x; end=silence]]")
        during = await site.page("s1")
        sockets = (await site.ledger())["open_sockets"]
    await _wait_until_idle(site)
    await site.answer("[[sim: text=x]]")

    after = await site.page("s1")
    assert (during["open"], during["high_water"], sockets) == (3, 3, 3)
    assert (after["open"], after["high_water"], after["cancelled"]) == (0, 3, 3)
    assert (after["calls"], after["completed"]) == (4, 1)


async def test_next_call_may_start_before_the_socket_is_closed(site: Site) -> None:
    async with site.socket() as socket:
        await socket.ask(await socket.open(), "[[sim: text=x]]")
        await socket.events()
        await site.answer("[[sim: text=y]]")

    assert (await site.page("s1"))["high_water"] == 1


async def test_leaving_after_the_soft_stop_is_not_cancelling(site: Site) -> None:
    reply = await site.post("[[sim: text=x]]")

    assert reply.status_code == 200
    page = await site.page("s1")
    assert (page["completed"], page["cancelled"]) == (1, 0)


async def test_prompts_are_told_apart_without_being_shown(site: Site) -> None:
    seen = []
    for prompt in ("one secret", "two secrets", "one secret"):
        await site.post(prompt)
        seen.append((await site.page("s1"))["last_prompt"])

    assert seen[0] == seen[2] != seen[1]
    assert "secret" not in (await site.http.get("/_sim/ledger")).text


async def test_page_is_found_by_name_and_by_hash(site: Site) -> None:
    ledger = await site.ledger()

    ref = next(iter(ledger["refs"]))
    assert ledger["refs"][ref] == "s1"
    assert await site.page(ref) == await site.page("s1") == ledger["accounts"]["s1"]
    assert (await site.http.get("/_sim/ledger?account=nobody")).status_code == 404


async def test_last_requests_are_kept_in_order() -> None:
    async with open_site(SimulatorOptions(accept_any=True, keep_requests=2)) as site:
        for prompt in ("a", "b", "c"):
            await site.post(prompt)
        await site.answer("d")
        requests = (await site.ledger())["requests"]

    assert [r["method"] for r in requests] == ["POST", "WEBSOCKET"]
    assert requests[1]["query"].startswith("uid=")


async def test_reset_forgets_the_books_and_keeps_the_accounts(site: Site) -> None:
    await site.post("Hello")

    await site.http.post("/_sim/reset", json={})
    kept = await site.ledger()
    await site.http.post("/_sim/reset", json={"forget_accounts": True})
    forgotten = await site.ledger()

    assert kept["accounts"]["s1"]["calls"] == 0
    assert kept["requests"] == []
    assert forgotten["accounts"] == {}
    assert (await site.post("Hello")).status_code == 401


async def test_reset_does_not_confuse_a_call_that_runs(site: Site) -> None:
    async with site.socket() as socket:
        await socket.ask(await socket.open(), "[[sim: text=x; end=silence]]")
        await site.http.post("/_sim/reset")
    async with asyncio.timeout(2):
        while (await site.ledger())["open_sockets"]:
            pass

    assert (await site.page("s1"))["open"] == 0


async def test_same_seed_gives_the_same_bytes() -> None:
    first, second, other = [await _play(seed) for seed in (7, 7, 8)]

    assert first == second
    assert first != other


async def test_answer_depends_on_the_prompt(site: Site) -> None:
    texts = {text_of(await site.answer(f"[user]\nQuestion {n}")) for n in range(5)}

    assert len(texts) == 5


async def test_both_protocols_say_the_same(site: Site) -> None:
    frames = frames_of((await site.post("[user]\nSame?")).content)
    messages = [f["result"]["response"] for f in frames if "response" in f.get("result", {})]

    said = next(m["modelResponse"]["message"] for m in messages if "modelResponse" in m)
    assert said == text_of(await site.answer("[user]\nSame?"))


@pytest.mark.parametrize(
    ("path", "order"),
    [
        ("accounts", {"accounts": [{"session": "x", "colour": "red"}]}),
        ("accounts", {"accounts": [{"session": "x", "name": "s1"}]}),
        ("accounts", {"accounts": [{"session": "x", "tier": "gold"}]}),
        ("script", {"directives": ["colour=red"]}),
        ("script", {"directives": ["fault=sunshine"]}),
        ("script", {"directives": ["fault"]}),
        ("script", {"directives": ["error=sunshine"]}),
        ("script", {"directives": ["=1"]}),
        ("script", {"directives": ['text="\\q"']}),
        ("script", {"directives": [], "target": "moon"}),
        ("reset", {"everything": True}),
    ],
)
async def test_wrong_order_to_the_control_is_explained(site: Site, path: str, order: Json) -> None:
    reply = await site.http.post(f"/_sim/{path}", json=order)

    assert reply.status_code == 400
    assert reply.json()["error"]


async def _play(seed: int) -> list[bytes]:
    """Return all bytes of a few answers."""
    async with open_site(
        SimulatorOptions(accept_any=True, seed=seed, clock=StoppedClock())
    ) as site:
        over_http = (await site.post("[user]\nHello [[sim: images=1; search=a]]")).content
        over_http += (await site.post("[user]\nHello")).content
        async with site.socket() as socket:
            await socket.ask(await socket.open(), "[user]\nHello")
            over_socket = repr(await socket.events()).encode()
    return [over_http, over_socket]


async def _wait_until_idle(site: Site) -> None:
    async with asyncio.timeout(2):
        while (await site.page("s1"))["open"]:
            pass
