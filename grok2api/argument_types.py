"""What flags may hold: whole numbers in bounds, words of a closed set. Errors say which."""

from argparse import ArgumentTypeError
from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

Word = TypeVar("Word", bound=StrEnum)


def whole_number(least: int = 0, most: int | None = None) -> Callable[[str], int]:
    """Return what reads a whole number from `least` to `most`."""
    bounds = f"of {least} or more" if most is None else f"from {least} to {most}"

    def read(text: str) -> int:
        number = int(text) if text.isdecimal() else least - 1
        if number < least or (most is not None and number > most):
            raise ArgumentTypeError(f"must be a whole number {bounds}")
        return number

    return read


def one_of(words: type[Word]) -> Callable[[str], Word]:
    """Return what reads one of `words`."""

    def read(text: str) -> Word:
        try:
            return words(text)
        except ValueError:
            raise ArgumentTypeError(f"must be one of: {', '.join(words)}") from None

    return read
