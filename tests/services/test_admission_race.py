"""Several processes, one key, some of them killed: no limit is passed, nothing stays taken."""

import asyncio
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from grok2api.domain.admission import Admission, KeyUse, Refusal, Used
from grok2api.domain.ids import CallId
from grok2api.store.admissions import AdmissionStore
from grok2api.store.client_keys import ClientKeyStore
from grok2api.store.connection import open_redis
from tests.lua.client_key.conftest import checked
from tests.services.admission_worker import (
    CONCURRENCY,
    KEY,
    PER_MINUTE,
    TOKENS,
    UNITS,
)

pytestmark = pytest.mark.timeout(120)
ROOT = Path(__file__).parents[2]
WORKERS, KILLS = 3, 6


class Race:
    """Worker processes on one store, and what they wrote."""

    def __init__(self, url: str, folder: Path, stack: ExitStack) -> None:
        self.url = url
        self._folder = folder
        self._stack = stack
        self.running: list[subprocess.Popen[bytes]] = []
        self.worst_open = self.worst_minute = self.looks = 0

    def start(self) -> None:
        path = self._folder / f"worker-{len(list(self._folder.iterdir()))}.log"
        output = self._stack.enter_context(path.open("wb"))
        command = [sys.executable, "-m", "tests.services.admission_worker", self.url]
        self.running.append(subprocess.Popen(command, stdout=output, cwd=ROOT))

    def kill(self, worker: "subprocess.Popen[bytes]") -> None:
        self.running.remove(worker)
        worker.kill()
        worker.wait()

    def kill_all(self) -> None:
        for worker in list(self.running):
            self.kill(worker)

    def told(self, sign: str) -> list[str]:
        """Return what workers wrote of calls; a line that a killed one cut short counts as none."""
        texts = [path.read_text() for path in self._folder.iterdir()]
        lines = [line for text in texts for line in text.split("\n")[:-1]]
        return [line[1:] for line in lines if line.startswith(sign)]

    async def look(self, store: AdmissionStore) -> KeyUse:
        use = (await store.usage([KEY.id]))[KEY.id]
        self.looks += 1
        self.worst_open = max(self.worst_open, use.open_calls)
        self.worst_minute = max(self.worst_minute, use.minute.requests)
        return use

    async def look_until(
        self, store: AdmissionStore, is_true: Callable[[KeyUse], bool], *, reaping: bool = False
    ) -> KeyUse:
        async with asyncio.timeout(40):
            while True:
                if reaping:
                    await store.reap()
                use = await self.look(store)
                if is_true(use):
                    return use
                await asyncio.sleep(0.02)


@pytest.fixture
def race(redis_url: str, tmp_path: Path) -> Iterator[Race]:
    with ExitStack() as stack:
        race = Race(redis_url, tmp_path, stack)
        stack.callback(race.kill_all)
        yield race


@pytest.mark.parametrize("kills", [0, KILLS], ids=["all_live", "some_are_killed"])
async def test_no_limit_is_passed_and_the_dead_give_everything_back(race: Race, kills: int) -> None:
    chance = random.Random(5)  # noqa: S311 - victims, not secrets
    async with open_redis(race.url) as redis:
        await ClientKeyStore(redis).save(KEY, "d1")
        store = AdmissionStore(redis)
        for _ in range(WORKERS):
            race.start()
        for number in range(kills):
            share = PER_MINUTE * (number + 1) // (kills + 2)
            await race.look_until(store, partial(has_admitted, share))
            race.kill(chance.choice(race.running))
            race.start()
        await race.look_until(store, partial(has_admitted, PER_MINUTE - CONCURRENCY))
        race.kill_all()

        rest = await race.look_until(store, lambda use: use.open_calls == 0, reaping=True)

        settled, surely = len(race.told("~")), len(race.told("-"))
        assert race.looks > 20
        assert race.worst_open <= CONCURRENCY
        assert race.worst_minute <= PER_MINUTE
        assert surely <= rest.day.requests <= settled
        assert rest.day.tokens == rest.day.requests * TOKENS, "what they took, not the estimate"
        assert rest.day.units == rest.day.requests * UNITS
        assert len(set(race.told("-"))) == surely
        if not kills:
            held = [int(line.split()[1]) for line in race.told("+")]
            assert max(held) <= CONCURRENCY
        assert await fill_up(store) == PER_MINUTE - rest.day.requests, "all is there again"


def has_admitted(requests: int, use: KeyUse) -> bool:
    return use.minute.requests >= requests


async def fill_up(store: AdmissionStore) -> int:
    """Return how many more calls the minute takes."""
    for number in range(PER_MINUTE + 1):
        call_id = CallId(f"last_{number}")
        answer = await store.admit(call_id, checked(KEY), tokens=0, units=0, ttl_s=60)
        if isinstance(answer, Refusal):
            return number
        assert isinstance(answer, Admission)
        await store.settle(call_id, Used(1))
    raise AssertionError("the limit was passed")
