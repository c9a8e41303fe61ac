"""Pictures asked for in a chat: the last thing the user said is what is drawn or changed."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Final

import msgspec

from grok2api.config.features import FeatureSettings
from grok2api.domain.chat import (
    ChatRequest,
    EventBatch,
    Finished,
    ImagePart,
    Message,
    ReasoningDelta,
    Role,
    TextDelta,
    TextPart,
)
from grok2api.domain.client_key import ClientKey
from grok2api.domain.images import (
    MAX_PICTURES,
    MAX_PROMPT_CHARS,
    MAX_REFERENCES,
    ImageBatch,
    ImageMade,
    ImageRequest,
    ImagesDone,
    ImageStep,
    ImageWay,
)
from grok2api.domain.model import Route
from grok2api.errors import InvalidRequestError
from grok2api.services.dispatch import TurnRecord
from grok2api.services.files import FileDesk, GivenImage
from grok2api.services.images import ImageService
from grok2api.services.pictures import Pictures

_DONE: Final = 100


class ImageChat:
    """Answers chats with models of pictures: progress as reasoning, pictures as text."""

    __slots__ = ("_features", "_files", "_images", "_pictures")

    def __init__(
        self, images: ImageService, files: FileDesk, pictures: Pictures, features: FeatureSettings
    ) -> None:
        self._images = images
        self._files = files
        self._pictures = pictures
        self._features = features

    async def stream(
        self,
        request: ChatRequest,
        route: Route,
        record: TurnRecord,
        caller: ClientKey | None = None,
    ) -> AsyncGenerator[EventBatch, None]:
        """Yield the answer to `request`; iterate it under `aclosing`.

        Raises:
            InvalidRequestError: there is nothing to draw, or not what the model works on.
            GatewayError: as `ImageService.stream`.
        """
        order = self._read(request, route)
        given = _pictures_in(request) if order.way is ImageWay.EDIT else []
        with await self._files.take_images(given) as intake:
            order = msgspec.structs.replace(order, references=intake.files)
            progress = _Progress(order.n)
            source = self._images.stream(
                order, route, record, caller, shows_steps=self._shows_steps(request)
            )
            async with aclosing(source) as batches:
                async for batch in batches:
                    yield await self._show(batch, progress, request)

    def _shows_steps(self, request: ChatRequest) -> bool:
        """Whether the client sees progress as it comes; if not, another account may be tried."""
        shows = request.show_reasoning
        return request.stream is True and (self._features.thinking if shows is None else shows)

    async def _show(
        self, batch: ImageBatch, progress: "_Progress", request: ChatRequest
    ) -> EventBatch:
        shown: EventBatch = []
        for event in batch:
            if news := progress.note(event):
                shown.append(ReasoningDelta(news))
            match event:
                case ImageMade():
                    shown.append(TextDelta(await self._write(event, progress, request)))
                case ImagesDone():
                    shown.append(Finished())
                case _:
                    pass
        return shown

    async def _write(self, made: ImageMade, progress: "_Progress", request: ChatRequest) -> str:
        image = await self._pictures.show(
            made, request.public_url, is_inline=request.images.is_inline
        )
        text = image.url if image.is_bare else f"![image]({image.url})"
        return text if progress.is_first_text() else f"\n\n{text}"

    def _read(self, request: ChatRequest, route: Route) -> ImageRequest:
        way, wish = route.model.way, request.images
        if way is None:
            raise InvalidRequestError(
                f"Model '{route.requested}' makes no pictures.", param="model"
            )
        if wish.n > MAX_PICTURES[way]:
            raise InvalidRequestError(
                f"Model '{route.requested}' makes at most {MAX_PICTURES[way]} pictures at once.",
                param="image_config.n",
                code="invalid_value",
            )
        index, said = _last_of_user(request)
        prompt = "\n".join(part.text for part in said.parts if isinstance(part, TextPart)).strip()
        if not prompt:
            raise InvalidRequestError(
                "The last message of the user says nothing that could be drawn.",
                param=f"messages[{index}].content",
                code="missing_required_parameter",
            )
        if len(prompt) > MAX_PROMPT_CHARS:
            raise InvalidRequestError(
                f"What shall be drawn is said in at most {MAX_PROMPT_CHARS} characters.",
                param=f"messages[{index}].content",
                code="invalid_value",
            )
        if way is not ImageWay.EDIT and any(isinstance(part, ImagePart) for part in said.parts):
            raise InvalidRequestError(
                f"Model '{route.requested}' draws from words alone; "
                "grok-imagine-image-edit changes pictures.",
                param=f"messages[{index}].content",
                code="unsupported_value",
            )
        return ImageRequest(
            model=route.requested,
            way=way,
            prompt=prompt,
            n=wish.n,
            aspect_ratio=wish.aspect_ratio,
            is_sensitive=self._features.enable_nsfw,
        )


class _Progress:
    """How far all pictures together are, told when it grows."""

    __slots__ = ("_has_text", "_percents", "_told")

    def __init__(self, count: int) -> None:
        self._percents = [0] * count
        self._told = 0
        self._has_text = False

    def note(self, event: object) -> str:
        """Return what is new to tell, "" for nothing."""
        match event:
            case ImageStep(slot, percent) if slot < len(self._percents):
                self._percents[slot] = max(self._percents[slot], percent)
            case ImageMade(slot) if slot < len(self._percents):
                self._percents[slot] = _DONE
            case _:
                return ""
        overall = sum(self._percents) // len(self._percents)
        if overall <= self._told:
            return ""
        self._told = overall
        made = self._percents.count(_DONE)
        return f"{overall} % ({made} of {len(self._percents)} done)\n"

    def is_first_text(self) -> bool:
        """Whether nothing has been written yet; from now on something has."""
        is_first, self._has_text = not self._has_text, True
        return is_first


def _last_of_user(request: ChatRequest) -> tuple[int, Message]:
    for index in range(len(request.messages) - 1, -1, -1):
        if request.messages[index].role is Role.USER:
            return index, request.messages[index]
    raise InvalidRequestError("There is no message of the user.", param="messages")


def _pictures_in(request: ChatRequest) -> list[GivenImage]:
    """Return the pictures of all messages, the last ones where there are too many.

    Raises:
        InvalidRequestError: there is none.
    """
    found = list(_walk(request))
    if not found:
        raise InvalidRequestError(
            "An edit begins with a picture: add one to the message.",
            param="messages",
            code="missing_required_parameter",
        )
    return found[-MAX_REFERENCES:]


def _walk(request: ChatRequest) -> Iterator[GivenImage]:
    for index, message in enumerate(request.messages):
        for place, part in enumerate(message.parts):
            if isinstance(part, ImagePart):
                yield GivenImage(f"messages[{index}].content[{place}]", url=part.url)
