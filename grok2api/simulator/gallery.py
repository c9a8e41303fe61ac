"""What pretend accounts have had made: pictures, videos and the posts around them."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Literal, TypeVar

from msgspec import Struct

from grok2api.simulator.clip import clip_pieces, clip_size
from grok2api.simulator.pictures import Picture, draw_jpeg, draw_png

_MAX_ITEMS = 20_000
LARGER = "-hd"
"""What the id of a video in a higher resolution ends with."""
_MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {"png": "image/png", "jpeg": "image/jpeg", "video": "video/mp4"}
)

Form = Literal["png", "jpeg", "video"]
Thing = TypeVar("Thing")


class Item(Struct, frozen=True, kw_only=True):
    """A file that lies at a path of the asset host, or of the public one.

    Its bytes follow from the rest. It appears at `ready_at_s`. `asset_id` is "" for what the list
    of the account's files does not show.
    """

    path: str
    user_id: str
    form: Form
    picture: Picture
    asset_id: str = ""
    serial: int = 0
    created_at_s: float = 0.0
    ready_at_s: float = 0.0

    @property
    def media_type(self) -> str:
        return _MEDIA_TYPES[self.form]

    def size(self) -> int:
        """Return how many bytes there are."""
        if self.form == "video":
            return clip_size(self.picture.id, self.picture.min_bytes)
        return len(self._draw())

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes."""
        if self.form == "video":
            yield from clip_pieces(self.picture.id, self.picture.min_bytes)
        else:
            yield self._draw()

    def _draw(self) -> bytes:
        return draw_png(self.picture) if self.form == "png" else draw_jpeg(self.picture)


class Post(Struct, frozen=True):
    """A media post: what an older generation hangs on."""

    id: str
    user_id: str
    kind: str
    prompt: str


class Segment(Struct, frozen=True, kw_only=True):
    """A finished part of a video; `seconds` counts the parts before it too."""

    user_id: str
    parent_post: str
    prompt: str
    ratio: str
    resolution: str
    seconds: int


class Gallery:
    """Files by path, posts and segments by id; the oldest go when there are too many."""

    def __init__(self) -> None:
        self._items: OrderedDict[str, Item] = OrderedDict()
        self._posts: OrderedDict[str, Post] = OrderedDict()
        self._segments: OrderedDict[str, Segment] = OrderedDict()

    def clear(self) -> None:
        """Forget everything."""
        self._items.clear()
        self._posts.clear()
        self._segments.clear()

    def keep(self, *items: Item) -> None:
        """Let files lie at their paths."""
        for item in items:
            self._items[item.path] = item
            self._items.move_to_end(item.path)
        while len(self._items) > _MAX_ITEMS:
            self._items.popitem(last=False)

    def find(self, path: str, now_s: float) -> Item | None:
        """Return the file at a path, once it is ready."""
        item = self._items.get(path)
        return item if item is not None and item.ready_at_s <= now_s else None

    def list_assets(self, user_id: str, now_s: float) -> list[Item]:
        """Return what the list of an account's files shows, the oldest first."""
        return [
            item
            for item in self._items.values()
            if item.asset_id and item.user_id == user_id and item.ready_at_s <= now_s
        ]

    def drop(self, user_id: str, asset_id: str) -> bool:
        """Forget every file of the account that belongs to an asset; False if there was none."""
        paths = [
            path
            for path, item in self._items.items()
            if item.user_id == user_id and item.picture.id.removesuffix(LARGER) == asset_id
        ]
        for path in paths:
            del self._items[path]
        return bool(paths)

    def keep_post(self, post: Post) -> None:
        """Let later calls name a post."""
        _keep(self._posts, post.id, post)

    def find_post(self, user_id: str, post_id: str) -> Post | None:
        """Return a post of the account."""
        post = self._posts.get(post_id)
        return post if post is not None and post.user_id == user_id else None

    def keep_segment(self, post_id: str, segment: Segment) -> None:
        """Let later calls extend a part of a video."""
        _keep(self._segments, post_id, segment)

    def find_segment(self, user_id: str, post_id: str) -> Segment | None:
        """Return a part of a video of the account."""
        segment = self._segments.get(post_id)
        return segment if segment is not None and segment.user_id == user_id else None


def _keep(kept: OrderedDict[str, Thing], key: str, thing: Thing) -> None:
    kept[key] = thing
    if len(kept) > _MAX_ITEMS:
        kept.popitem(last=False)
