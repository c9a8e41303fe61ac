"""What the upstream calls our modes."""

from grok2api.domain.account import Mode

_OTHER_WORDS = {Mode.GROK_4_3: "grok-420-computer-use-sa"}


def word_of(mode: Mode) -> str:
    """Return the upstream's own word for a mode."""
    return _OTHER_WORDS.get(mode, mode.value)
