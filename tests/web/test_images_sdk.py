"""Pictures as the official Python SDK asks for them, over a real socket."""

import base64
import io
from collections.abc import AsyncIterator

import httpx2
import openai
import pytest

from grok2api.domain.images import ImageBatch, ImageMade, ImageRequest
from grok2api.errors import ContentRejectedError, UpstreamUnavailableError
from tests.web.conftest import API_KEY, Edge
from tests.web.painter import png

MODEL, EDIT_MODEL = "grok-imagine-image", "grok-imagine-image-edit"


@pytest.fixture
async def client(edge: Edge) -> AsyncIterator[openai.AsyncOpenAI]:
    async with (
        httpx2.AsyncClient(timeout=20) as http,
        openai.AsyncOpenAI(
            base_url=f"{edge.url}/v1", api_key=API_KEY, http_client=http, max_retries=0
        ) as made,
    ):
        yield made


async def test_generated_picture_can_be_fetched_by_its_link(client: openai.AsyncOpenAI) -> None:
    answer = await client.images.generate(
        model=MODEL, prompt="a cat", n=2, size="1024x1024", quality="low", user="u1"
    )

    assert answer.data is not None
    urls = [image.url for image in answer.data]
    async with httpx2.AsyncClient() as stranger:
        pictures = [(await stranger.get(url)).content for url in urls if url]
    assert pictures == [png(shade=0), png(shade=1)]
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    assert (answer.size, answer.output_format) == ("4x3", "png")


async def test_generated_picture_can_be_in_the_answer(client: openai.AsyncOpenAI) -> None:
    answer = await client.images.generate(
        model=MODEL, prompt="a cat", response_format="b64_json", quality="hd"
    )

    assert answer.data is not None
    assert base64.b64decode(answer.data[0].b64_json or "") == png()
    assert answer.quality == "high"


async def test_unfinished_pictures_are_streamed(client: openai.AsyncOpenAI) -> None:
    stream = await client.images.generate(
        model=MODEL, prompt="a cat", stream=True, partial_images=2
    )

    events = [event async for event in stream]

    assert [event.type for event in events] == [
        "image_generation.partial_image",
        "image_generation.partial_image",
        "image_generation.completed",
    ]
    last = events[-1]
    assert last.type == "image_generation.completed"
    assert base64.b64decode(last.b64_json) == png()
    assert last.usage.output_tokens > 0


async def test_one_picture_is_edited(edge: Edge, client: openai.AsyncOpenAI) -> None:
    answer = await client.images.edit(
        model=EDIT_MODEL, image=("a.png", png(8, 8)), prompt="make it green", size="1536x1024"
    )

    assert answer.data is not None
    assert answer.data[0].url
    assert [file.content for file in edge.drawer.files.values()] == [png(8, 8)]
    assert edge.painter.requests[0].aspect_ratio == "3:2"


async def test_several_pictures_are_edited(edge: Edge, client: openai.AsyncOpenAI) -> None:
    images = [io.BytesIO(png(shade=shade)) for shade in range(3)]

    await client.images.edit(model=EDIT_MODEL, image=images, prompt="join them", n=2)

    assert edge.painter.references == [3]
    assert edge.painter.requests[0].n == 2


async def test_edit_is_streamed(client: openai.AsyncOpenAI) -> None:
    stream = await client.images.edit(
        model=EDIT_MODEL, image=png(), prompt="green", stream=True, partial_images=1
    )

    events = [event async for event in stream]

    assert [event.type for event in events] == ["image_edit.partial_image", "image_edit.completed"]


async def test_refusals_are_the_sdks_own_errors(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.images.edit(model=EDIT_MODEL, image=png(), mask=png(), prompt="green")
    assert caught.value.param == "mask"
    with pytest.raises(openai.BadRequestError) as caught:
        await client.images.generate(model=MODEL, prompt="a cat", n=11)
    assert caught.value.param == "n"
    with pytest.raises(openai.NotFoundError):
        await client.images.generate(model="dall-e-9", prompt="a cat")


async def test_withheld_picture_is_a_bad_request(edge: Edge, client: openai.AsyncOpenAI) -> None:
    async def play(request: ImageRequest) -> AsyncIterator[ImageBatch]:
        if request.n:
            raise ContentRejectedError("The upstream withholds it.")
        yield []

    edge.painter.play = play

    with pytest.raises(openai.BadRequestError) as caught:
        await client.images.generate(model=MODEL, prompt="a cat")

    assert caught.value.code == "content_policy_violation"


async def test_stream_that_breaks_off_raises_after_what_was_made(
    edge: Edge, client: openai.AsyncOpenAI
) -> None:
    async def play(request: ImageRequest) -> AsyncIterator[ImageBatch]:
        yield [ImageMade(0, png())]
        raise UpstreamUnavailableError("The socket broke.")

    edge.painter.play = play
    stream = await client.images.generate(model=MODEL, prompt="a cat", n=2, stream=True)

    assert (await anext(stream)).type == "image_generation.completed"
    with pytest.raises(openai.APIError, match="The socket broke"):
        await anext(stream)
