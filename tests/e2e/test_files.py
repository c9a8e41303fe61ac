"""Images through the whole installation: official SDK, workers, uploads, deletions."""

import base64
from collections.abc import Callable
from typing import Any

import openai
import pytest

from tests.e2e.installation import Installation, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

Install = Callable[..., Installation]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(1000)


def show(url: str) -> list[Any]:
    parts = [
        {"type": "text", "text": "What is it? [[sim: text=A cat.]]"},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    return [{"role": "user", "content": parts}]


def ledger_of(here: Installation) -> dict[str, Any]:
    (page,) = here.ledger()["accounts"].values()
    return dict(page)


def test_picture_is_seen_and_deleted_again(install: Install) -> None:
    here = install(accounts=1, settings={"GROK_FILES_DELETE_AFTER_USE": "true"})
    url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"

    answer = here.client().chat.completions.create(model="grok-chat-fast", messages=show(url))

    assert answer.choices[0].message.content == "A cat."
    wait_until(lambda: ledger_of(here)["deletes"] == 1, what="the deletion")
    page = ledger_of(here)
    assert (page["uploads"], page["upload_bytes"], page["attached"]) == (1, len(PNG), 1)
    assert page["files"] == {}
    assert here.ledger()["violations"] == []


def test_own_network_is_out_of_reach(install: Install) -> None:
    here = install(accounts=1)

    with pytest.raises(openai.BadRequestError) as caught:
        here.client().chat.completions.create(
            model="grok-chat-fast", messages=show("http://127.0.0.1:80/secret.png")
        )

    assert caught.value.code == "invalid_image_input"
    assert caught.value.param == "messages[0].content[1]"
    assert ledger_of(here)["uploads"] == 0
