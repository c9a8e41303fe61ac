"""Understanding what people paste as a credential: a token, a cookie string or header.

Nothing here quotes what was pasted: an error message must be safe to show and to log.
"""

import re
from collections.abc import Mapping
from typing import Final

from grok2api.domain.account import Credentials
from grok2api.providers.base import ImportFinding
from grok2api.providers.grok_web.codec.identity import clearance_cookies, plain_characters
from grok2api.providers.grok_web.imports import read_import
from grok2api.providers.grok_web.records import read_record

MIN_TOKEN_CHARS: Final = 16
MAX_TOKEN_CHARS: Final = 4096
MAX_PASTED_CHARS: Final = 65_536

# The only names that may begin a cookie inside a pasted text: a wrapped token may hold `=` too.
_NAMES = r"sso-rw|sso|cf_clearance|__cf_bm|_cfuvid|cf_chl_[\w-]*|x-[a-z]+|i18nextlng"
_PAIR_START = re.compile(rf"(?:\A|[;:\s\"'`])\s*({_NAMES})\s*=", re.IGNORECASE)
_LABEL = re.compile(r"\A(?:cookie|sso(?:-rw)?)\s*:", re.IGNORECASE)
_NAME_AGAIN = re.compile(r"\A(?:sso(?:-rw)?=)+", re.IGNORECASE)
_WRAPPING: Final = " \t\r\n\v\f\"'`<>,;"
_INVISIBLE = re.compile(r"[\xad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")
_PLACEHOLDER = re.compile(
    r"your[-_.]?(?:own[-_.]?)?(?:sso|token|session|cookie)|token[-_.]?here"
    r"|change[-_.]?me|placeholder|paste[-_.]?(?:your|here|it)",
    re.IGNORECASE,
)
_LEAST_DIFFERENT_CHARS: Final = 4


class GrokWebCredentials:
    """The credentials of the site: session tokens."""

    __slots__ = ()

    def parse_import(self, text: str) -> list[ImportFinding]:
        return parse_import(text)

    def parse_record(self, line: int, record: Mapping[str, object]) -> ImportFinding:
        return read_record(line, record, parse_credentials)


def parse_credentials(text: str) -> Credentials:
    """Clean one pasted credential: a bare token, `sso=…`, a cookie string or header.

    Of a cookie string, the session and Cloudflare's cookies are kept.

    Raises:
        ValueError: it cannot be one; the message says why and quotes nothing of it.
    """
    if len(text) > MAX_PASTED_CHARS:
        raise ValueError(f"It is too long for a cookie (over {MAX_PASTED_CHARS} characters).")
    plain = _unwrap(text)
    if not plain:
        raise ValueError("It is empty.")
    pairs = _read_pairs(plain)
    if not pairs:
        return Credentials(_check_token(_squeeze(plain)))
    token = pairs.get("sso") or pairs.get("sso-rw")
    if not token:
        raise ValueError("It is a cookie without sso; copy the value of the cookie named sso.")
    cookies = clearance_cookies("; ".join(f"{name}={value}" for name, value in pairs.items()))
    return Credentials(_check_token(token), cookies)


def parse_import(text: str) -> list[ImportFinding]:
    """Read a whole file: one credential a line with `#` comments, or JSON (see `imports`)."""
    return read_import(text, parse_credentials)


def _unwrap(text: str) -> str:
    """Take off what surrounds a credential: quotes, labels, invisible characters."""
    plain = _INVISIBLE.sub("", plain_characters(text))
    while True:
        before = plain
        plain = _LABEL.sub("", plain.strip(_WRAPPING))
        if plain == before:
            return plain


def _read_pairs(text: str) -> dict[str, str]:
    """Return the cookies whose names we know; the first of a name that says anything wins."""
    starts = list(_PAIR_START.finditer(text))
    ends = [*(start.start() for start in starts[1:]), len(text)][: len(starts)]
    pairs: dict[str, str] = {}
    for start, end in zip(starts, ends, strict=True):
        value = _squeeze(text[start.end() : end].partition(";")[0])
        name = start[1].lower()
        pairs[name] = pairs.get(name) or value
    return pairs


def _squeeze(value: str) -> str:
    """Join what a line break or a space has torn apart."""
    joined = "".join(value.split())
    while True:
        before = joined
        joined = _NAME_AGAIN.sub("", joined.strip(_WRAPPING))
        if joined == before:
            return joined


def _check_token(token: str) -> str:
    if not token:
        raise ValueError("It is empty.")
    if len(token) > MAX_TOKEN_CHARS:
        raise ValueError(f"It is too long for a session token (over {MAX_TOKEN_CHARS} characters).")
    if not _TOKEN.fullmatch(token):
        raise ValueError("It has characters that no session token has; was it cut or shortened?")
    if len(token) < MIN_TOKEN_CHARS:
        raise ValueError(f"It is too short for a session token (under {MIN_TOKEN_CHARS}).")
    if _PLACEHOLDER.search(token) or len(set(token)) < _LEAST_DIFFERENT_CHARS:
        raise ValueError("It is a placeholder, not a session token.")
    return token
