"""Data URLs and bare base64: measured before they are decoded, and decoded strictly."""

import binascii
from typing import Final
from urllib.parse import unquote, unquote_to_bytes

from msgspec import Struct

MAX_HEAD_CHARS: Final = 1024
_SCHEME: Final = "data:"
_BLANKS: Final = b" \t\r\n"
_URL_ALPHABET: Final = bytes.maketrans(b"-_", b"+/")
_QUANTUM: Final = 4


class DataUrlError(ValueError):
    """It is no data URL, or its content is damaged; the text says why, and quotes nothing."""


class DataUrl(Struct, frozen=True):
    """A data URL, taken apart; its content, undecoded, begins at `start` of `url`."""

    url: str
    start: int
    media_type: str
    name: str
    is_base64: bool

    @property
    def size_bytes(self) -> int:
        """How large the content will be; for base64 with faults, at least so large."""
        url, start = self.url, self.start
        chars = len(url) - start - 2 * url.count("%", start)
        if not self.is_base64:
            return chars
        chars -= sum(url.count(chr(blank), start) for blank in _BLANKS)
        chars -= url.count("=", max(start, len(url) - 2))
        return chars * 3 // _QUANTUM

    def decode(self) -> bytes:
        """Return the content.

        Raises:
            DataUrlError: it is not what it says it is.
        """
        text = self.url[self.start :]
        try:
            if not self.is_base64:
                return unquote_to_bytes(text)
            return _decode_base64(text)
        except (binascii.Error, UnicodeEncodeError):
            raise DataUrlError("its base64 is damaged") from None


def is_data_url(text: str) -> bool:
    """Whether `text` begins as a data URL does."""
    return text[: len(_SCHEME)].lower() == _SCHEME


def parse_data_url(url: str) -> DataUrl:
    """Take a data URL apart without touching its content.

    Raises:
        DataUrlError: it has no content.
    """
    comma = url.find(",", 0, MAX_HEAD_CHARS)
    if comma < 0 or not is_data_url(url):
        raise DataUrlError("it has no comma before its content")
    media_type, *settings = url[len(_SCHEME) : comma].split(";")
    is_base64 = bool(settings) and settings[-1].strip().lower() == "base64"
    pairs = (setting.partition("=") for setting in settings)
    names = {key.strip().lower(): unquote(value.strip().strip('"')) for key, _, value in pairs}
    return DataUrl(
        url,
        comma + 1,
        media_type.strip().lower(),
        names.get("filename") or names.get("name") or "",
        is_base64,
    )


def _decode_base64(text: str) -> bytes:
    plain = unquote(text) if "%" in text else text
    data = plain.encode("ascii").translate(_URL_ALPHABET, _BLANKS)
    data = data.removesuffix(b"=").removesuffix(b"=")
    missing = -len(data) % _QUANTUM
    if missing == _QUANTUM - 1 or b"=" in data:
        raise binascii.Error
    return binascii.a2b_base64(data + b"=" * missing, strict_mode=True)
