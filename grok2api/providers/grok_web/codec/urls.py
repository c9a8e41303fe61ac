"""URLs and titles that come from search results and cards: checked, normalised, shortened."""

import re
from urllib.parse import quote, urlsplit

MAX_URL_BYTES = 8192
MAX_TITLE_CHARS = 512

# Control characters, white space, and characters that show nothing or change the direction.
_UNFIT = re.compile(
    r"[\x00-\x20\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f"
    r"\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    r"\ud800-\udfff\U000e0000-\U000e0fff]"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_SPACES = re.compile(r"\s+")
_MARKDOWN_URL = str.maketrans({"(": "%28", ")": "%29", "<": "%3C", ">": "%3E", "\\": "%5C"})
_MARKDOWN_TEXT = str.maketrans({"[": r"\[", "]": r"\]", "\\": r"\\"})


def normalise_url(value: object) -> str:
    """Return an absolute http(s) URL with scheme and host in lower case, or "" if it is none.

    User info, control characters and characters that show nothing make it invalid: a link must lead
    where it seems to lead.
    """
    if not isinstance(value, str):
        return ""
    url = value.strip()
    if not url or len(url) > MAX_URL_BYTES or _UNFIT.search(url):
        return ""
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme.lower() in {"http", "https"} and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        return ""
    if not is_valid or "@" in parts.netloc or "\\" in parts.netloc:
        return ""
    head = len(parts.scheme) + len("://") + len(parts.netloc)
    if len(url.encode()) > MAX_URL_BYTES:
        return ""
    return url[:head].lower() + url[head:]


def clean_title(value: object, url: str = "") -> str:
    """Return a title on one line, or `url` where there is none."""
    if not isinstance(value, str):
        return url
    title = _SPACES.sub(" ", _CONTROL.sub(" ", value)).strip()
    return title[:MAX_TITLE_CHARS] or url


def x_post_url(handle: str, post_id: str) -> str:
    """Return the address of a post, or "" if one of the two is missing."""
    if not handle or not post_id:
        return ""
    return normalise_url(f"https://x.com/{quote(handle, safe='')}/status/{quote(post_id, safe='')}")


def asset_url(base: str, path: object) -> str:
    """Return where a generated file lies: `path` below `base`, unless it is a whole URL."""
    if not isinstance(path, str) or not path.strip():
        return ""
    text = path.strip()
    if "://" in text[:12]:
        return normalise_url(text)
    if ".." in text.split("?", 1)[0].split("/"):
        return ""
    return normalise_url(f"{base.rstrip('/')}/{text.lstrip('/')}")


def content_url(base: str, user_id: str, file_id: str) -> str:
    """Return where the content of an account's file lies, "" where too little is known."""
    if not user_id or not file_id:
        return ""
    return asset_url(base, f"users/{user_id}/{quote(file_id, safe='')}/content")


def escape_link(url: str) -> str:
    """Escape what would end a Markdown link."""
    return url.translate(_MARKDOWN_URL)


def escape_label(text: str) -> str:
    """Escape what would end a Markdown label."""
    return text.translate(_MARKDOWN_TEXT)
