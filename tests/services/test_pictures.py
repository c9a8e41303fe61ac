"""Pictures in answers, in each of the forms that an operator can choose."""

import base64
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from grok2api.config.features import FeatureSettings, ImageFormat
from grok2api.config.media import ImageSettings
from grok2api.config.schema import Settings
from grok2api.domain.account import Credentials
from grok2api.domain.chat import EventBatch, ImageReady, TextDelta
from grok2api.domain.images import ImageMade
from grok2api.domain.media import MediaKind
from grok2api.errors import UpstreamUnavailableError
from grok2api.providers.media import AssetPage, Download
from grok2api.providers.session import UpstreamSession
from grok2api.services.cleanup import Cleanup
from grok2api.services.media import MediaLibrary, build_media_library
from grok2api.services.pictures import Pictures
from grok2api.store.connection import RedisClient, open_redis
from tests.services.conftest import build_pictures

PNG = b"\x89PNG\r\n\x1a\n" + b"pixels" * 50
PRIVATE = "https://assets.grok.com/users/u-1/generated/e-1/image.jpg"
PUBLIC = "https://imagine-public.x.ai/imagine-public/images/e-1.png"
BASE = "https://gateway.example"


@dataclass
class Shelf:
    """An upstream that has one picture, or none."""

    content: bytes = PNG
    fetched: list[str] = field(default_factory=list)

    async def list_page(self, session: UpstreamSession, token: str = "") -> AssetPage:
        return AssetPage(())

    async def delete(self, asset_id: str, session: UpstreamSession) -> None:
        return

    @asynccontextmanager
    async def download(
        self, url: str, session: UpstreamSession, *, is_video: bool = False
    ) -> AsyncIterator[Download]:
        self.fetched.append(url)
        if not self.content:
            raise UpstreamUnavailableError("It is gone.", status=404)
        yield _Download(self.content)


class _Download:
    media_type = "image/png"
    size_bytes = None

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        for at in range(0, len(self._content), 100):
            yield self._content[at : at + 100]


async def nobody(user_id: str) -> None:
    """Forget it."""


SESSION = UpstreamSession(Credentials("secret"), "u-1", nobody)


@dataclass
class Wall:
    redis: RedisClient
    folder: Path
    cleanup: Cleanup
    shelf: Shelf = field(default_factory=Shelf)

    def pictures(self, settings: Settings) -> Pictures:
        return build_pictures(self.redis, self.folder, self.cleanup, settings)

    @property
    def library(self) -> MediaLibrary:
        return build_media_library(self.redis, self.folder, Settings(), self.cleanup)

    async def show(
        self, image_format: ImageFormat, url: str = PRIVATE, *, proxies_public: bool = False
    ) -> ImageReady:
        features = FeatureSettings(
            image_format=image_format, imagine_public_image_proxy=proxies_public
        )
        settings = Settings(features=features, image=ImageSettings(max_mb=1))
        return await self.show_with(self.pictures(settings), url)

    async def show_with(self, pictures: Pictures, url: str) -> ImageReady:
        async def answer() -> AsyncGenerator[EventBatch, None]:
            yield [TextDelta("Look:"), ImageReady("e-1", url)]

        async with (
            aclosing(answer()) as batches,
            pictures.shown(batches, self.shelf, SESSION, BASE) as shown,
        ):
            [[text, image]] = [batch async for batch in shown]
        assert text == TextDelta("Look:")
        assert isinstance(image, ImageReady)
        return image


@pytest.fixture
async def wall(redis_url: str, tmp_path: Path) -> AsyncIterator[Wall]:
    async with open_redis(redis_url, pool_size=2) as redis, Cleanup() as cleanup:
        yield Wall(redis, tmp_path, cleanup)


async def content_behind(wall: Wall, url: str) -> bytes:
    parts = urlsplit(url)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{BASE}/v1/files/image"
    media = await wall.library.find(MediaKind.IMAGE, parse_qs(parts.query)["id"][0])
    assert media is not None
    async with aclosing(wall.library.read(media)) as pieces:
        return b"".join([piece async for piece in pieces])


@pytest.mark.parametrize(("image_format", "is_bare"), [("local_md", False), ("local_url", True)])
async def test_local_forms_keep_the_picture_and_link_to_it(
    wall: Wall, image_format: ImageFormat, *, is_bare: bool
) -> None:
    image = await wall.show(image_format)

    assert image.is_bare is is_bare
    assert await content_behind(wall, image.url) == PNG


@pytest.mark.parametrize(("image_format", "is_bare"), [("grok_md", False), ("grok_url", True)])
async def test_site_forms_name_its_own_url_and_fetch_nothing(
    wall: Wall, image_format: ImageFormat, *, is_bare: bool
) -> None:
    assert await wall.show(image_format) == ImageReady("e-1", PRIVATE, is_bare=is_bare)
    assert wall.shelf.fetched == []


async def test_base64_puts_the_picture_into_the_answer(wall: Wall) -> None:
    image = await wall.show("base64")

    assert image.url == f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    assert not image.is_bare


async def test_public_picture_is_kept_where_the_operator_wants_it(wall: Wall) -> None:
    assert (await wall.show("grok_url", PUBLIC)).url == PUBLIC

    kept = await wall.show("grok_url", PUBLIC, proxies_public=True)

    assert kept.is_bare
    assert await content_behind(wall, kept.url) == PNG


async def test_private_picture_is_no_public_one(wall: Wall) -> None:
    assert (await wall.show("grok_md", proxies_public=True)).url == PRIVATE


@pytest.mark.parametrize("content", [b"", b"<html>no</html>", PNG + b"x" * 1024 * 1024])
async def test_picture_that_cannot_be_had_is_named_by_the_sites_url(
    wall: Wall, content: bytes
) -> None:
    wall.shelf.content = content

    assert (await wall.show("local_md")).url == PRIVATE


async def test_picture_at_hand_that_cannot_be_kept_is_not_lost(wall: Wall) -> None:
    pictures = wall.pictures(Settings())
    (wall.folder / "media" / "image").write_text("in the way")

    image = await pictures.show(ImageMade(0, PNG), BASE)

    assert image.url.startswith("data:image/png;base64,")
