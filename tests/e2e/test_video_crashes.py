"""Videos whose workers are killed or stopped: none is lost, and none is asked for twice."""

import asyncio
import random
import re
import secrets
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import httpx2
import psutil
import pytest

from grok2api.domain.account import Mode
from grok2api.domain.media import MediaKind
from tests.e2e.conftest import Install
from tests.e2e.installation import Installation, wait_until
from tests.e2e.studio import SETTINGS, Studio
from tests.web.painter import png

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

GRACE_S = 6
"""The least that an installation may be given to stop."""
LONG_MS = 60_000
JOBS, AT_ONCE = 200, 16
NUMBER = re.compile(r"number \d+")
ENDS = {
    "accepted": "completed",
    "submitting": "video_state_unknown",
    "submitted": "video_state_unknown",
    "polling": "completed",
    "storing": "completed",
}
"""How a job ends whose worker is killed in a state."""


@pytest.fixture
def build(install: Install, redis_url: str) -> Callable[..., Studio]:
    """Install with a store that outlives the installation."""

    def make(*, workers: int, accounts: int) -> Studio:
        more = {
            "GROK2API_REDIS_URL": redis_url,
            "GROK_SERVER_GRACEFUL_TIMEOUT_S": str(GRACE_S),
            "GROK_VIDEO_FIND_TIMEOUT_S": "20",
            "GROK_VIDEO_MAX_JOBS_PER_KEY": "1000",
        }
        here = install(accounts=0, workers=workers, settings=SETTINGS | more)
        return Studio(here, accounts)

    return make


