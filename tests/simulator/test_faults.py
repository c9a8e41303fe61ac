"""Every refusal: at the door, in the stream, and as silence."""

import asyncio

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus, InvalidURI

from grok2api.simulator.script.faults import FAULTS
from tests.simulator.client import Site, chat_body, frames_of, post_headers, stream_text, text_of

BODIES = {
    "challenge": (403, "Just a moment..."),
    "empty_403": (403, ""),
    "html_403": (403, "<html>"),
    "anti_bot": (403, "Request rejected by anti-bot rules."),
    "blocked": (403, "[WKE=unauthorized:blocked-user]"),
    "blocked_text": (403, "unauthorized:blocked-user"),
    "bad_credentials": (401, "bad-credentials"),
    "bad_credentials_400": (400, "bad-credentials"),
    "bad_credentials_403": (403, "bad-credentials"),
    "unauthorized": (401, ""),
    "payment_required": (402, "Payment"),
    "access_denied": (403, "Access to the chat endpoint is denied"),
    "entitlement": (403, "free-usage-exhausted"),
    "moderated": (403, "content-moderated"),
    "invalid_argument": (403, "invalid_argument"),
    "forbidden": (403, "forbidden"),
    "not_found": (404, "not found"),
    "timeout": (408, ""),
    "too_large": (413, ""),
    "unprocessable": (422, ""),
    "rate_limited": (429, "Too many requests"),
    "rate_limited_text": (429, '{"error":"rate limited"}'),
    "rate_limited_empty": (429, ""),
    "rate_burst": (429, '"remainingQueries":3'),
    "rate_exhausted": (429, '"remainingQueries":0'),
    "redirect": (302, ""),
    "server_error": (500, "Internal error"),
    "no_retry": (500, "Internal error"),
    "bad_gateway": (502, "<html>"),
    "unavailable": (503, "unavailable"),
    "gateway_timeout": (504, "timeout"),
}


@pytest.mark.parametrize("name", sorted(FAULTS))
async def test_fault_is_the_same_at_both_doors(site: Site, name: str) -> None:
    await site.script(f"fault={name}", f"fault={name}")

    reply = await site.post("Hello")
    with pytest.raises((InvalidStatus, InvalidURI)) as refused:
        await site.answer("Hello")

    told = refused.value if isinstance(refused.value, InvalidStatus) else refused.value.__context__
    assert isinstance(told, InvalidStatus), "a redirect is followed to where no socket is"
    shake = told.response
    assert (shake.status_code, shake.body) == (reply.status_code, reply.content)
    if name in BODIES:
        assert reply.status_code == BODIES[name][0]
        assert BODIES[name][1] in reply.text
    page = await site.page("s1")
    assert (page["calls"], page["errors"], page["open"]) == (2, 2, 0)


async def test_retry_headers_are_sent_on_demand(site: Site) -> None:
    limited = await site.post("[[sim: fault=rate_limited; retry_after=7]]")
    fatal = await site.post("[[sim: fault=server_error; should_retry=false]]")
    plain = await site.post("[[sim: fault=rate_limited]]")
    redirect = await site.post("[[sim: fault=redirect]]")
    elsewhere = await site.post("[[sim: fault=redirect_elsewhere]]")

    assert limited.headers["retry-after"] == "7"
    assert fatal.headers["x-should-retry"] == "false"
    assert "retry-after" not in plain.headers
    assert redirect.headers["location"].startswith("https://accounts.x.ai/")
    assert "sign" not in elsewhere.headers["location"]


async def test_any_status_and_body_can_be_made_up(site: Site) -> None:
    reply = await site.post('[[sim: http=418; body="short; stout"; content_type=text/plain]]')

    assert (reply.status_code, reply.text) == (418, "short; stout")
    assert reply.headers["content-type"] == "text/plain"


async def test_prompt_reaches_the_socket_too_late_for_a_status(site: Site) -> None:
    limited = await site.answer("[[sim: fault=rate_limited]]")
    made_up = await site.answer("[[sim: http=429]]")

    assert limited == made_up
    assert limited[0]["error"] == {"code": 8, "message": "Too many requests"}


@pytest.mark.parametrize(
    ("name", "code"), [("usage_limit", 8), ("anti_bot", 7), ("bad_credentials", 16)]
)
@pytest.mark.parametrize("after", [-1, 0, 2])
async def test_in_band_error_strikes_where_it_should(
    site: Site, name: str, code: int, after: int
) -> None:
    said = f'[[sim: text="a b c d"; error={name}; after={after}]]'

    events = await site.answer(said)
    frames = frames_of((await site.post(said)).content)

    assert events[-1]["error"] == {"code": code, "message": FAULTS[name].message}
    assert frames[-1]["error"]["code"] == code
    assert text_of(events) == stream_text(frames) == "a b c d"[: max(after, 0) * 2]
    assert ("conversation" in frames[0].get("result", {})) == (after >= 0)


@pytest.mark.parametrize("form", ["response", "card", "stream_errors"])
async def test_in_band_error_has_all_its_forms(site: Site, form: str) -> None:
    said = f"[[sim: error=usage_limit; error_form={form}]]"

    stream = frames_of((await site.post(said)).content)[-1]["result"]["response"]
    async with site.socket() as socket:
        await socket.ask(await socket.open(), said)
        wrapped = (await socket.receive())["event"]

    wanted = {"code": 8, "message": FAULTS["usage_limit"].message}
    if form == "stream_errors":
        assert stream["modelResponse"]["streamErrors"] == [{"error": wanted}]
    else:
        assert stream["error"] == wanted
        assert ("cardAttachment" in stream) == (form == "card")
    assert wrapped == {"type": "response.grok.output", "output": {"stream_error": wanted}}


