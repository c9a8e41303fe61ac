"""What keeps strangers out: origins, headers, limits, locks, and who may see the numbers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx2
import pytest
from starlette.routing import Route
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from grok2api.config.schema import Settings
from grok2api.domain.chat import EventBatch
from grok2api.store import limit_keys
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient
from grok2api.web.routes import build_routes
from tests.conftest import find_server, run_server
from tests.web.conftest import API_KEY, Edge, EdgeMaker, question, wait_until
from tests.web.edge_settings import METRICS_TOKEN, PASSWORD, with_security

CHAT = "/v1/chat/completions"
APP = "https://app.example"
ORIGIN = {"origin": APP}
HTTP_FORBIDDEN, HTTP_TOO_LARGE, HTTP_UPGRADE, HTTP_LOCKED = 403, 413, 426, 429


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def behind(client: str) -> dict[str, str]:
    """Return what a proxy on this machine adds."""
    return {"x-forwarded-for": client}


async def crash() -> AsyncIterator[EventBatch]:
    for word in ("crash",):
        raise RuntimeError(word)
    yield []


# Origins


async def test_other_origins_are_closed_out_by_default(edge: Edge) -> None:
    response = await edge.client.get("/v1/models", headers=ORIGIN)

    assert "access-control-allow-origin" not in response.headers


async def test_listed_origins_may_send_any_header(make_edge: EdgeMaker) -> None:
    async with make_edge(with_security(cors_origins=(APP,))) as edge:
        preflight = await edge.client.options(
            CHAT,
            headers=ORIGIN
            | {
                "access-control-request-method": "POST",
                "access-control-request-headers": "authorization,x-stainless-os,x-anything",
            },
        )
        other = await edge.client.get("/v1/models", headers={"origin": "https://evil.example"})

    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == APP
    assert "access-control-allow-credentials" not in preflight.headers
    for name in ("x-stainless-os", "x-anything"):
        assert name in preflight.headers["access-control-allow-headers"]
    assert "access-control-allow-origin" not in other.headers


async def test_pages_of_listed_origins_can_read_every_error(make_edge: EdgeMaker) -> None:
    settings = with_security(
        cors_origins=(APP,), rate_limit_enabled=True, rate_limit_per_minute=1, rate_limit_burst=5
    )
    async with make_edge(settings) as edge:
        edge.script.play = crash
        answers = [
            await edge.client.get("/v1/models", headers=ORIGIN | bearer("wrong")),
            await edge.client.get("/v1/nothing", headers=ORIGIN),
            await edge.client.post(CHAT, headers=ORIGIN, content=b"x" * 1_100_000),
            await edge.client.post(CHAT, headers=ORIGIN, json=question()),
            await edge.client.get(CHAT, headers=ORIGIN),
            await edge.client.get("/v1/models", headers=ORIGIN),
        ]

    assert [answer.status_code for answer in answers] == [401, 404, 413, 500, 405, 429]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == APP
        assert "retry-after" in answer.headers["access-control-expose-headers"].lower()


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, HTTP_UPGRADE),
        (APP, HTTP_UPGRADE),
        ("http://{host}", HTTP_UPGRADE),
        ("https://{host}", HTTP_FORBIDDEN),
        ("https://evil.example", HTTP_FORBIDDEN),
        ("null", HTTP_FORBIDDEN),
    ],
)
async def test_websockets_are_for_our_own_pages_and_listed_origins(
    make_edge: EdgeMaker, origin: str | None, status: int
) -> None:
    async with make_edge(with_security(cors_origins=(APP,))) as edge:
        host = f"127.0.0.1:{edge.port}"
        named = {} if origin is None else {"origin": origin.format(host=host)}
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"ws://{host}/v1/responses", additional_headers=named):
                pass

    assert refused.value.response.status_code == status
    assert refused.value.response.headers["x-content-type-options"] == "nosniff"


# Headers


async def test_every_answer_carries_the_security_headers(edge: Edge) -> None:
    answers = [
        await edge.client.get(path)
        for path in ("/", "/healthz", "/v1/models", "/nothing", "/static/site.css", "/static/no")
    ]
    edge.script.play = crash
    answers += [
        await edge.client.get("/v1/models", headers=bearer("wrong")),
        await edge.client.post(CHAT, json=question()),
        await edge.client.post(CHAT, content=b"x" * 1_100_000),
        await edge.client.options(CHAT),
        await edge.client.get("/", headers={"accept": "text/html"}),
    ]

    statuses = [answer.status_code for answer in answers]
    assert statuses == [200, 200, 200, 404, 200, 404, 401, 500, 413, 204, 200]
    for answer in answers:
        for name in (
            *("x-content-type-options", "x-frame-options", "referrer-policy"),
            *("content-security-policy", "x-request-id"),
        ):
            assert len(answer.headers.get_list(name)) == 1
        assert answer.headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers


@pytest.mark.parametrize(
    "sent",
    [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nx: " + b"y" * 40_000 + b"\r\n\r\n", b"GET / HT"],
)
async def test_what_the_server_itself_refuses_carries_them_too(edge: Edge, sent: bytes) -> None:
    reader, writer = await edge.open()
    writer.write(sent)
    answer = (await reader.read()).lower()
    writer.close()

    assert answer.startswith(b"http/1.1 4")
    assert b"x-content-type-options: nosniff\r\n" in answer
    assert b"content-security-policy: default-src 'none'" in answer


# Bodies

CANCELLED = ("admin/api/batch/{id}", "v1/responses/{response_id}", "v1/videos/{video_id}")


def routes_with_bodies() -> list[tuple[str, str]]:
    return [
        (method, route.path)
        for route in build_routes()
        if isinstance(route, Route)
        for method in sorted((route.methods or set()) & {"POST", "PUT", "DELETE"})
    ]


async def test_body_that_is_too_large_is_a_413_on_every_route_that_reads_one(
    make_edge: EdgeMaker,
) -> None:
    too_large = b" " * 1_100_000
    unread: set[str] = set()
    bodiless = {"POST /admin/api/sync", *(f"POST /{path}/cancel" for path in CANCELLED)}
    bodiless |= {"DELETE /v1/responses/{response_id}", "DELETE /v1/videos/{video_id}"}
    forgetting = ("stats/reset", "requests/clear", "logs/clear")
    bodiless |= {"DELETE /admin/api/keys/{id}", *(f"POST /admin/api/{path}" for path in forgetting)}
    async with make_edge(with_security(password=API_KEY)) as edge:
        for method, path in routes_with_bodies():
            for kind in ("application/json", "multipart/form-data; boundary=x"):
                headers = {"content-type": kind}
                asked = path.replace("{kind}", "refresh")
                answer = await edge.client.request(
                    method, asked, content=too_large, headers=headers
                )
                if answer.status_code == HTTP_TOO_LARGE:
                    assert "larger than 1 MB" in answer.json()["error"]["message"]
                else:
                    unread.add(f"{method} {path}")

    assert unread == bodiless


# Numbers


@pytest.mark.parametrize(
    ("secret", "status"),
    [(METRICS_TOKEN, 200), (PASSWORD, 200), (API_KEY, 401), ("", 401), ("pl\u00e4nted", 401)],
)
async def test_numbers_are_for_the_token_and_the_administrator(
    make_edge: EdgeMaker, secret: str, status: int
) -> None:
    settings = with_security(PASSWORD, metrics_token=METRICS_TOKEN, allow_anonymous_api=True)
    async with make_edge(settings) as edge:
        headers = {b"authorization": b"Bearer " + secret.encode()} if secret else {}
        async with httpx2.AsyncClient(base_url=edge.url) as caller:
            answer = await caller.get("/metrics", headers=headers)

    assert answer.status_code == status
    assert ("g2a_" in answer.text) == (status == 200)


async def test_metrics_token_opens_nothing_else(make_edge: EdgeMaker) -> None:
    async with make_edge(with_security(PASSWORD, metrics_token=METRICS_TOKEN)) as edge:
        for path in ("/v1/models", "/admin/api/status"):
            answer = await edge.client.get(path, headers=bearer(METRICS_TOKEN))
            assert answer.status_code == 401


# The limit by address


def limited(per_minute: int = 30, burst: int = 3) -> Settings:
    return with_security(
        rate_limit_enabled=True, rate_limit_per_minute=per_minute, rate_limit_burst=burst
    )


async def statuses(edge: Edge, count: int, client: str) -> list[int]:
    return [
        (await edge.client.get("/v1/models", headers=behind(client))).status_code
        for _ in range(count)
    ]


async def test_address_is_limited_over_all_workers(make_edge: EdgeMaker) -> None:
    async with make_edge(limited()) as one, make_edge(limited()) as other:
        first = await statuses(one, 2, "203.0.113.5")
        second = await statuses(other, 2, "203.0.113.5")
        third = await statuses(other, 1, "203.0.113.6")

    assert first + second + third == [200, 200, 200, 429, 200]


async def test_network_of_an_ipv6_client_is_limited_as_one(make_edge: EdgeMaker) -> None:
    async with make_edge(limited(burst=1)) as edge:
        got = [
            *await statuses(edge, 1, "2001:db8:0:1::1"),
            *await statuses(edge, 1, "2001:db8:0:1::2"),
            *await statuses(edge, 1, "2001:db8:0:2::1"),
        ]

    assert got == [200, 429, 200]


async def test_what_a_client_writes_into_the_header_does_not_help(make_edge: EdgeMaker) -> None:
    async with make_edge(limited(burst=1)) as edge:
        got = [(await statuses(edge, 1, f"198.51.100.{n}, 203.0.113.5"))[0] for n in range(3)]

    assert got == [200, 429, 429]


async def test_refusal_says_when_to_come_back_in_the_clients_own_form(
    make_edge: EdgeMaker,
) -> None:
    async with make_edge(limited(per_minute=1, burst=1)) as edge:
        await edge.client.get("/v1/models")
        openai = await edge.client.get("/v1/models")
        anthropic = await edge.client.post("/v1/messages", json={})

    assert (openai.status_code, anthropic.status_code) == (429, 429)
    assert openai.json()["error"]["code"] == "rate_limit_exceeded"
    assert anthropic.json()["type"] == "error"
    assert anthropic.json()["error"]["type"] == "rate_limit_error"
    for answer in (openai, anthropic):
        assert 50 <= int(answer.headers["retry-after"]) <= 60
        wait_ms = int(answer.headers["retry-after-ms"])
        assert (wait_ms + 999) // 1000 == int(answer.headers["retry-after"])


async def test_probes_files_and_preflights_are_free(make_edge: EdgeMaker) -> None:
    settings = with_security(
        cors_origins=(APP,), rate_limit_enabled=True, rate_limit_per_minute=1, rate_limit_burst=1
    )
    async with make_edge(settings) as edge:
        await edge.client.get("/v1/models")
        for path in ("/healthz", "/readyz/", "/health", "/metrics", "/static/site.css"):
            assert (await edge.client.get(path)).status_code != HTTP_LOCKED
        for path in ("/v1/files/image", "/files/video"):
            assert (await edge.client.get(path)).status_code != HTTP_LOCKED
        asked = {"access-control-request-method": "POST"}
        assert (await edge.client.options(CHAT, headers=ORIGIN | asked)).status_code == 200

        for path in ("/", "/healthzz", "/static", "/v1/files/image/x", "/admin/api/verify"):
            assert (await edge.client.get(path)).status_code == HTTP_LOCKED


async def test_websockets_count_too(make_edge: EdgeMaker) -> None:
    async with make_edge(limited(burst=1)) as edge:
        await edge.client.get("/v1/models")
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"ws://127.0.0.1:{edge.port}/v1/responses"):
                pass

    assert refused.value.response.status_code == HTTP_LOCKED
    assert "retry-after" in refused.value.response.headers


async def test_limit_is_off_by_default_and_leaves_nothing_in_the_store(
    edge: Edge, redis: RedisClient
) -> None:
    assert set(await statuses(edge, 70, "203.0.113.5")) == {200}
    assert not await redis.execute_command("EXISTS", limit_keys.address_bucket("203.0.113.5"))


async def test_without_a_store_requests_pass_and_are_counted(
    tmp_path: Path, cipher: SecretCipher
) -> None:
    socket_path = tmp_path / "s"
    options = ("--port", "0", "--unixsocket", str(socket_path))
    with ExitStack() as stack:
        store = stack.enter_context(run_server(find_server("valkey"), tmp_path, *options))
        await wait_until(partial(asyncio.to_thread, socket_path.exists))
        maker = EdgeMaker(f"unix://{socket_path}", cipher, tmp_path)
        async with maker(limited(burst=1)) as edge:
            store.kill()
            store.wait()
            answers = [await edge.client.get("/") for _ in range(3)]
            text = edge.state.metrics.render().decode()

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert "g2a_redis_errors_total 3.0" in text


# Guessing the administrator's password


async def verify(edge: Edge, password: str, client: str) -> httpx2.Response:
    headers = bearer(password) | behind(client)
    return await edge.client.get("/admin/api/verify", headers=headers)


async def test_guessing_locks_the_address_at_all_workers(make_edge: EdgeMaker) -> None:
    settings = with_security(PASSWORD)
    async with make_edge(settings) as one, make_edge(settings) as other:
        guesses = [await verify(one, f"guess {n}", "203.0.113.5") for n in range(3)]
        guesses += [await verify(other, f"guess {n}", "203.0.113.5") for n in range(3)]
        locked = [await verify(edge, PASSWORD, "203.0.113.5") for edge in (one, other)]
        elsewhere = await verify(other, PASSWORD, "203.0.113.6")

    assert [answer.status_code for answer in guesses] == [401] * 5 + [429]
    assert [answer.status_code for answer in locked] == [429, 429]
    assert locked[0].json()["error"]["code"] == "too_many_attempts"
    assert 50 <= int(locked[0].headers["retry-after"]) <= 60
    assert elsewhere.status_code == 200


async def test_burst_of_guesses_over_workers_gets_five_answers(make_edge: EdgeMaker) -> None:
    settings = with_security(PASSWORD)
    async with make_edge(settings) as one, make_edge(settings) as other:
        asked = [verify((one, other)[n % 2], f"guess {n}", "203.0.113.5") for n in range(40)]
        answers = await asyncio.gather(*asked)

    codes = [answer.status_code for answer in answers]
    assert (codes.count(401), codes.count(429)) == (5, 35)


async def test_request_without_a_password_is_no_guess(make_edge: EdgeMaker) -> None:
    async with make_edge(with_security(PASSWORD)) as edge:
        async with httpx2.AsyncClient(base_url=edge.url) as stranger:
            codes = [(await stranger.get("/admin/api/verify")).status_code for _ in range(8)]
        right = await verify(edge, PASSWORD, "127.0.0.1")

    assert codes == [401] * 8
    assert right.status_code == 200
