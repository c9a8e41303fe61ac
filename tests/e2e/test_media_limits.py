"""Kept media on whole installations: limits, a lost index, a full store, hosts that share."""

import base64
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import openai
import psutil
import pytest
from redis import Redis

from grok2api.clock import SystemClock
from grok2api.domain.media import MediaKind
from grok2api.domain.video import VideoState
from grok2api.services.media_upkeep import YOUNG_S
from grok2api.store import keys
from tests.e2e.conftest import Install
from tests.e2e.installation import Installation, make_sessions, wait_until
from tests.e2e.studio import SETTINGS, Studio, open_link, videos_of
from tests.media.service import S3_SECRET, run_s3
from tests.web.painter import png

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

IMAGE = "grok-imagine-image"
MB = 1024 * 1024
PICTURE_BYTES = 100_000
LARGE = ("large.png", png(extra=bytes(PICTURE_BYTES)), "image/png")
LOW_WATER = 0.6
OFTEN = {
    "GROK_CACHE_LOCAL_IMAGE_MAX_MB": "1",
    "GROK_CACHE_LOCAL_LOW_WATER": str(LOW_WATER),
    "GROK_CACHE_LOCAL_CLEAN_INTERVAL_S": "1",
    "GROK_CACHE_LOCAL_RECONCILE_INTERVAL_S": "10",
}


def draw(here: Installation, prompt: str, size: int = PICTURE_BYTES) -> str:
    """Have a picture made; return its link."""
    with here.client(max_retries=0) as client:
        answer = client.images.generate(model=IMAGE, prompt=f"{prompt} [[sim: image_bytes={size}]]")
    assert answer.data is not None
    return str(answer.data[0].url)


@pytest.fixture(scope="module")
def shared(installs: Install) -> Studio:
    return Studio(installs(accounts=0, workers=2, settings=SETTINGS | OFTEN), accounts=1)


@pytest.fixture
def studio(shared: Studio) -> Iterator[Studio]:
    """An installation that keeps nothing, and new books, which are closed afterwards."""
    shared.reset()
    shared.clear(MediaKind.IMAGE)
    yield shared
    shared.check_index(MediaKind.IMAGE)
    shared.close_books()


def let_two_minutes_pass(studio: Studio) -> None:
    """Have all pictures used so much earlier."""
    used = keys.media_state(MediaKind.IMAGE)["used"]
    with Redis.from_url(studio.url) as store:
        for media_id in store.zrange(used, 0, -1):
            store.zincrby(used, -120_000, media_id)


def is_there(link: str) -> bool:
    return httpx2.get(link).status_code == httpx2.codes.OK


def test_leader_keeps_what_was_used_last(studio: Studio) -> None:
    links = [draw(studio.here, f"picture {at}") for at in range(10)]
    assert studio.count(MediaKind.IMAGE) == 10
    let_two_minutes_pass(studio)  # a use within a minute of another is not noted
    for link in links[:2]:
        open_link(link)

    links.append(draw(studio.here, "the one that is too many"))

    def is_clean() -> bool:
        return sum(studio.files(MediaKind.IMAGE).values()) <= LOW_WATER * MB

    wait_until(is_clean, what="the leader's work")
    assert [number for number, link in enumerate(links) if not is_there(link)] == [2, 3, 4, 5, 6]


def test_index_that_was_lost_comes_back_from_the_files(studio: Studio) -> None:
    links = [draw(studio.here, f"picture {at}") for at in range(4)]
    before = [open_link(link) for link in links]
    with Redis.from_url(studio.url) as store:
        for kind in MediaKind:
            store.delete(*keys.media_state(kind).values())
    assert not any(map(is_there, links))

    # What is young may still be written by somebody who has yet to tell the index.
    then_s = SystemClock().now_s() - 2 * YOUNG_S
    for path in (studio.here.data / "media" / MediaKind.IMAGE.value).rglob("*"):
        os.utime(path, (then_s, then_s))

    wait_until(lambda: studio.count(MediaKind.IMAGE) == 4, seconds=25, what="reconciliation")
    assert [open_link(link) for link in links] == before


def test_picture_that_cannot_be_kept_is_in_the_answer(studio: Studio) -> None:
    with studio.here.client(max_retries=0) as client:
        raw = client.images.with_raw_response.generate(
            model=IMAGE, prompt=f"vast [[sim: image_bytes={MB + 1}]]"
        )
    (picture,) = raw.parse().data or []

    assert picture.url is None
    assert len(base64.b64decode(picture.b64_json or "")) == MB + 1
    assert "could not be kept" in raw.headers["x-grok2api-warning"]
    assert studio.count(MediaKind.IMAGE) == 0


