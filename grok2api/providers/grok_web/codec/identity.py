"""What an exit shows of itself: cookies, headers, client hints, x-statsig-id."""

import base64
import binascii
import re
from typing import Final

from msgspec import Struct

SITE_URL: Final = "https://grok.com"
"""Origin and referer say this even where the calls go to a stand-in of the site."""

SIGNED_BYTES: Final = 70
MAX_COOKIE_CHARS: Final = 4096
GRPC_TYPE: Final = "application/grpc-web+proto"
GRPC_CLIENT: Final = "connect-es/2.1.1"

Headers = tuple[tuple[str, str], ...]

_REPLACED = {
    **dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212"), "-"),
    **dict.fromkeys(map(ord, "\u2018\u2019"), "'"),
    **dict.fromkeys(map(ord, "\u201c\u201d"), '"'),
    **dict.fromkeys(map(ord, "\xa0\u2007\u202f"), " "),
    **dict.fromkeys(map(ord, "\u200b\u200c\u200d\ufeff"), ""),
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CLEARANCE_NAME = re.compile(r"cf_clearance|__cf_bm|_cfuvid|cf_chl_[\w-]*")
_COOKIE_VALUE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_MAJOR = re.compile(r"(?:Edg|Chrome|Chromium)/(\d+)")
_FALLBACKS = {
    5: r"x1:TypeError: Cannot read properties of null (reading 'children[\'{}\']')",
    10: "x1:TypeError: Cannot read properties of undefined (reading '{}')",
}


class Browser(Struct, frozen=True):
    """The browser we look like; all of it fits the TLS profile of the exit."""

    user_agent: str
    accept_language: str


def plain_characters(text: str) -> str:
    """Replace what editors and chat programs make of hyphens, quotes and spaces."""
    return text.translate(_REPLACED)


def clean_header(text: str) -> str:
    """Return `text` as a header value: look-alikes made plain, nothing outside of Latin-1."""
    plain = _CONTROL.sub("", plain_characters(text)).strip()
    return plain.encode("latin-1", "ignore").decode("latin-1")


def clearance_cookies(text: str) -> str:
    """Return the Cloudflare cookies in `text`, `name=value` joined by `; `.

    Everything else is left out, so that nobody's identity travels with another's request.
    """
    kept: dict[str, str] = {}
    for pair in clean_header(text).split(";"):
        name, _, value = pair.strip().partition("=")
        name, value = name.strip().lower(), "".join(value.split()).strip('"')
        is_good = len(value) <= MAX_COOKIE_CHARS and _COOKIE_VALUE.fullmatch(value)
        if is_good and _CLEARANCE_NAME.fullmatch(name):
            kept.setdefault(name, value)
    return "; ".join(f"{name}={value}" for name, value in kept.items())


def build_cookie(session: str, clearance: str, *, user_id: str = "") -> str:
    """Return the cookie header: the session twice, clearance, and for the gateway the user id."""
    token = "".join(clean_header(session).split()).removeprefix("sso=").partition(";")[0]
    parts = [f"sso={token}", f"sso-rw={token}"]
    if clearance:
        parts.append(clearance)
    if user_id:
        parts.append(f"x-userid={user_id}")
    return "; ".join(parts)


def canonical_uuid(text: str) -> str:
    """Return a UUID in lower case, or "" if `text` is none."""
    plain = text.strip().lower()
    return plain if _UUID.fullmatch(plain) else ""


def fallback_statsig(letters: str) -> str:
    """Return the value that the site's own page sends when it cannot sign.

    Args:
        letters: five of `a-z0-9` or ten of `a-z`, fresh for each request.

    Raises:
        KeyError: it is neither five nor ten.
    """
    return base64.b64encode(_FALLBACKS[len(letters)].format(letters).encode()).decode()


def manual_statsig(value: str) -> str:
    """Return the operator's value if the site could accept it, else ""."""
    text = value.strip()
    try:
        signed = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return ""
    return text if len(signed) == SIGNED_BYTES else ""


def json_headers(
    browser: Browser, cookie: str, request_id: str, statsig: str, *, page: str = "/"
) -> Headers:
    """Return the headers of a JSON call from `page`, in the order a browser has them."""
    own = (("x-xai-request-id", request_id),)
    headers = _page_headers(browser, cookie, "application/json", own, page=page)
    return (*headers, ("x-statsig-id", statsig)) if statsig else headers


def upload_headers(browser: Browser, cookie: str, boundary: str, *, page: str = "/") -> Headers:
    """Return the headers of an upload from `page`, which is never signed."""
    content_type = f"multipart/form-data; boundary={boundary}"
    return _page_headers(browser, cookie, content_type, (), page=page)


def download_headers(browser: Browser, cookie: str, request_id: str) -> Headers:
    """Return the headers of a download; a `cookie` of "" is for a host that must not see any."""
    return (
        ("Accept", "*/*"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
        ("Accept-Language", clean_header(browser.accept_language)),
        ("User-Agent", clean_header(browser.user_agent)),
        *((("Cookie", cookie),) if cookie else ()),
        ("x-xai-request-id", request_id),
    )


def grpc_headers(browser: Browser, cookie: str) -> Headers:
    """Return the headers of a gRPC-web call from the page that is not signed."""
    own = (("x-grpc-web", "1"), ("x-user-agent", GRPC_CLIENT))
    return _page_headers(browser, cookie, GRPC_TYPE, own)


def signed_grpc_headers(browser: Browser, cookie: str, request_id: str, statsig: str) -> Headers:
    """Return the headers of a gRPC-web call that is signed as a JSON call is."""
    own = (("x-xai-request-id", request_id), ("x-grpc-web", "1"))
    headers = _page_headers(browser, cookie, GRPC_TYPE, own)
    return (*headers, ("x-statsig-id", statsig)) if statsig else headers


def _page_headers(
    browser: Browser, cookie: str, content_type: str, own: Headers, *, page: str = "/"
) -> Headers:
    return (
        ("Content-Type", content_type),
        ("Accept", "*/*"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
        ("Accept-Language", clean_header(browser.accept_language)),
        ("User-Agent", clean_header(browser.user_agent)),
        ("Cookie", cookie),
        *own,
        ("Origin", SITE_URL),
        ("Referer", f"{SITE_URL}{page}"),
        ("Cache-Control", "no-cache"),
        ("Pragma", "no-cache"),
        ("Priority", "u=1, i"),
        ("Sec-Fetch-Dest", "empty"),
        ("Sec-Fetch-Mode", "cors"),
        ("Sec-Fetch-Site", "same-origin"),
    )


def session_headers(browser: Browser, cookie: str) -> Headers:
    """Return the headers of the call that asks who we are."""
    return (
        ("Accept", "*/*"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
        ("Accept-Language", clean_header(browser.accept_language)),
        ("Cache-Control", "no-cache"),
        ("Cookie", cookie),
        ("Pragma", "no-cache"),
        ("Priority", "u=1, i"),
        ("Referer", f"{SITE_URL}/"),
        *client_hints(browser.user_agent),
        ("Sec-Fetch-Dest", "empty"),
        ("Sec-Fetch-Mode", "cors"),
        ("Sec-Fetch-Site", "same-origin"),
        ("User-Agent", clean_header(browser.user_agent)),
    )


def socket_headers(browser: Browser, cookie: str) -> Headers:
    """Return the headers of a WebSocket upgrade, beside those of the protocol itself."""
    return (
        ("Origin", SITE_URL),
        ("User-Agent", clean_header(browser.user_agent)),
        ("Accept-Language", clean_header(browser.accept_language)),
        ("Cache-Control", "no-cache"),
        ("Pragma", "no-cache"),
        ("Cookie", cookie),
    )


def client_hints(user_agent: str) -> Headers:
    """Return the hints a Chromium browser sends unasked; none for other browsers."""
    major = _MAJOR.search(user_agent)
    if major is None:
        return ()
    edge = re.search(r"Edg/(\d+)", user_agent)
    brand = "Microsoft Edge" if edge else "Google Chrome"
    version = edge[1] if edge else major[1]
    is_mobile = "mobile" in user_agent.lower() or "Android" in user_agent
    brands = f'"{brand}";v="{version}", "Chromium";v="{version}", "Not(A:Brand";v="24"'
    hints = (("Sec-Ch-Ua", brands), ("Sec-Ch-Ua-Mobile", "?1" if is_mobile else "?0"))
    platform = _platform(user_agent)
    return (*hints, ("Sec-Ch-Ua-Platform", f'"{platform}"')) if platform else hints


def _platform(user_agent: str) -> str:
    for word, platform in (
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("iPhone", "iOS"),
        ("iPad", "iOS"),
        ("Macintosh", "macOS"),
        ("Linux", "Linux"),
    ):
        if word in user_agent:
            return platform
    return ""
