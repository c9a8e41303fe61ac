"""Taking secrets and personal data out of what an upstream said, before it reaches a log."""

import re

MAX_DETAIL_CHARS = 400

# Looked at before shortening, so that a secret cannot be cut into an unrecognisable half.
_MAX_INPUT_CHARS = 4096
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?i)\b(?:https?|wss?)://[^\s\"'<>]++"), "(url)"),
    (re.compile(r"(?i)\b(?:set-)?cookie\s*:\s*[^\r\n]+"), "(cookie)"),
    (re.compile(r"(?i)\bbearer\s+[\w.~+/=-]+"), "(bearer)"),
    (re.compile(r"\beyJ[\w-]{5,}(?:\.[\w-]*){0,4}"), "(jwt)"),
    (
        re.compile(
            r"(?i)\b(?:sso(?:-rw)?|cf_clearance|__cf_bm|_cfuvid|cf_chl_\w+|x-userid|token|session"
            r"|password|secret|api[_-]?key)\s*=\s*[^\s;,\"'}]+"
        ),
        "(cookie)",
    ),
    (re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"), "(e-mail)"),
    (re.compile(r"\b[\w+/=-]{32,}"), "(long)"),
    (re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+"), " "),
)


def redact(text: str) -> str:
    """Return at most 400 characters of `text` with secrets replaced by what they were."""
    text = text[:_MAX_INPUT_CHARS]
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    text = text.strip()
    if len(text) > MAX_DETAIL_CHARS:
        text = text[: MAX_DETAIL_CHARS - 1] + "…"
    return text
