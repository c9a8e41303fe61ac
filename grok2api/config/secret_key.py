"""The keys that encrypt account secrets: from a variable, or a file made at the first start."""

import base64
import binascii
import secrets
from pathlib import Path

from grok2api.config.files import create_once, read_text
from grok2api.errors import SettingsError

FILE_NAME = "secret.key"
KEY_BYTES = 32
_HEX_CHARACTERS = 2 * KEY_BYTES


def parse_keys(text: str, where: str) -> tuple[bytes, ...]:
    """Return the keys in `text`: one a line (or between commas), newest first, hex or base64.

    Raises:
        SettingsError: there is none, or one is not 32 bytes. Never quotes a key.
    """
    lines = [line.strip() for line in text.replace(",", "\n").splitlines()]
    keys = tuple(_parse_key(line, where) for line in lines if line and not line.startswith("#"))
    if not keys:
        raise SettingsError(f"{where}: holds no key; make one with `openssl rand -base64 32`")
    return keys


def read_keys(data_dir: Path) -> tuple[bytes, ...]:
    """Return the keys of the folder's key file; () where there is none yet.

    Raises:
        SettingsError: the file cannot be read or is damaged.
    """
    path = data_dir / FILE_NAME
    text = read_text(path)
    return () if text is None else parse_keys(text, str(path))


def ensure_keys(data_dir: Path) -> tuple[bytes, ...]:
    """Return the keys of the folder's key file, made now where there is none.

    Raises:
        SettingsError: the file cannot be read or made.
    """
    fresh = base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n"
    create_once(data_dir / FILE_NAME, fresh)
    return read_keys(data_dir)


def _parse_key(line: str, where: str) -> bytes:
    try:
        if len(line) == _HEX_CHARACTERS:
            return bytes.fromhex(line)
        key = base64.b64decode(line.replace("-", "+").replace("_", "/") + "=" * (-len(line) % 4))
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != KEY_BYTES:
        raise SettingsError(
            f"{where}: a key is 32 bytes as base64 or hex; make one with `openssl rand -base64 32`"
        )
    return key
