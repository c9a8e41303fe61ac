"""What commands read and write: lines, tables, JSON, progress."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from grok2api.errors import SettingsError

STANDARD: Final = "-"
"""The name of standard input and standard output where a file's name stands."""

MAX_INPUT_BYTES: Final = 256 * 1024 * 1024


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


def show_progress(done: int, total: int | None) -> None:
    """Overwrite one line of standard error with how far we are; nothing where nobody looks.

    Without a `total` the line stays open: end it with `end_progress`.
    """
    if sys.stderr.isatty():
        is_over = done == total
        whole = "" if total is None else f" of {total}"
        sys.stderr.write(f"\r{done}{whole}" + ("\n" if is_over else ""))
        sys.stderr.flush()


def end_progress() -> None:
    """End the line that `show_progress` left open."""
    if sys.stderr.isatty():
        sys.stderr.write("\n")
        sys.stderr.flush()


def read_input(name: str, *, invitation: str) -> bytes:
    """Return what is in a file, or in standard input for "-"; a person there is invited first.

    Raises:
        SettingsError: it cannot be read, or is too large.
    """
    try:
        if name == STANDARD:
            if sys.stdin.isatty():
                remark(invitation)
            data = sys.stdin.buffer.read(MAX_INPUT_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(MAX_INPUT_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"{name}: cannot be read: {error.strerror}") from None
    if len(data) > MAX_INPUT_BYTES:
        raise SettingsError(f"{name}: has more than {MAX_INPUT_BYTES} bytes; split it")
    return data


def decode_text(name: str, data: bytes) -> str:
    """Return `data` as text.

    Raises:
        SettingsError: it is none.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{name}: byte {error.start} is not UTF-8 text") from None


@contextmanager
def open_output(name: str) -> Iterator[Callable[[bytes], object]]:
    """Yield what writes to a file, or to standard output for "-".

    A file appears whole, when the block ends well, or not at all; only its owner may read it.

    Raises:
        SettingsError: it cannot be written.
    """
    if name == STANDARD:
        yield sys.stdout.buffer.write
        sys.stdout.buffer.flush()
        return
    path = Path(name).resolve()
    if path.exists() and not path.is_file():
        raise SettingsError(f"{name}: is no file; give the name of one")
    try:
        with _replacing(path) as write:
            yield write
    except OSError as error:
        raise SettingsError(f"{name}: cannot be written: {error.strerror}") from None


def silence_output() -> None:
    """Send all further output nowhere: whoever read it has gone (`… | head`)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _replacing(path: Path) -> Iterator[Callable[[bytes], object]]:
    """Yield what writes to a file beside `path`, readable by its owner, that takes its place."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file.write
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
