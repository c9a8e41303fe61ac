"""Addresses of generated pictures wherever they stand, for answers that do not name them."""

import re
from collections.abc import Iterator
from typing import Final

from grok2api.providers.grok_web import wire
from grok2api.providers.grok_web.codec.loose import as_percent, first_text

MAX_PICTURES: Final = 64
MAX_DEPTH: Final = 16
MAX_TEXT_CHARS: Final = 256 * 1024
_DONE: Final = 100
_PART = "-part-"
_MARKDOWN = re.compile(r"!\[[^\]]*\]\(\s*([^)\s]+)")
_WHICH = re.compile(r"/generated/([^/?#]+)/|/users/[^/]+/([^/?#]+)/content")


def which_picture(url: str) -> str:
    """Return the id in an address, so that one picture with two addresses is told for one."""
    found = _WHICH.search(url)
    return next(filter(None, found.groups())).partition(_PART)[0] if found else url


def find_markdown(text: str) -> list[str]:
    """Return the addresses of the pictures in a Markdown text."""
    return _MARKDOWN.findall(text)[:MAX_PICTURES]


def scan(value: object, depth: int = 0) -> Iterator[tuple[str, bool]]:
    """Yield every address of a finished picture in `value`, and whether it is withheld.

    JSON within strings is looked through too.
    """
    if depth > MAX_DEPTH:
        return
    if isinstance(value, str):
        yield from _scan_text(value, depth)
    elif isinstance(value, list):
        for entry in value:
            yield from scan(entry, depth + 1)
    elif isinstance(value, dict):
        url = first_text(value, "imageUrl", "image_url", "url")
        percent = as_percent(value.get("progress"))
        is_withheld = value.get("moderated") is True
        if url and (is_withheld or percent == _DONE):
            yield url, is_withheld
        if url and (is_withheld or percent is not None):
            return
        for entry in value.values():
            yield from scan(entry, depth + 1)


def _scan_text(text: str, depth: int) -> Iterator[tuple[str, bool]]:
    if "/generated/" not in text or len(text) > MAX_TEXT_CHARS:
        return
    if text.lstrip().startswith(("{", "[")):
        try:
            decoded = wire.ANY_JSON.decode(text)
        except (ValueError, RecursionError):
            return
        yield from scan(decoded, depth + 1)
    elif text.startswith(("https://", "users/", "/users/")) and _PART not in text:
        yield text, False
