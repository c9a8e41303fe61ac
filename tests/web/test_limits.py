"""Limits of client keys over HTTP: what they refuse, what clients are told, what is counted."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import msgspec
import pytest

from grok2api.config.media import VideoSettings
from grok2api.config.schema import ModelSettings
from grok2api.domain.account import Status
from grok2api.domain.admission import KeyUse, Used
from grok2api.domain.chat import EventBatch, TextDelta
from grok2api.domain.client_key import Budget
from grok2api.domain.ids import AccountId, ClientKeyId
from grok2api.domain.usage import FinishedRequest
from grok2api.services.key_changes import KeyChanges
from grok2api.services.request_log import RequestFilter
from tests.web.conftest import TEST_SETTINGS, WAIT_S, Edge, EdgeMaker, wait_until

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
RESPONSES = "/v1/responses"
VIDEOS = "/v1/videos"


async def client_of(edge: Edge, **fields: Any) -> httpx2.AsyncClient:
    key, plain = await edge.state.keys.create("team", KeyChanges(**fields))
    return httpx2.AsyncClient(
        base_url=edge.url, headers={"authorization": f"Bearer {plain}", "x-key-id": key.id}
    )


def chat(text: str = "Hi", **more: Any) -> dict[str, Any]:
    return {"model": "grok-chat-fast", "messages": [{"role": "user", "content": text}]} | more


def code_of(response: httpx2.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


async def logged(edge: Edge, count: int) -> list[FinishedRequest]:
    """Wait until so many requests are in the log; the newest come first."""
    async with asyncio.timeout(WAIT_S):
        while True:
            page = await edge.state.records.requests.page(RequestFilter(), limit=50)
            if len(page.items) >= count:
                return [one.finished for one in page.items]
            await asyncio.sleep(0.02)


async def test_clients_are_told_what_is_left_before_and_when_it_is_used_up(edge: Edge) -> None:
    async with await client_of(edge, requests_per_minute=2) as client:
        answers = [await client.post(CHAT, json=chat()) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    left = [answer.headers["x-ratelimit-remaining-requests"] for answer in answers]
    assert left == ["1", "0", "0"]
    assert {answer.headers["x-ratelimit-limit-requests"] for answer in answers} == {"2"}
    assert code_of(answers[2]) == (429, "rate_limit_exceeded")
    assert 0 < int(answers[2].headers["retry-after"]) <= 61
    assert 0 < int(answers[2].headers["retry-after-ms"]) <= 61_000


async def test_messages_have_headers_of_their_own(edge: Edge) -> None:
    body = {"model": "grok-chat-fast", "max_tokens": 5, "messages": chat()["messages"]}
    async with await client_of(edge, requests_per_minute=1, tokens_per_minute=100_000) as client:
        good = await client.post(MESSAGES, json=body)
        bad = await client.post(MESSAGES, json=body)

    assert (good.status_code, bad.status_code) == (200, 429)
    assert good.headers["anthropic-ratelimit-requests-remaining"] == "0"
    assert good.headers["anthropic-ratelimit-requests-reset"].endswith("Z")
    assert int(good.headers["anthropic-ratelimit-tokens-remaining"]) < 100_000
    assert bad.json()["error"]["type"] == "rate_limit_error"
    assert "x-ratelimit-limit-requests" not in good.headers


async def use_of(edge: Edge, client: httpx2.AsyncClient) -> KeyUse:
    key_id = ClientKeyId(client.headers["x-key-id"])
    return (await edge.state.admissions.usage([key_id]))[key_id]


async def calls_are_over(edge: Edge, client: httpx2.AsyncClient) -> None:
    async def is_over() -> bool:
        return not (await use_of(edge, client)).open_calls

    await wait_until(is_over)


async def test_reserved_tokens_are_settled_with_those_that_were_used(edge: Edge) -> None:
    async with await client_of(edge, tokens_per_minute=5000) as client:
        first = await client.post(CHAT, json=chat(max_tokens=4000, stream=True))
        second = await client.post(CHAT, json=chat(max_tokens=4000))

    assert int(first.headers["x-ratelimit-remaining-tokens"]) < 1001
    assert second.status_code == 200
    assert int(second.headers["x-ratelimit-remaining-tokens"]) > 4900


@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES])
async def test_client_that_leaves_pays_for_what_it_was_sent(edge: Edge, path: str) -> None:
    async def talk_on() -> AsyncIterator[EventBatch]:
        yield [TextDelta("word " * 500)]
        await asyncio.Event().wait()

    edge.script.play = talk_on
    body = {CHAT: chat(), MESSAGES: chat(max_tokens=900), RESPONSES: {"input": "Hi"}}[path]
    body |= {"model": "grok-chat-fast", "stream": True}
    async with await client_of(edge, day=Budget(tokens=100_000)) as client:
        async with client.stream("POST", path, json=body) as response:
            async for _ in response.aiter_raw():
                break
        await calls_are_over(edge, client)
        used = await use_of(edge, client)

    (told,) = await logged(edge, 1)
    assert told.status == 499
    assert used.day.tokens == told.input_tokens + told.output_tokens > 100


async def test_prompt_that_no_account_was_asked_costs_no_tokens(edge: Edge) -> None:
    await edge.store.set_status(AccountId("acc_1"), Status.DISABLED, for_s=0, reason="operator")
    async with await client_of(edge, tokens_per_minute=5000, day=Budget(tokens=9000)) as client:
        answer = await client.post(CHAT, json=chat("word " * 500))
        used = await use_of(edge, client)

    assert answer.status_code == 503
    assert (used.minute, used.day) == (Used(1), Used(1))
    assert answer.headers["x-ratelimit-remaining-tokens"] == "5000"


async def test_budget_in_units_counts_pictures(edge: Edge) -> None:
    async with await client_of(edge, day=Budget(units=3)) as client:
        asked = {"model": "grok-imagine-image", "prompt": "a cat", "response_format": "b64_json"}
        two = await client.post("/v1/images/generations", json=asked | {"n": 2})
        refused = await client.post("/v1/images/generations", json=asked | {"n": 2})

    assert two.status_code == 200
    assert code_of(refused) == (429, "insufficient_quota")
    assert len(edge.painter.requests) == 1


async def test_budget_in_units_counts_videos_however_they_are_asked_for(edge: Edge) -> None:
    asked = chat(model="grok-imagine-video", video_config={"seconds": 16})
    async with await client_of(edge, day=Budget(units=5)) as client:
        by_chat = await client.post(CHAT, json=asked)
        used = await use_of(edge, client)
        once = {"idempotency-key": "one"}
        jobs = [
            await client.post(VIDEOS, json={"prompt": "dunes", "seconds": "16"}, headers=once)
            for _ in range(2)
        ]
        refused = await client.post(CHAT, json=asked)
        after = await use_of(edge, client)

    assert by_chat.status_code == 200
    assert used.day.units == 2
    assert [job.status_code for job in jobs] == [200, 200]
    assert code_of(refused) == (429, "insufficient_quota")
    assert after.day.units == 4
    assert len(edge.filmer.requests) == 4


async def test_video_that_is_asked_for_again_is_paid_for_once(edge: Edge) -> None:
    edge.filmer.gate.clear()
    once = {"idempotency-key": "one"}
    async with await client_of(edge, day=Budget(units=9)) as client:
        jobs = [await client.post(VIDEOS, json={"prompt": "dunes"}, headers=once) for _ in range(3)]
        used = await use_of(edge, client)

    assert len({job.json()["id"] for job in jobs}) == 1
    assert used.day == Used(3, used.day.tokens, 1)
    units = [one.units for one in await logged(edge, 3)]
    assert sorted(units) == [0, 0, 1]


async def test_video_that_is_refused_is_not_paid_for(make_edge: EdgeMaker) -> None:
    settings = msgspec.structs.replace(TEST_SETTINGS, video=VideoSettings(max_jobs_per_key=1))
    async with (
        make_edge(settings) as edge,
        await client_of(edge, day=Budget(units=9)) as client,
    ):
        edge.filmer.gate.clear()
        jobs = [await client.post(VIDEOS, json={"prompt": "dunes"}) for _ in range(3)]
        used = await use_of(edge, client)

    assert [job.status_code for job in jobs] == [200, 429, 429]
    assert used.day.units == 1


async def test_budget_in_units_counts_a_video_once_however_often_it_is_asked_for(
    edge: Edge,
) -> None:
    film = {"model": "grok-imagine-video", "prompt": "dunes", "seconds": 6}
    headers = {"idempotency-key": "mine"}
    async with await client_of(edge, day=Budget(units=3)) as client:
        made = await client.post("/v1/videos", json=film, headers=headers)
        again = [await client.post("/v1/videos", json=film, headers=headers) for _ in range(3)]
        other = await client.post("/v1/videos", json=film | {"seconds": 10}, headers=headers)
        broken = await client.post("/v1/videos", json=film | {"input_reference": "AAAA"})
        await calls_are_over(edge, client)
        used = await edge.state.admissions.usage([ClientKeyId(client.headers["x-key-id"])])

    assert {answer.json()["id"] for answer in again} == {made.json()["id"]}
    assert (other.status_code, broken.status_code) == (409, 400)
    assert [use.day.units for use in used.values()] == [1]
    assert sum(one.units for one in await logged(edge, 6)) == 1


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"models": ("other-*",)}, (403, "model_not_allowed")),
        ({"networks": ("10.0.0.0/8",)}, (403, "address_not_allowed")),
        ({"is_enabled": False}, (401, "api_key_disabled")),
    ],
)
async def test_key_that_may_not_is_refused_before_any_account_is_asked(
    edge: Edge, fields: dict[str, Any], expected: tuple[int, str]
) -> None:
    async with await client_of(edge, **fields) as client:
        answer = await client.post(CHAT, json=chat())

    assert code_of(answer) == expected
    assert (await logged(edge, 1))[0].attempts == ()


async def test_key_sees_only_the_models_that_it_may_use(make_edge: EdgeMaker) -> None:
    aliases = {"mine": "grok-chat-fast", "yours": "grok-chat-fast"}
    settings = msgspec.structs.replace(TEST_SETTINGS, models=ModelSettings(aliases=aliases))
    page = {"anthropic-version": "2023-06-01"}
    async with (
        make_edge(settings) as edge,
        await client_of(edge, models=("min*",)) as of_alias,
        await client_of(edge, models=("grok-chat-fast*",)) as of_model,
        await client_of(edge) as free,
    ):
        listed = [
            {model["id"] for model in (await client.get("/v1/models")).json()["data"]}
            for client in (of_alias, of_model, free)
        ]
        as_page = (await of_alias.get("/v1/models", headers=page)).json()["data"]
        names = ("mine", "yours", "grok-chat-fast", "grok-chat-auto", "gpt-9")
        retrieved = [await of_alias.get(f"/v1/models/{name}") for name in names]

    every = {"grok-chat-fast", "mine", "yours"}
    assert listed[:2] == [{"mine"}, every]
    assert listed[2] > every
    assert [model["id"] for model in as_page] == ["mine"]
    assert [answer.status_code for answer in retrieved] == [200, 404, 404, 404, 404]
    assert {code_of(answer) for answer in retrieved[1:]} == {(404, "model_not_found")}


async def test_log_says_what_a_request_was_and_never_what_was_said(edge: Edge) -> None:
    async with await client_of(edge) as client:
        secret = "my private words"
        await client.post(CHAT, json=chat(secret), headers={"x-request-id": "mine-1"})
        await client.post(CHAT, json=chat(secret, model="nothing"))

    refused, served = await logged(edge, 2)
    assert (served.id, served.status, served.model) == ("mine-1", 200, "grok-chat-fast")
    assert (served.client, served.mode, served.account) == ("127.0.0.1", "fast", "acc_1")
    assert [attempt.outcome for attempt in served.attempts] == ["ok"]
    assert served.units == 1
    assert served.input_tokens > 0 < served.output_tokens
    assert (refused.status, refused.code, refused.error) == (
        404,
        "model_not_found",
        "model_not_found",
    )
    assert secret not in repr((refused, served))


async def test_background_response_is_logged_when_it_has_ended(edge: Edge) -> None:
    async with await client_of(edge, concurrency=1) as client:
        body = {"model": "grok-chat-fast", "input": "Hi", "background": True}
        answer = await client.post("/v1/responses", json=body)
        [served] = await logged(edge, 1)
        await calls_are_over(edge, client)

    assert answer.status_code == 200
    assert (served.route, served.status) == ("/v1/responses", 200)
    assert served.output_tokens > 0
