"""Videos through the whole installation: official SDK, workers, jobs, links, chats."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from tests.e2e.installation import Installation
from tests.web.painter import png

# mypy: disable-error-code="deprecated"

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(180),
    # OpenAI means to shut its own videos down, and says so at every call.
    pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"),
]

Install = Callable[..., Installation]
MODEL = "grok-imagine-video"


def submissions_of(here: Installation) -> list[dict[str, Any]]:
    ledger = here.ledger()
    assert ledger["violations"] == []
    return [asked for page in ledger["accounts"].values() for asked in page["submissions"]]


def is_mp4(content: bytes) -> bool:
    return content[4:8] == b"ftyp"


def test_video_of_a_picture_is_made_once_and_every_worker_has_it(install: Install) -> None:
    here = install(accounts=1)
    client = here.client()

    video = client.videos.create_and_poll(
        model=MODEL,
        prompt="slow pan over dunes",
        seconds="8",
        input_reference=("a.png", png(64, 64)),
        poll_interval_ms=200,
    )

    assert (video.status, video.seconds, video.error) == ("completed", "10", None)
    contents = {client.videos.download_content(video.id).content for _ in range(6)}
    assert len(contents) == 1
    assert is_mp4(contents.pop())
    assert [listed.id for listed in client.videos.list()] == [video.id]
    assert len(submissions_of(here)) == 1
    assert client.videos.delete(video.id).deleted


def test_chat_tells_progress_and_shows_the_video(install: Install) -> None:
    here = install(accounts=1)

    answer = here.client().chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "slow pan over dunes"}]
    )

    link = answer.choices[0].message.content or ""
    assert "/v1/files/video?" in link
    assert is_mp4(httpx2.get(link).content)
    assert len(submissions_of(here)) == 1
