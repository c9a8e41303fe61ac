"""The small calls around pictures and videos: quota, posts, a higher resolution."""

from abc import ABC, abstractmethod
from datetime import UTC, datetime
from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType
from starlette.types import Receive, Scope, Send

from grok2api.simulator.accounts import Account
from grok2api.simulator.frames.rules import Strict
from grok2api.simulator.gallery import Post
from grok2api.simulator.identity import is_uuid
from grok2api.simulator.quota import MEDIA_KEYS, Window
from grok2api.simulator.script.directives import build_script
from grok2api.simulator.script.faults import FAULTS, SILENT_FAULTS
from grok2api.simulator.script.queue import Target
from grok2api.simulator.site.checks import check_post, fold_headers, read_cookies
from grok2api.simulator.site.gate import Answer, Visit, admit, from_fault, scripted_answer
from grok2api.simulator.site.lines import own_address, run_while, send_answer, strike
from grok2api.simulator.site.media_rules import IMAGE_POST, check_reference
from grok2api.simulator.site.requests import read_body, wait_until_left
from grok2api.simulator.world import World

_encode = msgspec.json.Encoder().encode
_NANOS = 9


class NoArguments(Strict):
    """`{}`."""


class PostOrder(Strict):
    """A post to make."""

    mediaType: Literal["MEDIA_POST_TYPE_IMAGE", "MEDIA_POST_TYPE_VIDEO"]  # noqa: N815
    prompt: str | UnsetType = UNSET
    mediaUrl: str | UnsetType = UNSET  # noqa: N815


class UpscaleOrder(Strict):
    """A video to enlarge."""

    videoId: str  # noqa: N815


class _Call(Struct, frozen=True):
    """One admitted call: whose, what it wants, and the origin it came to."""

    account: Account
    order: Strict
    address: str


class MediaCall(ABC):
    """The ASGI application behind one address; subclasses say what is special."""

    target: Target
    order: type[Strict]

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        body = await read_body(receive)
        if body is None:
            return
        headers = fold_headers(scope["headers"])
        cookies, problems = read_cookies(headers, is_socket=False)
        problems += check_post(headers, self._world.options.origin, page="/imagine")
        order: Strict = NoArguments()
        known = self._world.accounts.find(cookies.session)
        try:
            order = msgspec.json.decode(body, type=self.order)
            if known is not None:
                problems += self._check(known, order, headers.get("host", ""))
        except msgspec.DecodeError as error:
            problems.append(str(error))
        visit = Visit(self.target, cookies, problems, headers.get("x-statsig-id"))
        account, refusal = admit(self._world, visit)
        if account is None or refusal is not None:
            await send_answer(send, refusal or from_fault(FAULTS["bad_credentials"]))
            return
        call = _Call(account, order, own_address(scope))
        await run_while(self._serve(call, scope, send), wait_until_left(receive))

    async def _serve(self, call: _Call, scope: Scope, send: Send) -> None:
        script = build_script(self._world.scripts.take(call.account.entry, self.target))
        if script.fault in SILENT_FAULTS:
            await strike(scope, script.fault)
            return
        self._count(call.account)
        await send_answer(send, scripted_answer(script) or self._answer(call))

    def _check(self, account: Account, order: Strict, host: str) -> list[str]:
        return []

    def _count(self, account: Account) -> None:  # noqa: B027 - most calls are counted nowhere
        """Count a call, refused by a script or not."""

    @abstractmethod
    def _answer(self, call: _Call) -> Answer:
        """Return what the site says to a call in order."""


class MediaQuota(MediaCall):
    """`POST /rest/media/imagine/quota_info`: five windows, null where nothing is metered."""

    target: Target = "media_quota"
    order: type[Strict] = NoArguments

    def _count(self, account: Account) -> None:
        account.entry.media_quota_calls += 1

    def _answer(self, call: _Call) -> Answer:
        quota = call.account.quota
        shown = {key: _show(quota.look_at_media(mode)) for mode, key in MEDIA_KEYS.items()}
        return Answer(200, _encode(shown))


class PostCreation(MediaCall):
    """`POST /rest/media/post/create`."""

    target: Target = "post"
    order: type[Strict] = PostOrder

    def _check(self, account: Account, order: Strict, host: str) -> list[str]:
        if not isinstance(order, PostOrder):
            return []
        problems = []
        if not order.prompt and not order.mediaUrl:
            problems.append("a post needs a prompt or mediaUrl, and neither may be empty")
        if order.prompt == "" or order.mediaUrl == "":
            problems.append("prompt and mediaUrl are left out, not empty")
        if order.mediaUrl:
            problems += check_reference(self._world, account, order.mediaUrl, host)
            if order.mediaType != IMAGE_POST:
                problems.append("mediaUrl belongs to a post of a picture")
        return problems

    def _answer(self, call: _Call) -> Answer:
        if not isinstance(call.order, PostOrder):
            raise TypeError("a post without an order")
        account, kind, prompt = call.account, call.order.mediaType, call.order.prompt or ""
        (post_id,) = self._world.name_media(account, "post", 1)
        self._world.gallery.keep_post(Post(post_id, account.user_id, kind, prompt))
        account.entry.posts += 1
        shown: dict[str, object] = {"id": post_id, "originalPrompt": prompt, "prompt": prompt}
        if kind != IMAGE_POST:
            shown["videos"] = [{"id": post_id}]
        return Answer(200, _encode({"post": shown}))


class Upscale(MediaCall):
    """`POST /rest/media/video/upscale`."""

    target: Target = "upscale"
    order: type[Strict] = UpscaleOrder

    def _check(self, account: Account, order: Strict, host: str) -> list[str]:
        is_named = isinstance(order, UpscaleOrder) and is_uuid(order.videoId)
        return [] if is_named else ["videoId must be the id of a video"]

    def _answer(self, call: _Call) -> Answer:
        if not isinstance(call.order, UpscaleOrder):
            raise TypeError("nothing to enlarge")
        account, now_s = call.account, self._world.options.clock.now_s()
        path = f"/users/{account.user_id}/generated/{call.order.videoId}/generated_video.mp4"
        video = self._world.gallery.find(path, now_s)
        if video is None:
            return from_fault(FAULTS["not_found"])
        account.entry.upscales += 1
        larger = self._world.studio.enlarge(account, video)
        return Answer(200, _encode({"hdMediaUrl": call.address + larger}))


def _show(window: Window | None) -> dict[str, object] | None:
    if window is None:
        return None
    if not window.is_available:
        return {"available": False}
    shown: dict[str, object] = {
        "available": True,
        "remainingQueries": window.remaining,
        "windowSizeSeconds": window.size_s,
    }
    if not window.remaining and window.ends_at_s:
        moment = datetime.fromtimestamp(window.ends_at_s, UTC)
        nanos = f"{moment.microsecond:06d}".ljust(_NANOS, "0")
        shown["nextAvailableAt"] = f"{moment:%Y-%m-%dT%H:%M:%S}.{nanos}Z"
    return shown
