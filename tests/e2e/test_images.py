"""Pictures through a whole installation: official SDK, workers, store, links, quota."""

import asyncio
import base64
import re
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest

from grok2api.domain.account import Mode, Status
from grok2api.domain.media import MediaKind
from tests.e2e.conftest import Install
from tests.e2e.installation import wait_until
from tests.e2e.studio import SETTINGS, Studio, open_link
from tests.web.painter import png

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

IMAGE, EDIT = "grok-imagine-image", "grok-imagine-image-edit"
LINK = re.compile(r"!\[image\]\((http://[^)]+)\)")
WORKERS = 3


@pytest.fixture(scope="module")
def shared(installs: Install) -> Studio:
    settings = SETTINGS | {"GROK_IMAGE_FINAL_TIMEOUT_S": "1"}
    here = installs(accounts=0, workers=WORKERS, settings=settings)
    return Studio(here, accounts=2)


@pytest.fixture
def studio(shared: Studio) -> Iterator[Studio]:
    """Two accounts, and new books, which are closed afterwards."""
    shared.reset()
    yield shared
    shared.close_books()


def client_of(studio: Studio) -> openai.OpenAI:
    return studio.here.client(max_retries=0)


def links_of(answer: Any) -> list[str]:
    return [str(picture.url) for picture in answer.data]


def is_picture(content: bytes) -> bool:
    return content.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"))


def kinds_asked(studio: Studio) -> list[tuple[str, int, bool]]:
    asked = studio.here.submissions()
    return [(each["kind"], each["units"], each["is_accepted"]) for each in asked]


def test_links_of_four_pictures_open_on_every_worker(studio: Studio) -> None:
    links = links_of(client_of(studio).images.generate(model=IMAGE, prompt="a lighthouse", n=4))

    opened = studio.by_every_worker(lambda: [open_link(link) for link in links])

    assert len(opened) == WORKERS
    assert opened == [opened[0]] * WORKERS
    assert len(set(opened[0])) == 4
    assert all(is_picture(content) for content in opened[0])
    assert kinds_asked(studio) == [("image", 4, True)]
    assert studio.used(Mode.IMAGE_PRO) == [4, 0]
    studio.check_index(MediaKind.IMAGE)


def test_pictures_in_the_answer_are_not_kept(studio: Studio) -> None:
    before = studio.files(MediaKind.IMAGE)

    answer = client_of(studio).images.generate(
        model="grok-imagine-image-pro", prompt="a pier", n=2, response_format="b64_json"
    )

    assert answer.data is not None
    contents = {base64.b64decode(picture.b64_json or "") for picture in answer.data}
    assert len(contents) == 2
    assert all(is_picture(content) for content in contents)
    assert studio.files(MediaKind.IMAGE) == before


def test_stream_shows_what_the_upstream_shows(studio: Studio) -> None:
    with client_of(studio).images.generate(
        model=IMAGE, prompt="a bay", n=2, stream=True, partial_images=2
    ) as stream:
        events = list(stream)

    kinds = [event.type for event in events]
    assert kinds.count("image_generation.partial_image") == 4
    assert kinds.count("image_generation.completed") == 2
    contents = {base64.b64decode(event.b64_json) for event in events}
    assert len(contents) == 6
    assert all(is_picture(content) for content in contents)


@pytest.mark.parametrize("count", [1, 5])
def test_edit_begins_with_the_pictures_that_are_given(studio: Studio, count: int) -> None:
    given = [(f"{at}.png", png(40, 30, at), "image/png") for at in range(count)]

    answer = client_of(studio).images.edit(
        model=EDIT, image=given if count > 1 else given[0], prompt="join them"
    )

    assert [is_picture(open_link(link)) for link in links_of(answer)] == [True]
    assert kinds_asked(studio) == [("edit", 1, True)]
    assert sum(page["uploads"] for page in studio.here.pages()) == count
    assert studio.used(Mode.IMAGE_EDIT) == [1, 0]


@pytest.mark.parametrize(
    "model", ["grok-imagine-image-lite", IMAGE, "grok-imagine-image-2.0", "grok-imagine-1.0"]
)
def test_models_of_pictures_chat_with_links_that_open(studio: Studio, model: str) -> None:
    messages: list[Any] = [{"role": "user", "content": "Draw a crane. [[sim: images=1]]"}]

    with client_of(studio).chat.completions.create(
        model=model, messages=messages, stream=True
    ) as stream:
        chunks = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]

    (link,) = LINK.findall("".join(chunks))
    assert is_picture(open_link(link))


