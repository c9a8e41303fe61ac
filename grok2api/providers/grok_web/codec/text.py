"""Cleaning the visible text: internal tags go, citation marks come, offsets are counted.

A tag may be cut anywhere by the tokens of the stream. What could still become a tag is held back
until it is complete or cannot be one; so the text does not depend on where it was cut.
"""

import re

from grok2api.domain.chat import Citation, EventBatch, TextDelta
from grok2api.providers.grok_web.codec.cards import Card, CardCache
from grok2api.providers.grok_web.codec.searches import SearchLog
from grok2api.providers.grok_web.codec.urls import escape_label, escape_link, normalise_url

MAX_HELD_CHARS = 8192
MAX_CITED_URLS = 256
MAX_CITATIONS = 2048

_RENDER = "grok:render"
_TAGS = ("grok:render", "xaiartifact", "xai:tool_usage_card")
_OPENERS = tuple(f"<{name}" for name in _TAGS)
_TAG_START = re.compile(rf"<(?:{'|'.join(_TAGS)})(?=[\s/>])")
# Possessive, so that a tag that never ends costs no more than its length.
_TAG_OPEN = re.compile(r'<[\w:]++(?:[^>"]++|"[^"]*+")*+>')
_ATTRIBUTE = re.compile(r'([\w:-]+)\s*=\s*"([^"]*)"')
_OPENER_CHARS = max(len(opener) for opener in _OPENERS)


class TextCleaner:
    """Turns raw answer text into `TextDelta` and `Citation` events.

    `has_text` says whether anything visible was given out.
    """

    __slots__ = (
        "_annotated",
        "_cards",
        "_dropping",
        "_held",
        "_last_number",
        "_length",
        "_numbers",
        "_searches",
        "has_text",
    )

    def __init__(self, cards: CardCache, searches: SearchLog) -> None:
        self._cards = cards
        self._searches = searches
        self._held = ""
        self._dropping = ""
        self._length = 0
        self._numbers: dict[str, int] = {}
        self._last_number = 0
        self._annotated = 0
        self.has_text = False

    def feed(self, text: str, out: EventBatch) -> None:
        """Take the next piece of raw text."""
        if not self._held and not self._dropping and "<" not in text:
            self._write(text, out)
            return
        text = self._held + text
        self._held = ""
        while text:
            text = self._drop(text) if self._dropping else self._scan(text, out)

    def cite(self, url: object, out: EventBatch) -> None:
        """Write a citation mark here, if `url` may be linked."""
        if self._dropping:
            return
        self.flush(out)
        address = normalise_url(url)
        self._cite(address, self._searches.title_of(address), out)

    def flush(self, out: EventBatch) -> None:
        """Give out what is held back: it will not become a tag any more."""
        held, self._held = self._held, ""
        if held and not self._dropping:
            self._write(held, out)

    def _write(self, text: str, out: EventBatch) -> None:
        if not text:
            return
        if self._last_number and not text.isspace():
            self._last_number = 0
        self._length += len(text)
        self.has_text = True
        out.append(TextDelta(text))

    def _scan(self, text: str, out: EventBatch) -> str:
        """Give out text up to the first tag and treat that tag; return what is left to look at."""
        found = _TAG_START.search(text)
        if found is None:
            cut = _find_partial_opener(text)
            self._write(text[:cut], out)
            self._held = text[cut:]
            return ""
        self._write(text[: found.start()], out)
        text = text[found.start() :]
        name = found[0][1:]
        opening = _TAG_OPEN.match(text, 0, MAX_HELD_CHARS)
        if opening is None:
            return self._hold(text, name, out)
        if opening[0].endswith("/>"):
            self._replace(name, opening[0], out)
            return text[opening.end() :]
        if name != _RENDER:
            self._dropping = f"</{name}>"
            return text[opening.end() :]
        end = text.find(f"</{name}>", opening.end(), MAX_HELD_CHARS)
        if end < 0:
            return self._hold(text, name, out)
        self._replace(name, opening[0], out)
        return text[end + len(name) + len("</>") :]

    def _hold(self, text: str, name: str, out: EventBatch) -> str:
        """Wait for the rest of a tag, or take it for text if it is too long to be one."""
        if len(text) < MAX_HELD_CHARS:
            self._held = text
            return ""
        cut = 1 + len(name)
        self._write(text[:cut], out)
        return text[cut:]

    def _drop(self, text: str) -> str:
        """Skip to the end of an element whose content nobody shall see."""
        closer = self._dropping
        end = text.find(closer)
        if end < 0:
            self._held = text[-(len(closer) - 1) :]
            return ""
        self._dropping = ""
        return text[end + len(closer) :]

    def _replace(self, name: str, opening: str, out: EventBatch) -> None:
        if name != _RENDER:
            return
        attributes = dict(_ATTRIBUTE.findall(opening))
        card = self._cards.find(attributes.get("card_id", ""))
        if card is None:
            return
        match attributes.get("type"):
            case "render_inline_citation" if card.url:
                self._cite(card.url, card.title or self._searches.title_of(card.url), out)
            case "render_searched_image" if card.image:
                self._write(_picture(card), out)
            case _:
                pass

    def _cite(self, url: str, title: str, out: EventBatch) -> None:
        number = self._numbers.get(url, 0)
        if not url or (number and number == self._last_number) or self._annotated >= MAX_CITATIONS:
            return
        if not number:
            if len(self._numbers) >= MAX_CITED_URLS:
                return
            number = len(self._numbers) + 1
            self._numbers[url] = number
        start = self._length
        self._write(f"[[{number}]]({escape_link(url)})", out)
        self._last_number = number
        self._annotated += 1
        out.append(Citation(number, url, title or url, start, self._length))


def _find_partial_opener(text: str) -> int:
    """Return where a tag may have begun that the next piece completes, else the end of `text`."""
    at = text.rfind("<", -_OPENER_CHARS)
    if at < 0:
        return len(text)
    tail = text[at:]
    return at if any(opener.startswith(tail) for opener in _OPENERS) else len(text)


def _picture(card: Card) -> str:
    picture = f"![{escape_label(card.image_title)}]({escape_link(card.image)})"
    return f"[{picture}]({escape_link(card.image_link)})" if card.image_link else picture
