"""What tests of pictures and videos need of an installation: windows, books, media, workers."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import httpx2
import openai
from redis import Redis

from grok2api.config.schema import Settings
from grok2api.config.secret_key import read_keys
from grok2api.domain.account import MEDIA_MODES, Mode
from grok2api.domain.ids import ClientKeyId
from grok2api.domain.media import MediaKind
from grok2api.domain.pool_member import Account
from grok2api.domain.video_job import VideoJob
from grok2api.services.cleanup import Cleanup
from grok2api.services.client_keys import digest_key
from grok2api.services.media import build_media_library
from grok2api.store import keys
from grok2api.store.account_pages import read_page, read_pool_counts
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient, open_redis
from grok2api.store.embedded import EmbeddedServer
from grok2api.store.media import MediaIndex
from grok2api.store.videos import VideoStore
from tests.e2e.installation import Installation, is_forgotten, make_sessions, wait_until
from tests.simulator.media_client import download_headers

LEFT = 1000
WINDOWS = ("image_pro", "image_edit", "video", "video_720p")
"""What the simulator calls the windows of pictures and videos."""
SETTINGS = {
    "GROK_ACCOUNT_LEASE_TTL_S": "5",
    "GROK_MAINTENANCE_LEADER_TTL_S": "3",
    "GROK_RETRY_BASE_DELAY_S": "0",
    "GROK_ACCOUNT_SELECTION_WAIT_S": "1",
}

T = TypeVar("T")


class Studio:
    """An installation whose accounts have windows of pictures and videos, and its books."""

    def __init__(self, here: Installation, accounts: int, *, tier: str = "basic") -> None:
        self.here = here
        self.sessions = make_sessions(accounts)
        self.url = here.env.get("GROK2API_REDIS_URL") or EmbeddedServer(here.data).url
        here.register(self.sessions, tier=tier)
        for session in self.sessions:
            here.set_quota(session, **{mode: {"remaining": LEFT} for mode in WINDOWS})
        here.import_accounts(*self.sessions, tier=tier)
        wait_until(lambda: self._knows(LEFT), what="detection of all windows")
        self._before = self._remaining()

    def reset(self) -> None:
        """Begin new books."""
        httpx2.post(f"{self.here.sim}/_sim/reset", json={}).raise_for_status()
        self._before = self._remaining()

    def fill(self, left: int) -> None:
        """Have so many of everything left at the upstream, and let the gateway know."""
        for session in self.sessions:
            windows = {mode: {"total": left, "remaining": left} for mode in WINDOWS}
            self.here.set_quota(session, **windows)
        self.here.command("accounts", "refresh", *(account.id for account in self.accounts()))
        assert self._knows(left)
        self._before = self._remaining()

    def accounts(self) -> list[Account]:
        return self.ask(lambda redis: read_page(redis, "", 1000, 0)).accounts

    def used(self, mode: Mode) -> list[int]:
        """Return how many queries of each account are gone for the gateway, the most first."""
        now = self._remaining()
        gone = (left - now[key] for key, left in self._before.items() if key[1] == mode)
        return sorted(gone, reverse=True)

    def spent(self, mode: Mode) -> list[int]:
        """Return how many queries of each account the upstream has counted, the most first."""
        return sorted((page["spent"].get(mode, 0) for page in self.here.pages()), reverse=True)

    def close_books(self) -> None:
        """Wait until nothing runs any more, and check that nothing is left of it."""
        wait_until(self._is_at_rest, seconds=25, what="the end of all calls and leases")
        for account in self.accounts():
            assert {window.held for window in account.windows.values()} == {0}
        for count in self.ask(read_pool_counts):
            assert count.granted == count.settled + count.refunded
        assert self.here.ledger()["violations"] == []
        assert [page["overspent"] for page in self.here.pages()] == [0] * len(self.sessions)

    def ask(self, question: Callable[[RedisClient], Awaitable[T]]) -> T:
        """Return what the store says."""

        async def work() -> T:
            async with open_redis(self.url) as redis:
                return await question(redis)

        return asyncio.run(work())

    def job(self, job_id: str) -> VideoJob:
        """Return a video as the workers see it."""
        owner = ClientKeyId(f"key_{digest_key(self.here.key)[:12]}")
        cipher = SecretCipher(read_keys(self.here.data))
        found = self.ask(lambda redis: VideoStore(redis, cipher).find(owner, job_id))  # type: ignore[arg-type]
        assert found is not None
        return found

    def count(self, kind: MediaKind) -> int:
        """Return how many files of a kind are kept."""
        return self.ask(lambda redis: MediaIndex(redis).usage(kind)).count

    def clear(self, kind: MediaKind) -> None:
        """Remove all that is kept of a kind."""

        async def work(redis: RedisClient) -> None:
            async with Cleanup() as cleanup:
                library = build_media_library(redis, self.here.data, Settings(), cleanup)
                await library.clear(kind)

        self.ask(work)

    def check_index(self, kind: MediaKind, *, after_crash: bool = False) -> None:
        """Check that index, its numbers, and the folder say the same.

        What a killed process was writing stays reserved until it must have ended.
        """

        async def look(redis: RedisClient) -> tuple[dict[str, int], tuple[int, int, int]]:
            index = MediaIndex(redis)
            page = await index.list(kind, skip=0, limit=1000)
            usage = await index.usage(kind)
            listed = {media.place: media.size_bytes for media in page.items}
            return listed, (usage.count, usage.bytes, usage.reserved)

        listed, numbers = self.ask(look)
        with Redis.from_url(self.url, decode_responses=True) as store:
            coming: Any = store.hgetall(keys.media_state(kind)["coming"])
        assert after_crash or not coming
        files = self.files(kind)
        assert listed.items() <= files.items()
        assert files.keys() <= listed.keys() | coming.keys()
        reserved = sum(map(int, coming.values()))
        assert numbers == (len(listed), sum(listed.values()), reserved)

    def files(self, kind: MediaKind) -> dict[str, int]:
        """Return the files of a kind in the folder, by place, and their sizes."""
        folder = self.here.data / "media"
        found: dict[str, int] = {}
        for path in (folder / kind.value).rglob("*"):
            with suppress(FileNotFoundError):  # the leader deletes meanwhile
                if path.is_file():
                    found[str(path.relative_to(folder))] = path.stat().st_size
        return found

    def upstream_files(self) -> dict[str, bytes]:
        """Return the videos that the gateway fetched from the upstream, by path."""
        paths = {seen["path"] for seen in self.here.ledger()["requests"]}
        found: dict[str, bytes] = {}
        for path in (path for path in paths if path.endswith(".mp4")):
            for session in self.sessions:
                answer = httpx2.get(self.here.sim + path, headers=download_headers(session))
                if answer.status_code == httpx2.codes.OK:
                    found[path] = answer.content
        return found

    def by_every_worker(self, ask: Callable[[], T]) -> list[T]:
        """Return what each worker answers while all others stand still."""
        answers = []
        workers = self.here.worker_processes()
        for chosen in workers:
            with _standing_still([worker for worker in workers if worker != chosen]):
                answers.append(ask())
        return answers

    def _remaining(self) -> dict[tuple[str, str], int]:
        return {
            (account.id, mode): window.remaining
            for account in self.accounts()
            for mode, window in account.windows.items()
            if mode in MEDIA_MODES
        }

    def _knows(self, left: int) -> bool:
        return set(self._remaining().values()) == {left}

    def _is_at_rest(self) -> bool:
        calls = [page["open"] for page in self.here.pages()]
        with Redis.from_url(self.url) as store:
            return is_forgotten(store) and not any(calls)


@contextmanager
def _standing_still(workers: list[Any]) -> Iterator[None]:
    for worker in workers:
        worker.suspend()
    try:
        yield
    finally:
        for worker in workers:
            worker.resume()


def open_link(link: str) -> bytes:
    """Return what lies behind a link, for somebody who has nothing else."""
    answer = httpx2.get(link)
    assert answer.status_code == httpx2.codes.OK, answer.text
    return answer.content


def videos_of(client: openai.OpenAI) -> Any:
    """Return the videos of the SDK, all of whose methods are marked as deprecated."""
    return client.videos
