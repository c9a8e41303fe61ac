"""Quota stays true in a whole cluster: detection, demand, leaders that die or freeze."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import openai
import pytest
from redis import Redis

from grok2api.domain.account import CHAT_MODES, MEDIA_MODES
from grok2api.store import keys
from tests.cli.service import Service
from tests.e2e.installation import Installation, make_sessions, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

TTL_S = 3.0
HAND_OVER_S = TTL_S + 3
CLAIM_S = 180
MODEL = "grok-chat-fast"


class Maintenance(Service):
    """One `grok2api maintenance` and what it has logged."""

    def has_said(self, event: str) -> bool:
        return any(msgspec.json.decode(line)["msg"] == event for line in self.said.splitlines())


class Cluster:
    """One store and one simulated site for any number of hosts."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.folder = folder
        self.settings = {
            "GROK2API_REDIS_URL": redis_url,
            "GROK2API_SECRET_KEY": "k" * 43,
            "GROK_MAINTENANCE_LEADER_TTL_S": str(TTL_S),
        }
        self.store = Redis.from_url(redis_url)
        self.helpers: list[Maintenance] = []
        self.hosts: list[Installation] = []
        self.first = self.host()
        self.first.start_simulator()
        self.settings["GROK_UPSTREAM_GROK_URL"] = self.first.sim

    def host(self, **settings: str) -> Installation:
        folder = self.folder / f"h{len(self.hosts)}"
        folder.mkdir()
        self.hosts.append(Installation(folder, workers=1, settings=self.settings | settings))
        return self.hosts[-1]

    def maintenance(self, **settings: str) -> Maintenance:
        folder = self.folder / f"m{len(self.helpers)}"
        folder.mkdir()
        self.helpers.append(Maintenance(("maintenance",), folder, self.settings | settings))
        return self.helpers[-1]

    def simulate(self, path: str, **body: object) -> None:
        httpx2.post(f"{self.first.sim}/_sim/{path}", json=body).raise_for_status()

    def set_left(self, session: str, left: int) -> None:
        change = {"quota": {"fast": {"remaining": left}}}
        httpx2.patch(f"{self.first.sim}/_sim/accounts/{session}", json=change).raise_for_status()

    def quota_calls(self) -> int:
        return sum(page["quota_calls"] for page in self.first.ledger()["accounts"].values())

    def count(self, field: str, value: str) -> int:
        """Return how many accounts have this `status` or `tier`."""
        return sum(value == (a | a["pool"])[field] for a in self.first.accounts())

    def close(self) -> None:
        for helper in self.helpers:
            helper.process.kill()
            helper.process.wait(10)
        for host in self.hosts:
            host.close()
        self.store.close()


@pytest.fixture
def cluster(tmp_path: Path, redis_url: str) -> Iterator[Cluster]:
    opened = Cluster(tmp_path, redis_url)
    yield opened
    opened.close()
    said = "".join(helper.said for helper in opened.helpers)
    assert [session for session in make_sessions(6) if session in said] == []


def test_import_is_followed_by_detection(install: Callable[..., Installation]) -> None:
    here = install(accounts=0)
    sessions = make_sessions(3)
    for session, tier in zip(sessions, ("basic", "super", "heavy"), strict=True):
        here.register([session], tier=tier)

    here.import_accounts(*sessions)

    def found() -> list[str]:
        return sorted(a["pool"]["tier"] for a in here.accounts())

    wait_until(lambda: found() == ["basic", "heavy", "super"], what="detection")
    assert here.ledger()["violations"] == []
    windows = [pair for a in here.accounts() for pair in a["windows"].items()]
    assert {w["source"] for mode, w in windows if mode in CHAT_MODES} == {"real"}
    assert {w["source"] for mode, w in windows if mode in MEDIA_MODES} == {"unknown"}


def test_requests_of_two_hosts_bring_exhausted_accounts_back_with_one_refresh(
    cluster: Cluster,
) -> None:
    hosts = [cluster.first, cluster.host()]
    sessions = make_sessions(2)
    cluster.first.register(sessions)
    for session in sessions:
        cluster.set_left(session, 0)
    for host in hosts:
        host.start()
    cluster.first.import_accounts(*sessions)
    wait_until(lambda: cluster.count("status", "exhausted") == 2, what="detection")
    before = cluster.quota_calls()
    for session in sessions:
        cluster.set_left(session, 9)

    async def ask(host: Installation) -> str | None:
        async with host.async_client(max_retries=0) as client:
            messages: list[Any] = [{"role": "user", "content": "Hello"}]
            answer = await client.chat.completions.create(model=MODEL, messages=messages)
            return answer.choices[0].message.content

    async def ask_all() -> list[str | None]:
        return await asyncio.gather(*(ask(host) for host in (*hosts, *hosts)))

    answers = asyncio.run(ask_all())

    assert all(answers)
    assert cluster.quota_calls() - before == 2 * len(sessions), "each account once, two modes each"
    for session in sessions:
        cluster.set_left(session, 0)
    for account in cluster.first.accounts():
        cluster.first.command("accounts", "refresh", account["id"])
    asked = cluster.quota_calls()
    with pytest.raises(openai.InternalServerError):
        asyncio.run(ask(hosts[1]))
    assert cluster.quota_calls() == asked, "the next demand is not met before its time"


def test_killed_leader_is_followed_by_one_that_goes_on(cluster: Cluster) -> None:
    sessions = make_sessions(6)
    cluster.first.register(sessions, tier="super")
    cluster.simulate("script", directives=["fault=hang"], target="quota", times=2)
    cluster.first.import_accounts(*sessions)
    first = cluster.maintenance(GROK_ACCOUNT_REFRESH_CONCURRENCY="1")
    wait_until(lambda: cluster.quota_calls() == 2, what="a question about the first account")
    cluster.maintenance(GROK_ACCOUNT_REFRESH_CONCURRENCY="1")

    first.process.kill()

    wait_until(
        lambda: cluster.count("tier", "super") == 5, seconds=HAND_OVER_S + 10, what="going on"
    )
    (left,) = [a for a in cluster.first.accounts() if a["pool"]["tier"] == "basic"]
    due_ms = cluster.store.zscore(keys.refresh(), left["id"])
    now_ms = cluster.store.time()[0] * 1000
    assert due_ms is not None
    assert now_ms < due_ms <= now_ms + CLAIM_S * 1000, "it is asked about again in its turn"


def test_frozen_leader_that_wakes_up_writes_nothing(cluster: Cluster) -> None:
    (session,) = make_sessions(1)
    cluster.first.register([session], tier="heavy")
    cluster.simulate("script", directives=["stall_headers_ms=2000"], target="quota", times=0)
    cluster.first.import_accounts(session)
    first = cluster.maintenance()
    wait_until(lambda: cluster.quota_calls() == 2, what="a question")
    first.process.send_signal(signal.SIGSTOP)
    second = cluster.maintenance()
    wait_until(lambda: second.has_said("leadership_taken"), seconds=HAND_OVER_S, what="hand-over")
    epoch = cluster.store.hget(keys.leader(), "epoch")

    first.process.send_signal(signal.SIGCONT)

    wait_until(lambda: first.has_said("leadership_lost"), what="finding out")
    (account,) = cluster.first.accounts()
    assert cluster.store.hget(keys.leader(), "epoch") == epoch
    assert account["pool"]["tier"] == "basic"
    assert account["synced_at_s"] == 0
