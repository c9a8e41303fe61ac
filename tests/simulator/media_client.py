"""A client of the site's pictures and videos, which shares no code with simulator or gateway."""

import base64
import struct
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import msgspec
from websockets.asyncio.client import ClientConnection, connect

from tests.simulator.client import AGENT, Json, Site, cookie, form, post_headers, upload_headers

NEW = "/rest/app-chat/conversations/new"
IMAGE_ACCEPT = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"


def reset(ms: int = 1767225600000) -> Json:
    """Return the message that stands before a request."""
    item = {"type": "message", "content": [{"type": "reset"}]}
    return {"type": "conversation.item.create", "timestamp": ms, "item": item}


def ask(text: str, n: int = 1, ms: int = 1767225600001, **changes: object) -> Json:
    """Return the message that asks for pictures."""
    properties = {
        "section_count": 0,
        "is_kids_mode": False,
        "enable_nsfw": True,
        "skip_upsampler": False,
        "enable_side_by_side": True,
        "is_initial": False,
        "aspect_ratio": "2:3",
        "enable_pro": False,
        "num_generations": n,
        **changes,
    }
    content = {
        "requestId": str(uuid.uuid4()),
        "text": text,
        "type": "input_text",
        "properties": properties,
    }
    item = {"type": "message", "content": [content]}
    return {"type": "conversation.item.create", "timestamp": ms, "item": item}


@asynccontextmanager
async def imagine_socket(
    site: Site, session: str = "s1", *, address: str = "/ws/imagine/listen", **headers: str
) -> AsyncIterator[ClientConnection]:
    """Open the picture socket."""
    fields = {
        "Cookie": cookie(session),
        "Accept-Language": "en-US,en;q=0.9",
        "Cache-Control": "no-cache",
        "Pragma": "no-cache",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    async with connect(
        site.url.replace("http", "ws", 1) + address,
        origin=fields.pop("Origin", "https://grok.com"),  # type: ignore[arg-type]
        user_agent_header=AGENT,
        additional_headers={name: value for name, value in fields.items() if value},
        compression=None,
        max_size=2**27,
        ping_interval=None,
    ) as connection:
        yield connection


async def send(connection: ClientConnection, *messages: Json) -> None:
    """Send messages as JSON text."""
    for message in messages:
        await connection.send(msgspec.json.encode(message).decode())


async def read_round(connection: ClientConnection, ends: int) -> list[Json]:
    """Return frames until `ends` slots are completed, or an error came."""
    seen: list[Json] = []
    while ends:
        message = await connection.recv()
        if not isinstance(message, str) or not message.startswith("{"):
            continue
        seen.append(msgspec.json.decode(message))
        if seen[-1]["type"] == "error":
            break
        ends -= seen[-1].get("current_status") == "completed"
    return seen


async def imagine(site: Site, prompt: str, n: int = 1, **changes: Any) -> list[Json]:
    """Ask for pictures on a new socket; return the frames of the round."""
    async with imagine_socket(site) as connection:
        await send(connection, reset(), ask(prompt, n, **changes))
        return await read_round(connection, n)


def images_of(frames: list[Json]) -> list[Json]:
    """Return the frames that carry a picture."""
    return [frame for frame in frames if frame["type"] == "image"]


def finals_of(frames: list[Json]) -> list[Json]:
    """Return the frames that carry a finished picture."""
    return [f for f in images_of(frames) if f.get("percentage_complete", 100) == 100]


def blob_of(frame: Json) -> bytes:
    """Return the picture inside a frame."""
    return base64.b64decode(frame["blob"], validate=True)


def size_of(picture: bytes) -> tuple[int, int]:
    """Return width and height of a PNG or JPEG from its own header."""
    if picture.startswith(b"\x89PNG\r\n\x1a\n"):
        width, height = struct.unpack(">II", picture[16:24])
        return width, height
    assert picture.startswith(b"\xff\xd8")
    at = 2
    while picture[at + 1] != 0xC0:
        at += 2 + int.from_bytes(picture[at + 2 : at + 4])
    height, width = struct.unpack(">HH", picture[at + 5 : at + 9])
    return width, height


def page_headers(session: str = "s1", page: str = "/imagine") -> Json:
    """Return what the page sends with a JSON call from one of its places."""
    return post_headers(session) | {"referer": f"https://grok.com{page}"}


def download_headers(session: str = "s1", accept: str = "*/*") -> dict[str, str]:
    """Return what a fetch of a file carries; no cookie without a session."""
    wanted = ("accept-encoding", "accept-language", "user-agent", "cookie", "x-xai-request-id")
    kept = {name: value for name, value in post_headers(session).items() if name in wanted}
    if not session:
        del kept["cookie"]
    return kept | {"accept": accept}


async def download(site: Site, path: str, session: str = "s1") -> httpx2.Response:
    """Fetch a file, its path with or without a slash or an origin in front."""
    address = path if path.startswith("http") else f"/{path.lstrip('/')}"
    return await site.http.get(address, headers=download_headers(session))


async def call(
    site: Site, path: str, body: Json, *, session: str = "s1", page: str = "/imagine"
) -> httpx2.Response:
    """Post JSON from a page."""
    content = msgspec.json.encode(body)
    return await site.http.post(path, content=content, headers=page_headers(session, page))


def imagine_form(content: bytes, name: str = "a.png", kind: str = "image/png") -> bytes:
    """Return the body of an upload that pictures shall be made from."""
    source = (
        b"\r\n------B\r\n"
        b'Content-Disposition: form-data; name="file_source"\r\n\r\n'
        b"IMAGINE_SELF_UPLOAD_FILE_SOURCE\r\n------B--\r\n"
    )
    return form(content, name, kind).removesuffix(b"\r\n------B--\r\n") + source


async def upload_picture(site: Site, content: bytes, session: str = "s1") -> Json:
    """Upload a picture to work on; return what the site tells of it."""
    reply = await site.http.post(
        "/http/upload-file-v2/direct",
        content=imagine_form(content),
        headers=upload_headers(session) | {"referer": "https://grok.com/imagine"},
    )
    assert reply.status_code == 200, reply.text
    return dict(reply.json()["fileMetadata"])


def answers_of(body: bytes) -> list[dict[str, Any]]:
    """Return what is inside the frames of a stream of lines."""
    frames = [msgspec.json.decode(line) for line in body.splitlines() if line]
    return [f.get("result", {}).get("response", f) for f in frames]
