"""What commands read and write: lines, tables, JSON, progress."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from grok2api.errors import SettingsError

_STANDARD_INPUT = "-"
_PROGRESS_EVERY = 50


def say(line: str) -> None:
    """Write one line of the answer."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def remark(line: str) -> None:
    """Write one line beside the answer, to standard error."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def say_json(value: object) -> None:
    """Write `value` as indented JSON."""
    say(msgspec.json.format(msgspec.json.encode(value)).decode())


def say_table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write rows under their heads, in columns."""
    cells = [tuple(map(str, row)) for row in (heads, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        say("  ".join(map(str.ljust, row, widths)).rstrip())


def show_progress(done: int, total: int) -> None:
    """Overwrite one line of standard error with how far we are; nothing where nobody looks."""
    is_over = done == total
    if sys.stderr.isatty() and (is_over or done % _PROGRESS_EVERY == 0):
        sys.stderr.write(f"\r{done} of {total}" + ("\n" if is_over else ""))
        sys.stderr.flush()


def read_input(name: str, *, invitation: str) -> str:
    """Return the text of a file, or of standard input for "-"; a person there is invited first.

    Raises:
        SettingsError: it cannot be read, or is no text.
    """
    try:
        data = _read_standard_input(invitation) if name == _STANDARD_INPUT else _read_file(name)
        return data.decode("utf-8-sig")
    except OSError as error:
        raise SettingsError(f"{name}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{name}: byte {error.start} is not UTF-8 text") from None


def silence_output() -> None:
    """Send all further output nowhere: whoever read it has gone (`… | head`)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _read_standard_input(invitation: str) -> bytes:
    if sys.stdin.isatty():
        remark(invitation)
    return sys.stdin.buffer.read()


def _read_file(name: str) -> bytes:
    return Path(name).read_bytes()
