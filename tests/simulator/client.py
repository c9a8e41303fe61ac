"""A client of the site that shares no code with the simulator or with the gateway."""

import base64
import hashlib
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import msgspec
from websockets.asyncio.client import ClientConnection, connect

from grok2api.simulator.options import SimulatorOptions
from grok2api.simulator.server import serve_simulator

AGENT = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/146.0.0.0 Safari/537.36"
)
SIGNED = base64.b64encode(bytes(range(70))).decode()
Json = dict[str, Any]


def cookie(session: str, user_id: str = "", clearance: str = "") -> str:
    """Return the cookie header of a session."""
    text = f"sso={session}; sso-rw={session}" + (f"; {clearance}" if clearance else "")
    return f"{text}; x-userid={user_id}" if user_id else text


def post_headers(session: str) -> dict[str, str]:
    """Return what the page sends with a JSON call."""
    return {
        "content-type": "application/json",
        "accept": "*/*",
        "accept-encoding": "gzip, deflate, br, zstd",
        "accept-language": "en-US,en;q=0.9",
        "user-agent": AGENT,
        "cookie": cookie(session),
        "x-xai-request-id": str(uuid.uuid4()),
        "origin": "https://grok.com",
        "referer": "https://grok.com/",
        "cache-control": "no-cache",
        "pragma": "no-cache",
        "priority": "u=1, i",
        "sec-fetch-dest": "empty",
        "sec-fetch-mode": "cors",
        "sec-fetch-site": "same-origin",
        "x-statsig-id": SIGNED,
    }


PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


def upload_headers(session: str) -> dict[str, str]:
    """Return what the page sends with an upload."""
    unwanted = ("x-xai-request-id", "x-statsig-id")
    kept = {name: value for name, value in post_headers(session).items() if name not in unwanted}
    return kept | {"content-type": "multipart/form-data; boundary=----B"}


def form(content: bytes = PNG, name: str = "photo.png", kind: str = "image/png") -> bytes:
    """Return the body of an upload from the page."""
    head = (
        f'------B\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        f"Content-Type: {kind}\r\n\r\n"
    )
    return head.encode() + content + b"\r\n------B--\r\n"


async def upload(site: "Site", session: str = "s1", body: bytes = b"") -> str:
    """Upload a picture as the page does it; return its id."""
    reply = await site.http.post(
        "/http/upload-file-v2/direct", content=body or form(), headers=upload_headers(session)
    )
    assert reply.status_code == 200, reply.text
    return str(reply.json()["fileMetadata"]["fileMetadataId"])


def chat_body(message: str, **changes: object) -> Json:
    """Return a chat body in the form of July 2026."""
    return {
        "collectionIds": [],
        "disabledConnectorIds": [],
        "deviceEnvInfo": {
            "darkModeEnabled": False,
            "devicePixelRatio": 2,
            "screenHeight": 1328,
            "screenWidth": 2056,
            "viewportHeight": 1083,
            "viewportWidth": 2056,
        },
        "disableMemory": True,
        "disableSearch": False,
        "disableSelfHarmShortCircuit": False,
        "disableTextFollowUps": False,
        "enableImageGeneration": True,
        "enableImageStreaming": True,
        "enableSideBySide": True,
        "fileAttachments": [],
        "forceConcise": False,
        "forceSideBySide": False,
        "imageAttachments": [],
        "imageGenerationCount": 2,
        "isAsyncChat": False,
        "message": message,
        "modeId": "fast",
        "responseMetadata": {},
        "returnImageBytes": False,
        "returnRawGrokInXaiRequest": False,
        "sendFinalMetadata": True,
        "temporary": True,
        **changes,
    }


def session_create(*, model: str = "fast", conversation: str = "", **changes: object) -> Json:
    """Return the message that opens or continues a conversation."""
    own: Json = {"keep_context": False, "is_temporary": True, "disable_memory": True}
    if conversation:
        own = {"conversation_id": conversation, "load_existing": True, "needs_history": False}
    switches = {
        "protocol_capabilities": ["conversation_attached", "custom_methods_v1"],
        "use_chunk": True,
        "enable_side_by_side": True,
        "force_side_by_side": False,
        "enable_image_generation": True,
        "image_generation_count": 2,
        "disable_text_follow_ups": False,
        "disable_artifact": True,
        "force_concise": False,
        **own,
        **changes,
    }
    event = {
        "type": "session.create",
        "event_id": f"evt_init_{uuid.uuid4()}",
        "session": {"model": model, "x_grok": switches},
    }
    return {"session_id": conversation, "event": event} if conversation else {"event": event}


def item_create(
    session_id: str,
    prompt: str,
    *,
    parent: str = "",
    ms: str = "1767225600001",
    files: Sequence[str] = (),
) -> Json:
    """Return the first message of a turn."""
    event: Json = {
        "type": "conversation.item.create",
        "event_id": f"evt_msg_{ms}",
        "item": {
            "type": "message",
            "role": "user",
            "x_grok": {
                "client_message_id": str(uuid.uuid4()),
                "input_chunks": [{"text": {"text": prompt}}],
            },
        },
    }
    if parent:
        event["parent_response_id"] = parent
    if files:
        event["file_attachment_ids"] = event["item"]["file_attachment_ids"] = list(files)
        event["item"]["x_grok"]["input_chunks"][:0] = [
            {"mention": {"target": {"file_mention": {"file_id": file_id}}}} for file_id in files
        ]
    return {"session_id": session_id, "event": event}