def test_chat_that_is_not_streamed_is_drawn_by_another_account(studio: Studio) -> None:
    studio.here.script("imagine", "end=close; after=2")
    messages: list[Any] = [{"role": "user", "content": "Draw a loom."}]

    answer = client_of(studio).chat.completions.create(model=IMAGE, messages=messages)

    (link,) = LINK.findall(answer.choices[0].message.content or "")
    assert is_picture(open_link(link))
    assert kinds_asked(studio) == [("image", 1, True)] * 2


def test_chat_edits_the_picture_of_the_conversation(studio: Studio) -> None:
    url = "data:image/png;base64," + base64.b64encode(png(40, 30)).decode()
    parts = [
        {"type": "text", "text": "Make it blue."},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    messages: list[Any] = [{"role": "user", "content": parts}]

    answer = client_of(studio).chat.completions.create(model=EDIT, messages=messages)

    (link,) = LINK.findall(answer.choices[0].message.content or "")
    assert is_picture(open_link(link))
    assert kinds_asked(studio) == [("edit", 1, True)]


def test_withheld_picture_is_refused_and_asked_for_once(studio: Studio) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client_of(studio).images.generate(model=IMAGE, prompt="a ruin [[sim: moderated=1]]")

    assert refused.value.code == "content_policy_violation"
    assert kinds_asked(studio) == [("image", 1, True)]
    assert {account.status for account in studio.accounts()} == {Status.ACTIVE}


@pytest.mark.parametrize("end", ["states=false; moderated=1", "end=close; after=2"])
def test_picture_that_one_account_never_finishes_is_made_by_another(
    studio: Studio, end: str
) -> None:
    studio.here.script("imagine", end)

    (link,) = links_of(client_of(studio).images.generate(model=IMAGE, prompt="a mill"))

    assert is_picture(open_link(link))
    assert kinds_asked(studio) == [("image", 1, True)] * 2
    assert studio.spent(Mode.IMAGE_PRO) == [1, 1]
    assert studio.used(Mode.IMAGE_PRO) == [1, 1]


@pytest.mark.parametrize("is_stream", [False, True])
def test_client_that_leaves_ends_the_making(studio: Studio, *, is_stream: bool) -> None:
    prompt = "a glacier [[sim: delay_ms=1000]]"

    async def ask() -> None:
        async with studio.here.async_client(max_retries=0) as client:
            await client.images.generate(model=IMAGE, prompt=prompt, n=4, stream=is_stream)
            await asyncio.Event().wait()  # with the stream open

    async def ask_and_leave() -> None:
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(ask())
            while not studio.here.submissions():  # noqa: ASYNC110 - another process is asked
                await asyncio.sleep(0.02)
            asking.cancel()

    asyncio.run(ask_and_leave())

    wait_until(lambda: sum(p["cancelled"] for p in studio.here.pages()) == 1, what="the end")
    assert kinds_asked(studio) == [("image", 4, True)]
    wait_until(lambda: studio.used(Mode.IMAGE_PRO) == [4, 0], what="the settlement")


def test_link_that_was_tampered_with_opens_nothing(studio: Studio) -> None:
    (link,) = links_of(client_of(studio).images.generate(model=IMAGE, prompt="a fence"))

    answers = [httpx2.get(bad) for bad in (link[:-1] + "!", link.replace("exp=1", "exp=2"))]

    assert [answer.status_code for answer in answers] == [403, 403]


def test_clients_at_once_spend_exactly_what_there_is(studio: Studio) -> None:
    studio.fill(6)

    async def ask(client: openai.AsyncOpenAI, number: int) -> int:
        try:
            await client.images.generate(model=IMAGE, prompt=f"a kite, number {number}")
        except openai.APIStatusError as error:
            return error.status_code
        return 200

    async def ask_all() -> list[int]:
        async with studio.here.async_client(max_retries=0) as client:
            return await asyncio.gather(*(ask(client, number) for number in range(30)))

    told = asyncio.run(ask_all())

    assert told.count(200) == 12
    assert set(told) <= {200, 429, 503}
    assert kinds_asked(studio) == [("image", 1, True)] * 12, "nobody asks an empty account"
    assert studio.spent(Mode.IMAGE_PRO) == [6, 6]
    assert studio.used(Mode.IMAGE_PRO) == [6, 6]


def test_more_pictures_than_one_account_has_left_are_made_by_two(studio: Studio) -> None:
    studio.fill(3)

    links = links_of(client_of(studio).images.generate(model=IMAGE, prompt="sheep", n=5))

    assert len({open_link(link) for link in links}) == 5
    assert studio.spent(Mode.IMAGE_PRO) == [3, 2]
    assert studio.used(Mode.IMAGE_PRO) == [3, 2]
