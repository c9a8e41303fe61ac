"""Reading HTTP requests, and noticing that their clients have gone."""

from starlette.types import Receive


async def read_body(receive: Receive) -> bytes | None:
    """Return the whole body, or None if the client left first."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


async def wait_until_left(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
