"""What the site demands of a request before it reads the body; a check returns what is wrong."""

import base64
import binascii
import re
from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from grok2api.simulator.identity import is_uuid, is_uuid4
from grok2api.simulator.options import StatsigPolicy

Headers = list[tuple[bytes, bytes]]

_FETCH: Mapping[str, str] = MappingProxyType(
    {
        "accept": "*/*",
        "accept-encoding": "gzip, deflate, br, zstd",
        "cache-control": "no-cache",
        "pragma": "no-cache",
        "priority": "u=1, i",
        "sec-fetch-dest": "empty",
        "sec-fetch-mode": "cors",
        "sec-fetch-site": "same-origin",
    }
)
# Browsers, and libraries that play one, leave it out on HTTP/1.1, which is all that is spoken here.
_ONLY_ON_HTTP_2 = frozenset({"priority"})
_SOCKET: Mapping[str, str] = MappingProxyType({"cache-control": "no-cache", "pragma": "no-cache"})
_PAGE: Mapping[str, str] = MappingProxyType(
    {
        "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "accept-encoding": "gzip, deflate, br, zstd",
        "cache-control": "no-cache",
        "pragma": "no-cache",
        "sec-fetch-dest": "document",
        "sec-fetch-mode": "navigate",
        "sec-fetch-site": "same-origin",
        "upgrade-insecure-requests": "1",
    }
)
_NAVIGATION: Mapping[str, str] = MappingProxyType(
    {
        "cache-control": "no-cache",
        "pragma": "no-cache",
        "sec-fetch-dest": "document",
        "sec-fetch-mode": "navigate",
        "sec-fetch-site": "none",
        "sec-fetch-user": "?1",
        "upgrade-insecure-requests": "1",
    }
)
_IMAGE_ACCEPT = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
_VIDEO_ACCEPT = "video/mp4,video/*,*/*;q=0.8"
_GRPC_WEB: Mapping[str, str] = MappingProxyType(
    {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
)
_GRPC = ("x-grpc-web", "x-user-agent")
_TRACING = ("baggage", "traceparent", "tracestate", "sentry-trace", "authorization", "dpop")
_IDENTITY = ("x-statsig-id", "x-xai-request-id")
_CLEARANCE = re.compile(r"cf_clearance|__cf_bm|_cfuvid|cf_chl_[^=]*")
_BROWSER = re.compile(r"Mozilla/5\.0 \([^)]+\) \S.*")
_MAJOR = re.compile(r"(?:Chrome|Chromium|Edg)/(\d+)")
_PLATFORMS = (("Android", "Android"), ("Windows", "Windows"), ("Macintosh", "macOS"))
_SIGNED_BYTES = 70
_CONTROL = 0x20


class Cookies(Struct, frozen=True):
    """Who a request comes from."""

    session: str
    user_id: str


def fold_headers(headers: Headers) -> dict[str, str]:
    """Return headers by lower-case name; repeated ones are joined by a line break."""
    folded: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        folded[name] = f"{folded[name]}\n{value}" if name in folded else value
    return folded


def read_cookies(headers: dict[str, str], *, is_socket: bool) -> tuple[Cookies, list[str]]:
    """Return the session and user id of the cookie header, and what is wrong with its form."""
    cookie = headers.get("cookie", "")
    if "\n" in cookie:
        return Cookies("", ""), ["more than one cookie header"]
    pairs = [part.partition("=")[::2] for part in cookie.split("; ")]
    values = dict(pairs)
    session, user_id = values.get("sso", ""), values.get("x-userid", "")
    names = [name for name, _ in pairs]
    problems = []
    if not session or names[:2] != ["sso", "sso-rw"] or values["sso-rw"] != session:
        problems.append("the cookie must start with equal sso and sso-rw")
    if session != session.strip() or any(c.isspace() or ord(c) < _CONTROL for c in session):
        problems.append("white space in the sso cookie")
    rest = names[2:]
    if is_socket:
        if rest[-1:] != ["x-userid"]:
            problems.append("the cookie of the socket must end with x-userid")
        rest = rest[:-1]
    problems += [
        f"cookie {name!r} does not belong here" for name in rest if not _CLEARANCE.fullmatch(name)
    ]
    if len(set(names)) != len(names) or not all(values.values()):
        problems.append("a cookie is empty or stands twice")
    return Cookies(session, user_id), problems


def check_post(headers: dict[str, str], origin: str, *, page: str = "/") -> list[str]:
    """Check the headers of a JSON call from `page`."""
    wanted = {**_FETCH, **_from_page(origin, page), "content-type": "application/json"}
    problems = _compare(headers, wanted) + _check_browser(headers)
    return problems + _forbid(headers, (*_TRACING, *_GRPC)) + _check_request_id(headers)


def check_upload(headers: dict[str, str], origin: str, *, page: str = "/") -> list[str]:
    """Check the headers of an upload from `page`; its content type is checked with its body."""
    problems = _compare(headers, {**_FETCH, **_from_page(origin, page)}) + _check_browser(headers)
    return problems + _forbid(headers, (*_TRACING, *_GRPC, *_IDENTITY))


def check_grpc(headers: dict[str, str], origin: str) -> list[str]:
    """Check the headers of a gRPC-web call from the page that is not signed."""
    wanted = {**_FETCH, **_from_page(origin), **_GRPC_WEB, "x-user-agent": "connect-es/2.1.1"}
    problems = _compare(headers, wanted) + _check_browser(headers)
    return problems + _forbid(headers, (*_TRACING, *_IDENTITY))


def check_signed_grpc(headers: dict[str, str], origin: str) -> list[str]:
    """Check the headers of a gRPC-web call from the page that may be signed."""
    wanted = {**_FETCH, **_from_page(origin), **_GRPC_WEB}
    problems = _compare(headers, wanted) + _check_browser(headers)
    return problems + _forbid(headers, _TRACING) + _check_request_id(headers)


def check_session_get(headers: dict[str, str], origin: str) -> list[str]:
    """Check the headers of the session call."""
    wanted = {**_FETCH, "referer": f"{origin}/"}
    problems = _compare(headers, wanted) + _check_browser(headers)
    problems += _forbid(headers, (*_TRACING, *_IDENTITY, "origin"))
    if _MAJOR.search(headers.get("user-agent", "")) and "sec-ch-ua" not in headers:
        problems.append("a Chromium browser sends client hints with this call")
    return problems


def check_page(headers: dict[str, str]) -> list[str]:
    """Check the headers of a navigation."""
    problems = _compare(headers, _PAGE) + _check_browser(headers)
    return problems + _forbid(headers, (*_TRACING, *_IDENTITY))


def check_handshake(headers: dict[str, str], query: bytes, origin: str) -> list[str]:
    """Check the headers and the address of the gateway socket's upgrade."""
    problems = _check_upgrade(headers, origin)
    name, _, uid = query.decode("latin-1").partition("=")
    if name != "uid" or not is_uuid(uid):
        problems.append("the query must be uid and a canonical lower-case UUID")
    return problems


def check_bare_handshake(headers: dict[str, str], query: bytes, origin: str) -> list[str]:
    """Check the headers and the address of the picture socket's upgrade."""
    problems = _check_upgrade(headers, origin)
    return [*problems, "no query belongs here"] if query else problems


def check_download(headers: dict[str, str], assets: str, *, is_video: bool) -> list[str]:
    """Check the headers of a download from the origin `assets`: a fetch, or a navigation."""
    wanted = _NAVIGATION if "sec-fetch-dest" in headers else {}
    problems = _compare(headers, wanted) + _check_browser(headers)
    problems += _forbid(headers, (*_TRACING, *_GRPC, "x-statsig-id", "origin", "content-type"))
    if headers.get("accept") not in ("*/*", _VIDEO_ACCEPT if is_video else _IMAGE_ACCEPT):
        problems.append(f"accept is {headers.get('accept')!r}")
    if headers.get("referer", f"{assets}/") != f"{assets}/":
        problems.append(f"referer is {headers['referer']!r}")
    return problems + (_check_request_id(headers) if "x-xai-request-id" in headers else [])


def accepts_statsig(value: str | None, policy: StatsigPolicy) -> bool:
    """Whether the site lets a call with this x-statsig-id pass."""
    if value is None:
        return policy != "signed"
    if policy == "none":
        return False
    try:
        plain = base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    is_fallback = plain.startswith(b"x1:TypeError: Cannot read properties of ")
    return len(plain) == _SIGNED_BYTES or (policy == "any" and is_fallback)


def _compare(headers: dict[str, str], wanted: Mapping[str, str]) -> list[str]:
    return [
        f"{name} is {headers.get(name)!r}, not {value!r}"
        for name, value in wanted.items()
        if headers.get(name, value if name in _ONLY_ON_HTTP_2 else None) != value
    ]


def _check_upgrade(headers: dict[str, str], origin: str) -> list[str]:
    problems = _compare(headers, {**_SOCKET, "origin": origin}) + _check_browser(headers)
    return problems + _forbid(headers, (*_TRACING, *_IDENTITY, "sec-websocket-protocol"))


def _from_page(origin: str, page: str = "/") -> dict[str, str]:
    return {"origin": origin, "referer": f"{origin}{page}"}


def _check_request_id(headers: dict[str, str]) -> list[str]:
    if is_uuid4(headers.get("x-xai-request-id", "")):
        return []
    return ["x-xai-request-id must be a lower-case version 4 UUID"]


def _forbid(headers: dict[str, str], names: tuple[str, ...]) -> list[str]:
    return [f"{name} must not be sent" for name in names if name in headers]


def _check_browser(headers: dict[str, str]) -> list[str]:
    agent = headers.get("user-agent", "")
    problems = [] if _BROWSER.fullmatch(agent) else ["user-agent is not a browser's"]
    if not headers.get("accept-language", "").strip("*"):
        problems.append("accept-language is missing")
    hints = headers.get("sec-ch-ua")
    if hints is None:
        return problems
    major = _MAJOR.search(agent)
    if major is None or f'v="{major[1]}"' not in hints:
        problems.append("sec-ch-ua names another browser than user-agent")
    platform = next((name for word, name in _PLATFORMS if word in agent), "Linux")
    if headers.get("sec-ch-ua-platform", f'"{platform}"') != f'"{platform}"':
        problems.append("sec-ch-ua-platform names another platform than user-agent")
    return problems