class Jobs:
    """Asks for videos as a client that is patient with a server that restarts."""

    def __init__(self, here: Installation) -> None:
        self._client = here.stranger(headers={"authorization": f"Bearer {here.key}"})

    def begin(self, prompt: str, picture: bytes = b"") -> str:
        files = {"input_reference": ("a.png", picture, "image/png")} if picture else None
        # Whose connection breaks asks again under the same token, and gets the same job.
        token = {"idempotency-key": secrets.token_hex(8)}
        answer = self._ask(
            "POST", "/v1/videos", data={"prompt": prompt}, files=files, headers=token
        )
        return str(answer["id"])

    def look(self, job_id: str) -> dict[str, Any]:
        return self._ask("GET", f"/v1/videos/{job_id}")

    def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Ask until a server answers: one that stops closes connections that wait for nothing."""

        def answer() -> dict[str, Any] | None:
            try:
                reply = self._client.request(method, path, **options)
            except httpx2.TransportError:
                return None
            return dict(reply.raise_for_status().json())

        return dict(wait_until(answer, what="a server"))

    def end(self, *job_ids: str, seconds: float = 45.0) -> list[dict[str, Any]]:
        """Wait for the ends of jobs; return how each is told."""

        def have_ended() -> list[dict[str, Any]]:
            seen = [self.look(job_id) for job_id in job_ids]
            ended = all(job["status"] in ("completed", "failed") for job in seen)
            return seen if ended else []

        return list(wait_until(have_ended, seconds=seconds, what="the end of all videos"))


def open_links(studio: Studio, jobs: list[dict[str, Any]]) -> set[bytes]:
    """Return what lies behind the links of jobs."""
    with studio.here.stranger() as client:
        return {client.get(job["url"]).raise_for_status().content for job in jobs}


def how(job: dict[str, Any]) -> str:
    return str(job["error"]["code"] if job["error"] else job["status"])


def asked_for(studio: Studio) -> Counter[str]:
    return Counter(each["prompt"] for each in studio.here.submissions())


def check_nothing_is_left(studio: Studio) -> None:
    """Leases, quota, inputs and media are as if nothing had been killed."""
    studio.close_books()
    wait_until(lambda: studio.count(MediaKind.INPUT) == 0, what="removal of what was given")
    studio.check_index(MediaKind.VIDEO, after_crash=True)
    studio.here.command("accounts", "refresh", *(a.id for a in studio.accounts()))
    assert studio.used(Mode.VIDEO_720P) == studio.spent(Mode.VIDEO_720P)


def begin_in_every_state(studio: Studio, jobs: Jobs) -> dict[str, str]:
    """Begin a job for each state and keep it there; return their ids."""
    here, made = studio.here, {}

    def begin(state: str, directives: str = "", picture: bytes = b"") -> None:
        made[state] = jobs.begin(f"{state} [[sim: {directives}]]" if directives else state, picture)
        wait_until(lambda: studio.job(made[state]).state == state, what=state)

    here.script("asset", "chunk=1000; delay_ms=3000")
    begin("storing")
    wait_until(lambda: any(p["download_tries"] for p in here.pages()), what="the download")
    begin("submitting", f"stall_headers_ms={LONG_MS}")
    begin("submitted", f"stall_first_ms={LONG_MS}")
    begin("polling", "video_ms=9000; steps=3")
    here.script("upload", f"stall_headers_ms={LONG_MS}")
    begin("accepted", picture=png(90, 160))
    wait_until(lambda: studio.count(MediaKind.INPUT) == 1, what="the picture")
    return made


def test_jobs_killed_in_every_state_end_and_are_asked_for_once(
    build: Callable[..., Studio],
) -> None:
    studio = build(workers=2, accounts=2)
    jobs = Jobs(studio.here)
    made = begin_in_every_state(studio, jobs)
    assert {state: studio.job(job).state for state, job in made.items()} == {s: s for s in made}

    studio.here.kill_everything()
    studio.here.start()
    ended = dict(zip(made, jobs.end(*made.values()), strict=True))

    assert {state: how(job) for state, job in ended.items()} == ENDS
    assert set(asked_for(studio).values()) == {1}
    assert len(asked_for(studio)) == len(ENDS)
    completed = [job for job in ended.values() if job["status"] == "completed"]
    assert len(open_links(studio, completed)) == len(completed)
    assert studio.count(MediaKind.VIDEO) == len(completed)
    check_nothing_is_left(studio)


def test_jobs_outlive_new_workers_and_a_stop(build: Callable[..., Studio]) -> None:
    studio = build(workers=2, accounts=4)
    here, jobs = studio.here, Jobs(studio.here)

    def begin(name: str, count: int, video_ms: int) -> list[str]:
        directives = f"[[sim: video_ms={video_ms}; steps=4]]"
        return [jobs.begin(f"{name} number {at} {directives}") for at in range(count)]

    first = begin("first", 8, 3000)
    wait_until(lambda: len(here.submissions()) == 8, what="the first eight")
    old = here.worker_processes()
    (master,) = {worker.ppid() for worker in old}
    psutil.Process(master).send_signal(signal.SIGHUP)
    second = begin("second", 8, 3000)
    wait_until(lambda: not set(old) & set(here.worker_processes()), what="new workers")
    third = begin("third", 8, 8000)
    wait_until(lambda: len(here.submissions()) == 24, what="the last eight")
    here.stop()
    here.start()

    ended = jobs.end(*first, *second, *third)

    assert Counter(map(how, ended)) == {"completed": 24}
    assert set(asked_for(studio).values()) == {1}
    assert len(open_links(studio, ended)) == 24
    check_nothing_is_left(studio)


class Storm:
    """Clients that ask for many videos while workers die."""

    def __init__(self, studio: Studio) -> None:
        self._here = studio.here
        self._chance = random.Random(5)  # noqa: S311 - moments, not secrets
        self._numbers = iter(range(JOBS))
        self.jobs: list[str] = []
        self.kills = 0

    async def run(self) -> list[dict[str, Any]]:
        """Ask and kill until all have been asked for; return how all of them ended."""
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        headers = {"authorization": f"Bearer {self._here.key}"}
        async with httpx2.AsyncClient(
            base_url=self._here.url, limits=limits, headers=headers, timeout=30
        ) as client:
            async with asyncio.TaskGroup() as group:
                killing = group.create_task(self._kill_on())
                async with asyncio.TaskGroup() as clients:
                    for _ in range(AT_ONCE):
                        clients.create_task(self._ask_on(client))
                await asyncio.sleep(self._chance.uniform(1, 2))
                killing.cancel()
            return await asyncio.gather(*(self._follow(client, job) for job in self.jobs))

    async def _ask_on(self, client: httpx2.AsyncClient) -> None:
        for number in self._numbers:
            wait_ms = self._chance.randrange(50, 1500)
            prompt = f"number {number} [[sim: video_ms={wait_ms}; steps=3]]"
            # A client that does not know whether it was heard asks again in the same words.
            headers, body = {"idempotency-key": f"k{number}"}, {"prompt": prompt}
            answer = await _insist(partial(client.post, "/v1/videos", headers=headers, json=body))
            self.jobs.append(answer.json()["id"])
            await asyncio.sleep(self._chance.uniform(0, 0.7))

    async def _follow(self, client: httpx2.AsyncClient, job: str) -> dict[str, Any]:
        while True:
            answer = await _insist(partial(client.get, f"/v1/videos/{job}"))
            told = dict(answer.json())
            if told["status"] in ("completed", "failed"):
                return told
            await asyncio.sleep(self._chance.uniform(0.5, 2))

    async def _kill_on(self) -> None:
        while True:
            await asyncio.sleep(self._chance.uniform(0.3, 1.0))
            workers = await asyncio.to_thread(self._here.worker_processes)
            # Now and then all at once.
            chosen = workers if self._chance.random() < 0.2 else [self._chance.choice(workers)]
            for worker in chosen:
                worker.kill()
            self.kills += len(chosen)


async def _insist(ask: Callable[[], Awaitable[httpx2.Response]]) -> httpx2.Response:
    """Ask until there is an answer."""
    while True:
        try:
            return (await ask()).raise_for_status()
        except httpx2.TransportError:
            await asyncio.sleep(0.05)


def test_workers_that_die_again_and_again_lose_no_job(build: Callable[..., Studio]) -> None:
    studio = build(workers=4, accounts=10)
    storm = Storm(studio)

    ended = asyncio.run(storm.run())

    assert storm.kills >= 5, "that was no storm"
    assert len({job["id"] for job in ended}) == JOBS
    ends = Counter(map(how, ended))
    assert set(ends) <= {"completed", "video_state_unknown"}, ends
    assert ends["completed"] > JOBS / 2
    asked = Counter(NUMBER.findall(" ".join(each["prompt"] for each in studio.here.submissions())))
    assert set(asked.values()) == {1}, "nothing is asked for twice"
    completed = [job for job in ended if job["status"] == "completed"]
    assert len(open_links(studio, completed)) == len(completed)
    check_nothing_is_left(studio)
    assert studio.count(MediaKind.VIDEO) == len(completed)
