"""Routes, ids, probes, headers: what holds for every request."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from grok2api.domain.chat import EventBatch
from grok2api.store.cipher import SecretCipher
from grok2api.web.intake import canonical_path
from tests.conftest import find_server, run_server
from tests.web.conftest import (
    API_KEY,
    MODEL,
    SESSION,
    Edge,
    EdgeMaker,
    question,
    wait_until,
)
from tests.web.edge_settings import METRICS_TOKEN, with_security


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("/v1/models", "/v1/models"),
        ("/v1/models/", "/v1/models"),
        ("/v1/v1/models", "/v1/models"),
        ("/v1/v1/v1/models/x", "/v1/models/x"),
        ("/models", "/v1/models"),
        ("/chat/completions/", "/v1/chat/completions"),
        ("//v1//chat/completions", "/v1/chat/completions"),
        ("/v1", "/"),
        ("/v1/", "/"),
        ("/", "/"),
        ("", "/"),
        ("/healthz/", "/healthz"),
        ("/v2/models", "/v2/models"),
        ("/modelsx", "/modelsx"),
        ("/admin/v1/models", "/admin/v1/models"),
    ],
)
def test_people_paste_our_address_in_many_ways(written: str, meant: str) -> None:
    assert canonical_path(written) == meant


@pytest.mark.parametrize("path", ["/v1/models", "/models", "/v1/v1/models/", "/v1/v1/models"])
async def test_models_are_listed_under_every_spelling(edge: Edge, path: str) -> None:
    response = await edge.client.get(path)

    assert response.status_code == 200
    assert MODEL in [model["id"] for model in response.json()["data"]]


async def test_one_model_can_be_asked_for(edge: Edge) -> None:
    response = await edge.client.get(f"/v1/models/{MODEL}")

    assert response.json()["id"] == MODEL


async def test_an_unknown_model_is_a_404(edge: Edge) -> None:
    response = await edge.client.get("/v1/models/some/other")

    assert response.status_code == 404
    assert response.json()["error"]["code"] == "model_not_found"


async def test_an_unknown_path_is_a_404_object(edge: Edge) -> None:
    response = await edge.client.get("/v1/nothing")

    assert response.status_code == 404
    assert response.json()["error"]["type"] == "not_found_error"


async def test_a_wrong_method_is_a_405_object(edge: Edge) -> None:
    response = await edge.client.get("/v1/chat/completions")

    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert response.json()["error"]["code"] == "method_not_allowed"


async def test_options_is_answered_with_what_is_allowed(edge: Edge) -> None:
    response = await edge.client.options("/v1/chat/completions")

    assert response.status_code == 204
    assert response.headers["allow"] == "POST"


async def test_the_address_itself_answers_programs(edge: Edge) -> None:
    assert (await edge.client.get("/")).json()["name"] == "grok2api"
    assert (await edge.client.get("/v1")).json()["name"] == "grok2api"
    assert (await edge.client.head("/")).status_code == 200


async def test_the_address_itself_shows_people_a_page(edge: Edge) -> None:
    hostile = {"accept": "text/html", "host": "x<script>"}

    response = await edge.client.get("/", headers={"accept": "text/html"})

    assert f"{edge.url}/v1" in response.text
    assert "style-src 'self'" in response.headers["content-security-policy"]
    assert "<script" not in (await edge.client.get("/", headers=hostile)).text
    assert (await edge.client.get("/static/site.css")).status_code == 200


@pytest.mark.parametrize(
    "path", ["/static/../pyproject.toml", "/static/%2e%2e/pyproject.toml", "/static/..%2fREADME.md"]
)
async def test_static_files_end_at_their_folder(edge: Edge, path: str) -> None:
    reader, writer = await edge.open()
    writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()

    assert answer.startswith(b"HTTP/1.1 404 ")


async def test_a_plain_id_of_the_client_comes_back(edge: Edge) -> None:
    response = await edge.client.get("/healthz", headers={"x-request-id": "abc-1.2:3_X"})

    assert response.headers["x-request-id"] == "abc-1.2:3_X"
    assert response.headers["request-id"] == "abc-1.2:3_X"


@pytest.mark.parametrize("given", ["x" * 129, "a b", "<x>", "é".encode(), '"'])
async def test_any_other_id_is_replaced(edge: Edge, given: str) -> None:
    response = await edge.client.get("/healthz", headers={"x-request-id": given})

    assert response.headers["x-request-id"].startswith("req_")


async def test_liveness_needs_nothing(edge: Edge) -> None:
    response = await edge.client.get("/healthz", headers={"authorization": ""})

    assert response.json() == {"status": "ok"}


@pytest.mark.parametrize("path", ["/readyz", "/health"])
async def test_readiness_says_why_not(edge: Edge, path: str) -> None:
    assert (await edge.client.get(path)).json() == {"status": "ready", "reasons": []}

    edge.state.drain.begin(60.0)

    response = await edge.client.get(path)
    assert response.status_code == 503
    assert response.json() == {"status": "not_ready", "reasons": ["draining"]}


async def test_metrics_count_what_was_served(make_edge: EdgeMaker) -> None:
    async with make_edge(with_security(metrics_token=METRICS_TOKEN)) as edge:
        await edge.client.post("/v1/chat/completions", json=question(stream=True))
        await edge.client.get("/anything-a-client-made-up")

        token = {"authorization": f"Bearer {METRICS_TOKEN}"}
        text = (await edge.client.get("/metrics", headers=token)).text

    assert 'route="/v1/chat/completions",status="2xx"' in text
    assert f'gen_ai_request_model="{MODEL}"' in text
    labels = 'error_type="",gen_ai_operation_name="chat",outcome="ok"'
    assert f"g2a_upstream_attempts_total{{{labels}}} 1.0" in text
    assert "made-up" not in text
    assert 'route="unmatched",status="4xx"' in text


async def test_a_websocket_is_told_to_use_http(edge: Edge) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"ws://127.0.0.1:{edge.port}/v1/responses"):
            pass

    assert refused.value.response.status_code == 426
    assert b"websocket_unsupported" in (refused.value.response.body or b"")


async def test_a_request_is_one_line_with_its_facts(log_output: io.StringIO, edge: Edge) -> None:
    await edge.client.post(
        "/v1/chat/completions", json=question(stream=True), headers={"x-request-id": "mine"}
    )
    await asyncio.sleep(0)

    rows = [msgspec.json.decode(line) for line in log_output.getvalue().splitlines()]
    [row] = [row for row in rows if row["msg"] == "request_served"]
    assert row["request_id"] == "mine"
    assert (row["method"], row["route"], row["status"]) == ("POST", "/v1/chat/completions", 200)
    assert (row["model"], row["account"], row["attempts"]) == (MODEL, "acc_1", 1)
    assert row["key_id"].startswith("key_")
    assert row["affinity"] == "content"
    assert row["duration_ms"] >= row["ttft_ms"] > 0
    assert row["output_tokens"] > 0


async def test_no_secret_and_no_prompt_is_logged(log_output: io.StringIO, edge: Edge) -> None:
    async def crash() -> AsyncIterator[EventBatch]:
        for known in (SESSION,):
            raise RuntimeError(f"sent cookie sso={known} with {API_KEY}")
        yield []

    prompt = "planted-prompt-text"
    messages = [{"role": "user", "content": prompt}]
    await edge.client.post("/v1/chat/completions", json=question(messages=messages))
    edge.script.play = crash
    await edge.client.post("/v1/chat/completions", json=question(messages=messages, stream=True))
    await edge.client.post("/v1/chat/completions", json=question(messages=messages, n="x"))
    await edge.client.get(f"/v1/models?key={API_KEY}")
    await edge.client.get("/v1/models", headers={"authorization": f"Bearer {SESSION}"})
    reader, writer = await edge.open()
    writer.write(f"GET / HTTP/1.1\r\nAuthorization Bearer {API_KEY}\r\n\r\n".encode())
    await reader.read()
    writer.close()

    text = log_output.getvalue()
    assert edge.script.sessions == [SESSION, SESSION]
    assert text.count("request_served") == 5
    assert "request_crashed" in text
    for planted in (API_KEY, SESSION, prompt):
        assert planted not in text


async def test_without_its_store_the_gateway_says_so_and_comes_back(
    tmp_path: Path, cipher: SecretCipher
) -> None:
    socket_path = tmp_path / "s"
    options = ("--port", "0", "--unixsocket", str(socket_path))
    binary = find_server("valkey")
    with ExitStack() as stack:
        store = stack.enter_context(run_server(binary, tmp_path, *options))
        await wait_until(partial(asyncio.to_thread, socket_path.exists))
        async with EdgeMaker(f"unix://{socket_path}", cipher, tmp_path)() as edge:
            store.kill()
            store.wait()
            ready = await edge.client.get("/readyz")
            answer = await edge.client.post("/v1/chat/completions", json=question(stream=True))
            assert ready.json() == {"status": "not_ready", "reasons": ["store_unavailable"]}
            assert answer.status_code == 503
            assert answer.json()["error"]["code"] == "store_unavailable"
            assert "retry-after" in answer.headers
            assert (await edge.client.get("/healthz")).status_code == 200

            stack.enter_context(run_server(binary, tmp_path, *options))

            async def is_ready() -> bool:
                return (await edge.client.get("/readyz")).status_code == 200

            await wait_until(is_ready)
