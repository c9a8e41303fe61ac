"""The hosts that files lie on: one for each account's own, one that is open to everybody."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from itertools import chain

from msgspec import Struct
from starlette.types import Receive, Scope, Send

from grok2api.simulator.accounts import Account
from grok2api.simulator.gallery import Item
from grok2api.simulator.ledger import Entry
from grok2api.simulator.script.directives import Script, build_script
from grok2api.simulator.script.faults import FAULTS, SILENT_FAULTS
from grok2api.simulator.site.checks import check_download, fold_headers, read_cookies
from grok2api.simulator.site.gate import Answer, from_fault, refuse, scripted_answer
from grok2api.simulator.site.lines import own_address, run_while, send_answer, strike
from grok2api.simulator.site.requests import read_body, wait_until_left
from grok2api.simulator.world import World

_HTML = "text/html; charset=utf-8"
_NO_FILE = Answer(404, b"<html><body>Not found</body></html>", content_type=_HTML)
_PIECE_BYTES = 64 * 1024
_SHUT_OUT = ("expired", "blocked")


class _Found(Struct, frozen=True):
    """A file that may be sent, and on whose page that is counted."""

    entry: Entry
    media_type: str
    size: int
    pieces: Iterable[bytes]


class _Host(ABC):
    """What both hosts do; subclasses say who may have what."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one download."""
        if await read_body(receive) is None:
            return
        headers = fold_headers(scope["headers"])
        found = self._find(scope, headers)
        if isinstance(found, Answer):
            await send_answer(send, found)
            return
        found.entry.download_tries += 1
        script = build_script(self._world.scripts.take(found.entry, "asset"))
        await run_while(_serve(found, script, scope, send), wait_until_left(receive))

    @abstractmethod
    def _find(self, scope: Scope, headers: dict[str, str]) -> _Found | Answer:
        """Return what may be sent, or why it may not."""

    def _look_up(self, path: str) -> Item | None:
        return self._world.gallery.find(path, self._world.options.clock.now_s())

    def _complain(self, entry: Entry | None, problems: list[str]) -> Answer:
        self._world.ledger.note_violations(entry, "asset", problems)
        return refuse("asset", problems)


class AssetHost(_Host):
    """`GET /users/…`: files of the account whose session the cookies hold."""

    def _find(self, scope: Scope, headers: dict[str, str]) -> _Found | Answer:
        path: str = scope["path"]
        cookies, problems = read_cookies(headers, is_socket=False)
        is_video = path.endswith(".mp4") or self._is_video(path)
        problems += check_download(headers, own_address(scope), is_video=is_video)
        account = self._world.accounts.find(cookies.session)
        if problems:
            return self._complain(account.entry if account else None, problems)
        owner = path.split("/")[2]
        if account is None or account.user_id != owner or account.entry.status in _SHUT_OUT:
            return from_fault(FAULTS["html_403"])
        return self._find_upload(account, path) or self._find_made(account, path)

    def _is_video(self, path: str) -> bool:
        item = self._look_up(path)
        return item is not None and item.form == "video"

    def _find_upload(self, account: Account, path: str) -> _Found | None:
        upload = self._world.files.read(account, path.rpartition("/")[0].rpartition("/")[2])
        if upload is None:
            return None
        size = len(upload.content)
        return _Found(account.entry, upload.media_type, size, [upload.content])

    def _find_made(self, account: Account, path: str) -> _Found | Answer:
        item = self._look_up(path)
        if item is None:
            return _NO_FILE
        return _Found(account.entry, item.media_type, item.size(), item.pieces())


class PublicHost(_Host):
    """`GET /imagine-public/images/…`: pictures for everybody, and no place for cookies."""

    def _find(self, scope: Scope, headers: dict[str, str]) -> _Found | Answer:
        item = self._look_up(scope["path"])
        account = None if item is None else self._world.accounts.of_user(item.user_id)
        problems = check_download(headers, own_address(scope), is_video=False)
        if "cookie" in headers:
            problems.append("a cookie must not be sent to the public host")
        if problems:
            return self._complain(account.entry if account else None, problems)
        if item is None or account is None:
            return _NO_FILE
        return _Found(account.entry, item.media_type, item.size(), item.pieces())


async def _serve(found: _Found, script: Script, scope: Scope, send: Send) -> None:
    await asyncio.sleep(script.stall_headers_ms / 1000)
    if script.fault in SILENT_FAULTS:
        await strike(scope, script.fault)
        return
    refusal = scripted_answer(script)
    if refusal is not None:
        await send_answer(send, refusal)
        return
    media_type = found.media_type if script.media_type is None else script.media_type
    headers = [(b"content-type", media_type.encode())] if media_type else []
    if script.length:
        headers.append((b"content-length", str(found.size).encode()))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await asyncio.sleep(script.stall_first_ms / 1000)
    left = found.size // 2 if script.end != "done" else found.size
    for piece in _cut(found.pieces, script.chunk or _PIECE_BYTES):
        if scope["method"] == "HEAD" or left <= 0:
            break
        await send({"type": "http.response.body", "body": piece[:left], "more_body": True})
        left -= len(piece)
        await asyncio.sleep((script.delay_ms or 0.0) / 1000)
    if script.end != "done":
        await strike(scope, {"reset": "reset", "silence": "hang"}.get(script.end, "drop"))
        return
    found.entry.downloads += 1
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _cut(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    return chain.from_iterable(
        (piece[at : at + size] for at in range(0, len(piece), size)) for piece in pieces
    )
