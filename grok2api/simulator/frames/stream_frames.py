"""Steps as frames of the HTTP stream."""

from typing import assert_never

import msgspec

from grok2api.simulator.frames.socket_frames import huge_frame, image_chunk
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

_encode = msgspec.json.Encoder().encode
_TAG_HALVES = 2


class StreamFrames:
    """Encodes one answer; frames of equal tokens are encoded once."""

    def __init__(self, response_id: str, script: Script) -> None:
        self._id = response_id
        self._tail = b',"responseId":' + _encode(response_id) + b"}}}"
        self._script = script
        self._known: dict[Step, list[bytes]] = {}
        self._raw: list[str] = []
        self._cards: list[str] = []
        self._steps = 0

    def open(
        self, conversation_id: str, user_response_id: str, prompt: str, now: str
    ) -> list[bytes]:
        """Return what stands in front of every answer."""
        conversation = {
            "conversationId": conversation_id,
            "title": "New conversation",
            "starred": False,
            "createTime": now,
            "modifyTime": now,
            "temporary": True,
            "mediaTypes": [],
        }
        echo = {"responseId": user_response_id, "message": prompt, "sender": "human"}
        return [
            _encode({"result": {"conversation": conversation}}),
            self.frame(userResponse=echo, isThinking=False, isSoftStop=False),
            self.frame(llmInfo={"modelHash": "51b17a70"}),
        ]

    def encode(self, step: Step) -> list[bytes]:
        """Return the frames of one step."""
        if isinstance(step, Text):
            self._raw.append(step.text)
            if self._script.model_response == "only":
                return []
        known = self._known.get(step)
        if known is not None:
            return known
        frames = self._encode(step)
        if isinstance(step, Text | Reasoning):
            self._known[step] = frames
        return frames

    def soft_stop(self) -> list[bytes]:
        """Return the frame that ends the visible answer."""
        if not self._script.soft_stop:
            return []
        return [self.frame(token="", isThinking=False, isSoftStop=True)]

    def finish(self, user_response_id: str, title: str) -> list[bytes]:
        """Return what follows the visible answer."""
        frames = []
        if self._script.model_response != "none":
            message = self._message()
            frames.append(
                self.model_response({"message": message, "parentResponseId": user_response_id})
            )
        if self._script.final_metadata:
            frames.append(self.frame(finalMetadata={"followUpSuggestions": [], "toolsUsed": {}}))
        return [*frames, _encode({"result": {"title": {"newTitle": title}}})]

    def _message(self) -> str:
        raw = "".join(self._raw)
        match self._script.model_response:
            case "extend":
                return f"{raw} And one thing more."
            case "differ":
                return f"Something else: {raw}"
            case "equal" | "only" | "none":
                return raw
            case _:
                assert_never(self._script.model_response)

    def _encode(self, step: Step) -> list[bytes]:
        match step:
            case Text(text):
                return [self._final(text)]
            case Reasoning(text):
                return [self._thinking(text)]
            case Noise(kind):
                return self._noise(kind)
            case InBandError():
                return [self._error(step)]
            case Pause():
                return []
            case _:
                return self._find(step)

    def _find(self, step: Finding) -> list[bytes]:
        match step:
            case SearchStart(card, kind, query):
                return [self._tool_card(card, kind, query)]
            case SearchResult(card, kind, sources):
                return [self._tool_result(card, kind, sources)]
            case LooseSource(source):
                return [self.frame(citedWebSearchResults=_pages((source,)))]
            case Citation(number, url):
                return self._citation(number, url)
            case Picture():
                return self._picture(step)
            case _:
                assert_never(step)

    def frame(self, **members: object) -> bytes:
        """Return one frame of the answer."""
        return b'{"result":{"response":' + _encode(members)[:-1] + self._tail

    def _final(self, token: str) -> bytes:
        return self.frame(token=token, isThinking=False, messageTag="final")

    def _thinking(self, token: str) -> bytes:
        tag = "header" if not self._steps else "summary"
        self._steps += 1
        return self.frame(
            token=token,
            isThinking=True,
            messageTag=tag,
            messageStepId=int(tag == "summary"),
            rolloutId="Grok",
        )

    def _tool_card(self, card: str, kind: str, query: str) -> bytes:
        name = "webSearch" if kind == "web_search" else "xKeywordSearch"
        arguments = _encode({"query": query}).decode()
        token = (
            f"<xai:tool_usage_card><xai:tool_usage_card_id>{card}</xai:tool_usage_card_id>"
            f"<xai:tool_name>{kind}</xai:tool_name>"
            f"<xai:tool_args><![CDATA[{arguments}]]></xai:tool_args></xai:tool_usage_card>"
        )
        self._steps += 1
        return self.frame(
            token=token,
            isThinking=True,
            messageTag="tool_usage_card",
            messageStepId=self._steps,
            rolloutId="Grok",
            toolUsageCardId=card,
            toolUsageCard={"toolUsageCardId": card, name: {"args": {"query": query}}},
        )

    def _tool_result(self, card: str, kind: str, sources: tuple[Source, ...]) -> bytes:
        named: dict[str, object] = {"toolUsageCardId": card} if card else {}
        if kind == "x_search":
            posts = [{"postId": s.post_id, "username": s.url, "text": s.title} for s in sources]
            return self.frame(xSearchResults={"results": posts}, **named)
        return self.frame(
            webSearchResults={"results": _pages(sources)}, messageTag="raw_function_result", **named
        )

    def _citation(self, number: int, url: str) -> list[bytes]:
        card = f"c{len(self._cards) + 1}"
        kind = {"type": "render_inline_citation", "cardType": "citation_card"}
        self._cards.append(_encode({"id": card, **kind, "url": url}).decode())
        tag = (
            f'<grok:render card_id="{card}" card_type="citation_card" '
            f'type="render_inline_citation"><argument name="citation_id">{number - 1}</argument>'
            "</grok:render>"
        )
        self._raw.append(tag)
        if self._script.model_response == "only":
            return []
        middle = len(tag) // _TAG_HALVES if self._script.split_tags else len(tag)
        return [
            self.frame(cardAttachment={"jsonData": self._cards[-1]}),
            *(self._final(half) for half in (tag[:middle], tag[middle:]) if half),
        ]

    def _picture(self, picture: Picture) -> list[bytes]:
        card: dict[str, object] = {
            "id": f"card-{picture.id}",
            "type": "render_generated_image",
            "image_chunk": image_chunk(picture) if picture.percent else None,
        }
        text = _encode(card).decode()
        if picture.percent and not picture.is_moderated:
            self._cards.append(text)
        return [self.frame(cardAttachment={"jsonData": text})]

    def _noise(self, kind: str) -> list[bytes]:
        if kind == "unknown":
            return [
                self.frame(weather={"sky": "blue"}),
                self.frame(token="not for the user", isThinking=False, messageTag="preview"),  # noqa: S106
                b'{"result":{"mood":"curious"}}',
            ]
        if kind == "huge":
            return [huge_frame()]
        return [] if kind == "binary" else [b"this is no JSON"]

    def _error(self, error: InBandError) -> bytes:
        body = {"code": error.code, "message": error.message}
        match error.form:
            case "root":
                return _encode({"error": {**body, "details": []}})
            case "response":
                return self.frame(error=body)
            case "card":
                card = '{"image_chunk":{"progress":100,"systemErrCode":"rate_limit"}}'
                return self.frame(error=body, cardAttachment={"jsonData": card})
            case "stream_errors":
                return self.model_response({"message": "", "streamErrors": [{"error": body}]})
            case _:
                assert_never(error.form)

    def model_response(self, members: dict[str, object]) -> bytes:
        """Return the frame that repeats the whole answer."""
        fixed = {"responseId": self._id, "sender": "assistant", "partial": False}
        filled = {"streamErrors": [], "cardAttachmentsJson": self._cards, **fixed, **members}
        return self.frame(modelResponse=filled)


def _pages(sources: tuple[Source, ...]) -> list[dict[str, str]]:
    return [{"url": s.url, "title": s.title, "preview": "…"} for s in sources]