async def test_own_error_takes_code_and_message(site: Site) -> None:
    events = await site.answer('[[sim: error=custom; code=anti_bot; message="anti-bot rejected"]]')

    assert events[-1]["error"] == {"code": "anti_bot", "message": "anti-bot rejected"}


async def test_huge_frame_is_larger_than_any_client_should_take(site: Site) -> None:
    reply = await site.post("[[sim: huge; reasoning=none; text=x]]")

    assert max(map(len, reply.content.splitlines())) > 16 * 1024 * 1024


@pytest.mark.parametrize("fault", ["reset", "drop"])
async def test_connection_can_break_before_any_answer(site: Site, fault: str) -> None:
    await site.script(f"fault={fault}", f"fault={fault}")

    with pytest.raises(httpx2.TransportError):
        await site.post("Hello")
    with pytest.raises((InvalidMessage, ConnectionError, EOFError)):
        await site.answer("Hello")

    assert (await site.page("s1"))["errors"] == 2


async def test_fault_can_be_for_the_first_calls_only(site: Site) -> None:
    said = "[[sim: fault=unavailable; fail_first=2; text=fine]]"

    statuses = [(await site.post(said)).status_code for _ in range(4)]

    assert statuses == [503, 503, 200, 200]


async def test_count_of_failed_calls_belongs_to_the_prompt(site: Site) -> None:
    said = "[[sim: fault=unavailable; fail_first=1]]"

    statuses = [(await site.post(f"{n} {said}")).status_code for n in (1, 2, 1)]

    assert statuses == [503, 503, 200]


async def test_fault_can_be_for_some_accounts_only(site: Site) -> None:
    await site.register({"session": "s2", "name": "bob"}, {"session": "s3", "name": "eve"})
    said = '[[sim: error=upstream_down; only="bob, x"]]'.replace("upstream_down", "unavailable")

    bob = await site.post(said, session="s2")
    eve = await site.post(said, session="s3")

    assert b'"error"' in bob.content
    assert b'"error"' not in eve.content


async def test_queue_serves_one_account_in_order(site: Site) -> None:
    await site.register({"session": "s2", "name": "bob"})
    await site.script("fault=unavailable", "fault=bad_gateway", account="bob")

    first = await site.post("Hello", session="s1")
    statuses = [(await site.post("Hello", session="s2")).status_code for _ in range(3)]

    assert first.status_code == 200
    assert statuses == [503, 502, 200]


async def test_order_without_end_lasts_until_the_reset(site: Site) -> None:
    await site.script("fault=challenge", times=0)
    before = [(await site.post("Hello")).status_code for _ in range(3)]

    await site.http.post("/_sim/reset")

    assert before == [403, 403, 403]
    assert (await site.post("Hello")).status_code == 200


@pytest.mark.parametrize("said", ["stall_headers_ms=60000", "stall_first_ms=60000", "fault=hang"])
async def test_stall_holds_the_stream_and_a_leaving_client_is_noticed(
    site: Site, said: str
) -> None:
    with pytest.raises(httpx2.ReadTimeout):
        await site.http.post(
            "/rest/app-chat/conversations/new",
            json=chat_body(f"[[sim: {said}]]"),
            headers=post_headers("s1"),
            timeout=0.2,
        )

    await _wait_for_cancelled(site)


@pytest.mark.parametrize(
    "said", ["stall_first_ms=60000", "text=a; end=silence", "fault=hang", "stall_mid_ms=60000"]
)
async def test_stall_holds_the_socket_and_a_leaving_client_is_noticed(
    site: Site, said: str
) -> None:
    async with site.socket() as socket:
        await socket.ask(await socket.open(), f'[[sim: text="a b c d"; {said}]]')
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await socket.events()

    await _wait_for_cancelled(site)


@pytest.mark.parametrize("said", ["stall_headers_ms=60000", "fault=hang"])
async def test_stalled_handshake_notices_a_leaving_client(site: Site, said: str) -> None:
    await site.script(said)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await site.answer("Hello")

    await _wait_for_cancelled(site)


async def test_stall_in_the_middle_comes_after_the_wanted_token(site: Site) -> None:
    async with site.socket() as socket:
        await socket.ask(
            await socket.open(), '[[sim: text="a b c d"; stall_mid_ms=60000; stall_after=3]]'
        )
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(socket.drain(), 0.3)

    assert len(socket.seen) == 3


async def test_short_stall_only_delays(site: Site) -> None:
    reply = await site.post("[[sim: text=x; stall_headers_ms=1; stall_first_ms=1]]")

    assert stream_text(frames_of(reply.content)) == "x"


async def test_killed_client_is_noticed_in_mid_stream(site: Site) -> None:
    async with site.socket() as socket:
        await socket.ask(await socket.open(), "[[sim: tokens=100000; delay_ms=5]]")
        await socket.receive()
        socket.connection.transport.abort()

    await _wait_for_cancelled(site)


async def test_closed_socket_is_no_error_after_the_answer(site: Site) -> None:
    await site.answer("[[sim: text=x]]")

    async with site.socket() as socket:
        await socket.ask(await socket.open(), "[[sim: text=x; end=close]]")
        with pytest.raises(ConnectionClosed):
            await socket.events()

    page = await site.page("s1")
    assert (page["completed"], page["errors"], page["cancelled"]) == (1, 1, 0)


async def _wait_for_cancelled(site: Site) -> None:
    """Poll the ledger; a leaving client has to be noticed within a second."""
    async with asyncio.timeout(1):
        while (await site.page("s1"))["cancelled"] != 1:
            pass
    page = await site.page("s1")
    assert (page["calls"], page["open"], page["errors"]) == (1, 0, 0)