def response_create(session_id: str, *, ms: str = "1767225600001") -> Json:
    """Return the second message of a turn."""
    event = {"type": "response.create", "event_id": f"evt_resp_{ms}"}
    return {"session_id": session_id, "event": event}


class Socket:
    """A client of the gateway socket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.seen: list[Json] = []

    async def send(self, *messages: Json) -> None:
        for message in messages:
            await self.connection.send(msgspec.json.encode(message).decode())

    async def receive(self) -> Json:
        """Return the next text message that is a JSON object."""
        while True:
            message = await self.connection.recv()
            if isinstance(message, str):
                try:
                    value = msgspec.json.decode(message)
                except msgspec.DecodeError:
                    continue
                if isinstance(value, dict):
                    return value

    async def drain(self) -> None:
        """Receive into `seen` until the connection ends, which raises."""
        while True:
            self.seen.append(await self.receive())

    async def open(self, **options: Any) -> str:
        """Open a session; return its id."""
        await self.send(session_create(**options))
        first, second = await self.receive(), await self.receive()
        assert {first["event"]["type"], second["event"]["type"]} == {
            "session.created",
            "conversation.attached",
        }
        return str(first["session_id"])

    async def ask(self, session_id: str, prompt: str, *, parent: str = "") -> None:
        await self.send(item_create(session_id, prompt, parent=parent), response_create(session_id))

    async def events(self) -> list[Json]:
        """Return the events up to the one that ends the answer."""
        seen: list[Json] = []
        while not seen or seen[-1]["type"] not in {"response.done", "error", "session.ended"}:
            seen.append((await self.receive())["event"])
        return seen


class Site:
    """The simulator seen from outside."""

    def __init__(self, url: str, http: httpx2.AsyncClient) -> None:
        self.url = url
        self.http = http

    async def register(self, *accounts: Json) -> list[Json]:
        reply = await self.http.post("/_sim/accounts", json={"accounts": list(accounts)})
        assert reply.status_code == 200, reply.text
        return list(reply.json())

    async def script(self, *directives: str, **options: object) -> None:
        order = {"directives": list(directives), **options}
        reply = await self.http.post("/_sim/script", json=order)
        assert reply.status_code == 200, reply.text

    async def ledger(self) -> Json:
        return dict((await self.http.get("/_sim/ledger")).json())

    async def page(self, account: str) -> Json:
        return dict((await self.http.get("/_sim/ledger", params={"account": account})).json())

    @asynccontextmanager
    async def socket(
        self, session: str = "s1", *, user_id: str = "", **headers: str
    ) -> AsyncIterator[Socket]:
        if not user_id:
            user_id = (await self.register({"session": session, "name": session}))[0]["user_id"]
        fields = {
            "Cookie": cookie(session, user_id),
            "Accept-Language": "en-US,en;q=0.9",
            "Cache-Control": "no-cache",
            "Pragma": "no-cache",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        address = f"{self.url.replace('http', 'ws', 1)}/ws/mgw/?uid={user_id}"
        async with connect(
            address,
            origin=fields.pop("Origin", "https://grok.com"),  # type: ignore[arg-type]
            user_agent_header=fields.pop("User-Agent", AGENT),
            additional_headers={name: value for name, value in fields.items() if value},
            compression=None,
            max_size=2**24,
            ping_interval=None,
        ) as connection:
            yield Socket(connection)

    async def answer(self, prompt: str, *, session: str = "s1") -> list[Json]:
        """Ask on a new socket; return the events of the answer."""
        async with self.socket(session) as socket:
            await socket.ask(await socket.open(), prompt)
            return await socket.events()

    async def post(
        self, prompt: str, *, session: str = "s1", headers: Json | None = None, **changes: object
    ) -> httpx2.Response:
        """Ask over HTTP; return the whole answer."""
        return await self.http.post(
            "/rest/app-chat/conversations/new",
            content=msgspec.json.encode(chat_body(prompt, **changes)),
            headers={**post_headers(session), **(headers or {})},
        )


def text_of(events: list[Json]) -> str:
    """Return the visible text of a socket's events."""
    pieces = [e["chunk"].get("text", {}) for e in events if e["type"] == "response.chunk"]
    return "".join(p["text"] for p in pieces if p.get("channel") == "CHANNEL_ASSISTANT_RESPONSE")


def frames_of(body: bytes) -> list[Json]:
    """Return the frames of a stream of lines."""
    return [msgspec.json.decode(line) for line in body.splitlines() if line.startswith(b"{")]


def stream_text(frames: list[Json]) -> str:
    """Return the visible text of a stream's frames."""
    answers = [frame.get("result", {}).get("response", {}) for frame in frames]
    return "".join(a["token"] for a in answers if a.get("messageTag") == "final")


def digest(data: bytes) -> str:
    """Return a short name of bytes, for comparisons that fail readably."""
    return hashlib.sha256(data).hexdigest()[:16]


@asynccontextmanager
async def open_site(options: SimulatorOptions) -> AsyncIterator[Site]:
    """Serve a simulator for one test."""
    async with (
        serve_simulator(options) as url,
        httpx2.AsyncClient(base_url=url, timeout=20) as http,
    ):
        yield Site(url, http)
