"""Card attachments: what `<grok:render>` tags in the text refer to."""

from collections.abc import Iterator

from msgspec import Struct

from grok2api.providers.grok_web import wire
from grok2api.providers.grok_web.codec.loose import (
    NOTHING,
    Loose,
    as_list,
    as_mapping,
    first_text,
)
from grok2api.providers.grok_web.codec.urls import clean_title, normalise_url

MAX_CARDS = 1024


class Card(Struct, frozen=True):
    """What a render tag may need of its card."""

    url: str = ""
    title: str = ""
    image: str = ""
    """Where the picture that was found lies; "" if the card is of another kind."""
    image_title: str = ""
    image_link: str = ""


class CardCache:
    """Cards by id, of one answer."""

    __slots__ = ("_cards",)

    def __init__(self) -> None:
        self._cards: dict[str, Card] = {}

    def add(self, card: Loose) -> None:
        """Keep what a later tag may need of `card`; a card without id is of no use."""
        card_id = first_text(card, "id", "card_id", "cardId")
        if not card_id or (len(self._cards) >= MAX_CARDS and card_id not in self._cards):
            return
        image = as_mapping(card.get("image"))
        self._cards[card_id] = Card(
            url=normalise_url(card.get("url")),
            title=clean_title(card.get("title")),
            image=normalise_url(image.get("thumbnail")) or normalise_url(image.get("original")),
            image_title=clean_title(image.get("title"), "image"),
            image_link=normalise_url(image.get("link")),
        )

    def find(self, card_id: str) -> Card | None:
        return self._cards.get(card_id)


def parse_cards(attachment: object) -> Iterator[Loose]:
    """Yield the cards of a card attachment, whichever of its forms it has.

    It may be a list of attachments, an attachment whose `jsonData` is a JSON text or an object, the
    JSON text itself, or a bare card.
    """
    for one in as_list(attachment) or [attachment]:
        card = _parse_card(one)
        if card:
            yield card


def image_chunk(card: Loose) -> Loose:
    """Return the part of a card that reports on a picture being made, or nothing."""
    return as_mapping(card.get("image_chunk")) or as_mapping(card.get("imageChunk"))


def _parse_card(value: object) -> Loose:
    if isinstance(value, str):
        return _decode(value)
    holder = as_mapping(value)
    for name in ("jsonData", "json_data"):
        data = holder.get(name)
        if isinstance(data, str):
            return _decode(data)
        if isinstance(data, dict):
            return data
    return holder


def _decode(text: str) -> Loose:
    try:
        return as_mapping(wire.ANY_JSON.decode(text))
    except (ValueError, RecursionError):
        return NOTHING
