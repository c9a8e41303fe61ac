"""Steps as messages of the gateway socket."""

from typing import assert_never

import msgspec

from grok2api.simulator.script.directives import Script
from grok2api.simulator.script.turn import (
    Citation,
    Finding,
    InBandError,
    LooseSource,
    Noise,
    Pause,
    Picture,
    Reasoning,
    SearchResult,
    SearchStart,
    Source,
    Step,
    Text,
)

BINARY_MESSAGE = b"\x00simulated binary\xff"
_HUGE_BYTES = 17 * 1024 * 1024

_encode = msgspec.json.Encoder().encode


class SocketFrames:
    """Encodes one answer; frames of equal tokens are encoded once."""

    def __init__(self, session_id: str, script: Script) -> None:
        self._head = b'{"session_id":' + _encode(session_id) + b',"event":{"type":"'
        self._style = script.style
        self._known: dict[Step, list[bytes]] = {}
        self._said: list[str] = []
        self._citations = 0

    def event(self, kind: str, **members: object) -> bytes:
        """Return one message."""
        tail = _encode(members)[1:-1]
        return b"".join((self._head, kind.encode(), b'",' if tail else b'"', tail, b"}}"))

    def encode(self, step: Step) -> list[bytes]:
        """Return the messages of one step."""
        known = self._known.get(step)
        if known is not None:
            return known
        frames = self._encode(step)
        if isinstance(step, Text | Reasoning) and self._style != "done":
            self._known[step] = frames
        return frames

    def finish(self, response_id: str, status: str) -> list[bytes]:
        """Return the end of an answer."""
        done = self.event("response.done", response={"id": response_id, "status": status})
        if self._style == "done":
            return [self.event("response.output_text.done", text="".join(self._said)), done]
        return [done]

    def _encode(self, step: Step) -> list[bytes]:
        match step:
            case Text(text):
                return self._text(text)
            case Reasoning(text):
                return [self._chunk(text={"text": text, "channel": "CHANNEL_ANALYSIS"})]
            case Noise(kind):
                return self._noise(kind)
            case InBandError():
                return [self._error(step)]
            case Pause():
                return []
            case _:
                return [self._find(step)]

    def _find(self, step: Finding) -> bytes:
        match step:
            case SearchStart(card, kind, query):
                tool = {"tool_usage_card_id": card, kind: {"args": {"query": query}}}
                return self._chunk(tool_usage_card=tool)
            case SearchResult(card, kind, sources):
                return self._chunk(tool_result=_tool_result(card, kind, sources))
            case LooseSource(source):
                result = {"url": source.url, "title": source.title}
                return self.event("response.search.result", result=result)
            case Citation(number, url):
                return self._citation(number, url)
            case Picture():
                return self._picture(step)
            case _:
                assert_never(step)

    def _chunk(self, **members: object) -> bytes:
        return self.event("response.chunk", chunk=members)

    def _text(self, text: str) -> list[bytes]:
        match self._style:
            case "chunk":
                return [self._chunk(text={"text": text, "channel": "CHANNEL_ASSISTANT_RESPONSE"})]
            case "delta":
                return [self.event("response.output_text.delta", delta=text)]
            case "done":
                self._said.append(text)
                return []
            case _:
                assert_never(self._style)

    def _citation(self, number: int, url: str) -> bytes:
        self._citations += 1
        return self._chunk(
            render_citation={
                "id": f"c{self._citations}",
                "kind": "CITATION_KIND_WEB_PAGE",
                "url": url,
                "citation_id": number - 1,
            }
        )

    def _picture(self, picture: Picture) -> bytes:
        card = _encode({"id": f"card-{picture.id}", "image_chunk": image_chunk(picture)}).decode()
        return self.event("response.grok.output", output={"card_attachment": {"jsonData": card}})

    def _noise(self, kind: str) -> list[bytes]:
        if kind == "unknown":
            return [
                self.event("response.created", response={"status": "in_progress"}),
                self.event("conversation.weather.changed", weather={"sky": "blue"}),
                self._chunk(mood={"text": "curious"}),
                self._chunk(text={"text": "not for the user", "channel": "CHANNEL_COMMENTARY"}),
            ]
        if kind == "huge":
            return [huge_frame()]
        return [BINARY_MESSAGE] if kind == "binary" else [b"this is no JSON", b'["nor an object"]']

    def _error(self, error: InBandError) -> bytes:
        body = {"code": error.code, "message": error.message}
        if error.form == "root":
            return self.event("error", error=body)
        return self.event("response.grok.output", output={"stream_error": body})


def huge_frame() -> bytes:
    """Return a JSON object beyond what any client should take."""
    return _encode({"padding": "x" * _HUGE_BYTES})


def image_chunk(picture: Picture) -> dict[str, object]:
    """Return the generated-image part of a card, the same in both protocols."""
    return {
        "imageUuid": picture.id,
        "imageUrl": picture.url,
        "progress": picture.percent,
        "moderated": picture.is_moderated,
    }


def _tool_result(card: str, kind: str, sources: tuple[Source, ...]) -> dict[str, object]:
    call: dict[str, object] = {"tool_call_id": card} if card else {}
    if kind == "x_search":
        posts = [
            {"userhandle": s.url, "name": "Example Person", "text": s.title, "post_id": s.post_id}
            for s in sources
        ]
        return call | {"x_post": {"posts": posts}}
    pages = [{"url": s.url, "title": s.title, "snippet": "…"} for s in sources]
    return call | {"web_search": {"webpages": pages}}