@contextmanager
def full_disk(here: Installation) -> Iterator[None]:
    """Let no worker write a file of the size of a picture: so a full disk looks to it."""
    workers = here.worker_processes()
    for worker in workers:
        worker.rlimit(psutil.RLIMIT_FSIZE, (PICTURE_BYTES - 1, psutil.RLIM_INFINITY))
    try:
        yield
    finally:
        for worker in workers:
            worker.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))


@pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")
def test_full_disk_loses_nothing_that_was_paid_for(studio: Studio) -> None:
    here = studio.here
    before = draw(here, "while there is room")
    with here.client(max_retries=0) as client:
        with full_disk(here):
            raw = client.images.with_raw_response.generate(
                model=IMAGE, prompt=f"too much [[sim: image_bytes={PICTURE_BYTES}]]"
            )
            small = draw(here, "little", size=1)
            video = videos_of(client).create(prompt="[[sim: video_bytes=200000]] a boat")
            is_storing = lambda: studio.job(video.id).state is VideoState.STORING  # noqa: E731
            wait_until(is_storing, what="a video that is made")
            with pytest.raises(openai.InternalServerError, match="media store is full") as refused:
                videos_of(client).create(prompt="a boat", input_reference=LARGE)
            ready = httpx2.get(f"{here.url}/readyz")
            served = [is_there(before), is_there(small)]
        video = videos_of(client).poll(video.id, poll_interval_ms=100)

    (picture,) = raw.parse().data or []
    assert len(base64.b64decode(picture.b64_json or "")) == PICTURE_BYTES
    assert "could not be kept" in raw.headers["x-grok2api-warning"]
    assert (ready.status_code, served) == (200, [True, True])
    assert refused.value.code == "media_store_unavailable"
    assert (video.status, len(studio.files(MediaKind.VIDEO))) == ("completed", 1)
    assert len(here.submissions()) == 4
    assert not list((here.data / "media" / "spool").iterdir())
    assert {account.failures for account in studio.accounts()} == {0}
    assert is_there(draw(here, "there is room again"))


@pytest.fixture
def hosts(tmp_path: Path, redis_url: str) -> Iterator[Callable[[], list[Installation]]]:
    """Start two hosts with one store and one bucket between them, in front of one upstream."""
    made: list[Installation] = []
    with run_s3(tmp_path) as s3_url:
        bucket = f"media-{secrets.token_hex(4)}"
        httpx2.put(f"{s3_url}/{bucket}").raise_for_status()

        def start() -> list[Installation]:
            shared = {
                "GROK2API_REDIS_URL": redis_url,
                "GROK2API_SECRET_KEY": "k" * 43,
                "GROK_MEDIA_URL": f"s3://{bucket}/a/folder",
                "GROK_MEDIA_S3_ENDPOINT": s3_url,
                "GROK_MEDIA_S3_ACCESS_KEY": "key-of-s3",
                "GROK_MEDIA_S3_SECRET_KEY": S3_SECRET,
            }
            for name in ("one", "two"):
                folder = tmp_path / name
                folder.mkdir()
                made.append(Installation(folder, workers=1, settings=SETTINGS | shared))
                if len(made) == 1:
                    made[0].start_simulator()
                    sites = ("GROK_URL", "ASSETS_URL", "IMAGINE_PUBLIC_URL")
                    shared |= {f"GROK_UPSTREAM_{site}": made[0].sim for site in sites}
                made[-1].start()
            made[0].register(make_sessions(1))
            made[0].import_accounts(*make_sessions(1))
            return made

        yield start
        for host in made:
            host.close()
    for host in made:
        assert host.find_secrets() == []
        assert S3_SECRET not in host.log.read_text()


@pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")
def test_hosts_with_one_bucket_serve_each_others_files(
    hosts: Callable[[], list[Installation]],
) -> None:
    one, two = hosts()
    link = draw(one, "on the first host")
    with one.client(max_retries=0) as client:
        video = videos_of(client).create_and_poll(prompt="a boat", poll_interval_ms=50)
        content = videos_of(client).download_content(video.id).read()
    with two.client(max_retries=0) as client:
        again = videos_of(client).download_content(video.id).read()

    picture = open_link(link)
    elsewhere = open_link(link.replace(one.url, two.url))

    assert elsewhere == picture
    assert content == again == open_link(video.to_dict()["url"].replace(one.url, two.url))
    assert not [p for host in (one, two) for p in (host.data / "media").rglob("*") if p.is_file()]
    assert one.ledger()["violations"] == []
