"""Where pictures and videos are made and put where their clients will look for them."""

from grok2api.clock import Clock
from grok2api.simulator.accounts import Account
from grok2api.simulator.files import Files
from grok2api.simulator.gallery import LARGER, Form, Gallery, Item
from grok2api.simulator.pictures import SIZES, Picture

PUBLIC_FOLDER = "/imagine-public/images"


class Studio:
    """Makes files; what they show follows from the seed, the prompt and the slot."""

    def __init__(self, seed: int, clock: Clock, files: Files, gallery: Gallery) -> None:
        self._seed = seed
        self._clock = clock
        self._files = files
        self._gallery = gallery

    def paint(
        self, image_id: str, ratio: str, *key: object, min_bytes: int = 0, percent: int = 100
    ) -> Picture:
        """Return a picture; `key` is what it shows."""
        width, height = SIZES[ratio]
        text = "\0".join(map(str, (self._seed, percent, *key)))
        return Picture(key=text, id=image_id, width=width, height=height, min_bytes=min_bytes)

    def publish(self, account: Account, picture: Picture, form: Form) -> str:
        """Put a picture where everybody may see it; return the path."""
        path = f"{PUBLIC_FOLDER}/{picture.id}.{'png' if form == 'png' else 'jpg'}"
        asset_id = picture.id if form == "jpeg" else ""
        self._gallery.keep(self._item(account, path, picture, form, asset_id))
        return path

    def store(self, account: Account, picture: Picture) -> str:
        """Put a picture where its account may see it; return the path."""
        folder = f"/users/{account.user_id}"
        path = f"{folder}/generated/{picture.id}/image.jpg"
        self._gallery.keep(
            self._item(account, path, picture, "jpeg", picture.id),
            self._item(account, f"{folder}/{picture.id}/content", picture, "jpeg"),
        )
        return path

    def store_preview(self, account: Account, image_id: str, picture: Picture) -> str:
        """Put an unfinished picture where its account may see it; return the path."""
        path = f"/users/{account.user_id}/generated/{image_id}-part-0/image.jpg"
        self._gallery.keep(self._item(account, path, picture, "jpeg"))
        return path

    def film(self, account: Account, picture: Picture, after_s: float = 0.0) -> str:
        """Put a video where its account may see it in `after_s` seconds; return its folder.

        `picture` is its first frame and has its id and size.
        """
        ready_at_s = self._clock.now_s() + after_s if after_s else 0.0
        folder = f"/users/{account.user_id}/generated/{picture.id}"
        video = f"{folder}/generated_video.mp4"
        still = Picture(key=picture.key, id=picture.id, width=picture.width, height=picture.height)
        content = f"/users/{account.user_id}/{picture.id}/content"
        self._gallery.keep(
            self._item(account, video, picture, "video", picture.id, ready_at_s),
            self._item(account, content, picture, "video", "", ready_at_s),
            self._item(account, f"{folder}/preview_image.jpg", still, "jpeg", "", ready_at_s),
        )
        return folder

    def enlarge(self, account: Account, video: Item) -> str:
        """Put a video into its folder in a higher resolution; return the path."""
        path = f"/users/{account.user_id}/generated/{video.picture.id}/generated_video_hd.mp4"
        source = video.picture
        larger = Picture(
            key=source.key,
            id=source.id + LARGER,
            width=source.width,
            height=source.height,
            min_bytes=source.min_bytes,
        )
        self._gallery.keep(self._item(account, path, larger, "video"))
        return path

    def _item(
        self,
        account: Account,
        path: str,
        picture: Picture,
        form: Form,
        asset_id: str = "",
        ready_at_s: float = 0.0,
    ) -> Item:
        return Item(
            path=path,
            user_id=account.user_id,
            form=form,
            picture=picture,
            asset_id=asset_id,
            serial=self._files.count() if asset_id else 0,
            created_at_s=self._clock.now_s(),
            ready_at_s=ready_at_s,
        )
