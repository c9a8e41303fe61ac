"""What a page of metrics says after requests of every kind, on a real store."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from grok2api.domain.account import Credentials, Pool, ProviderKind, Tier
from grok2api.domain.ids import AccountId
from grok2api.store.accounts import NewAccount
from tests.web.conftest import Edge, EdgeMaker, question
from tests.web.edge_settings import METRICS_TOKEN, with_security
from tests.web.painter import png
from tests.web.test_videos import finished

CAT: dict[str, Any] = {"prompt": "a cat"}
OPERATION = "gen_ai_operation_name"


@pytest.fixture
async def edge(make_edge: EdgeMaker) -> AsyncIterator[Edge]:
    async with make_edge(with_security(metrics_token=METRICS_TOKEN)) as running:
        yield running


async def scrape(edge: Edge) -> list[tuple[str, dict[str, str], float]]:
    token = {"authorization": f"Bearer {METRICS_TOKEN}"}
    text = (await edge.client.get("/metrics", headers=token)).text
    return [
        (sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]


async def numbers(edge: Edge, name: str, label: str, **where: str) -> dict[str, float]:
    """Return the samples of a metric by one of its labels."""
    return {
        labels[label]: value
        for found, labels, value in await scrape(edge)
        if found == name and where.items() <= labels.items()
    }


@pytest.fixture
async def rich(edge: Edge) -> Edge:
    """A gateway with an account that may do everything."""
    await edge.store.save(
        NewAccount(
            AccountId("rich"),
            Pool(ProviderKind.GROK_WEB, Tier.HEAVY),
            Credentials("session-of-the-rich"),
            mask="…",
        )
    )
    return edge


async def test_every_operation_is_counted_as_what_it_is(rich: Edge) -> None:
    chat = await rich.client.post("/v1/chat/completions", json=question())
    image = await rich.client.post("/v1/images/generations", json=CAT)
    edit = await rich.client.post(
        "/v1/images/edits", data=CAT, files={"image": ("a.png", png(), "image/png")}
    )
    await finished(rich)

    assert [answer.status_code for answer in (chat, image, edit)] == [200] * 3
    once = {"chat": 1, "image_generation": 1, "image_edit": 1, "video_generation": 1}
    for name in ("g2a_upstream_attempts_total", "gen_ai_client_operation_duration_seconds_count"):
        assert await numbers(rich, name, OPERATION) == once
    assert await numbers(rich, "g2a_upstream_attempts_total", OPERATION, outcome="ok") == once
    assert await numbers(rich, "gen_ai_server_request_duration_seconds_count", OPERATION) == once
    assert set(await numbers(rich, "g2a_account_wait_seconds_count", OPERATION)) <= set(once)


async def test_facts_of_the_store_are_told_with_them(rich: Edge) -> None:
    await rich.client.post("/v1/images/generations", json=CAT)
    await finished(rich)

    accounts = await numbers(rich, "g2a_pool_accounts", "tier", status="active")
    assert accounts == {"basic": 1, "super": 0, "heavy": 1}
    assert (await numbers(rich, "g2a_media_files", "kind"))["image"] == 1
    assert (await numbers(rich, "g2a_media_bytes", "kind"))["video"] > 0
    assert await numbers(rich, "g2a_video_jobs", "state") == {"unfinished": 0, "ended": 1}
    values = {name: value for name, labels, value in await scrape(rich) if not labels}
    assert (values["g2a_store_up"], values["g2a_leader_present"]) == (1, 0)
    assert values["g2a_waiting_requests"] == 0


async def test_what_a_client_makes_up_is_no_label(rich: Edge) -> None:
    for name in ("made-up-1", "made-up-2"):
        await rich.client.get(f"/{name}")
        await rich.client.get(f"/v1/files/image?id={name}")
        await rich.client.get(f"/v1/videos/{name}")
        await rich.client.post("/v1/images/generations", json=CAT | {"model": name})
        await rich.client.request(name.upper().replace("-", ""), "/v1/models")

    labels = {value for _, labels, _ in await scrape(rich) for value in labels.values()}
    assert not {value for value in labels if "made" in value.lower()}
